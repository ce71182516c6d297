"""Solutions of notebook 09."""

from __future__ import annotations

import numpy as np


def optimality_gap(scores: np.ndarray) -> float:
    return float(np.mean(1 - np.minimum(scores, 1)))


why_wider = "b"  # each column falls from the first row to the last


def games_to_lose(ours: np.ndarray, theirs: np.ndarray) -> int:
    order = np.argsort(-ours.mean(axis=0))
    for k in range(len(order)):
        rest = order[k:]
        if ours[:, rest].mean() < theirs[:, rest].mean():
            return k
    return len(order)


def improvement(ours: np.ndarray, theirs: np.ndarray) -> float:
    pairs = ours[:, None] - theirs  # (our runs, their runs, games)
    return float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
