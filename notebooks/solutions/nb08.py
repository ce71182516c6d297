"""Solutions of notebook 08, named as their checks."""

from __future__ import annotations

import math

import numpy as np


def episodes_needed(spread: float, gap: float) -> int:
    """Two standard errors of a difference, 2 spread sqrt(2 / n), must not exceed the
    gap: n >= 8 (spread / gap)^2."""
    return max(1, math.ceil(8 * (spread / gap) ** 2))


def find_hits(rows: np.ndarray) -> list[int]:
    """First steps of runs of three or more moves back, without returns to the start."""
    moves = np.diff(rows)
    back = (moves > 0) & (moves <= 10)
    hits, run = [], 0
    for step, is_back in enumerate(back):
        run = run + 1 if is_back else 0
        if run == 3:
            hits.append(step - 2)
    return hits


# Hit in steps 19, 34 and 44, the chicken does not listen to actions from step 30 to 58:
# the shifted actions change nothing until then. Seed 1 begins with other no-ops.
replay = (59, 0, "b")
