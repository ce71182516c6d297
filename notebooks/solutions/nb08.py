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


# Hit in step 135, the chicken does not listen when DOWN comes a step early, and at the
# kerb, after its crossing, DOWN does nothing: the shifted actions show from 189 on.
# Seed 1 begins with other no-ops.
replay = (189, 0, "b")
