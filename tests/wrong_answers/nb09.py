"""Plausible wrong answers to the exercises of notebook 09: name, answer, and what the
check must say."""

from __future__ import annotations

from typing import Any

import numpy as np
from solutions import nb09 as solution


def never_zero(ours: np.ndarray, theirs: np.ndarray) -> int:
    return max(1, solution.games_to_lose(ours, theirs))


def only_ours(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Compares what is left of ours with all of theirs."""
    best = np.sort(ours.mean(axis=0))[::-1]
    for k in range(len(best)):
        if best[k:].mean() < theirs.mean():
            return k
    return len(best)


def worst_first(ours: np.ndarray, theirs: np.ndarray) -> int:
    order = np.argsort(ours.mean(axis=0))
    for k in range(len(order)):
        if ours[:, order[k:]].mean() < theirs[:, order[k:]].mean():
            return k
    return len(order)


def gives_up(ours: np.ndarray, theirs: np.ndarray) -> int:
    found = solution.games_to_lose(ours, theirs)
    return -1 if found == ours.shape[1] else found


def pooled(ours: np.ndarray, theirs: np.ndarray) -> float:
    pairs = np.subtract.outer(ours.ravel(), theirs.ravel())
    return float((np.sign(pairs).mean() + 1) / 2)


WRONG: list[tuple[str, Any, str]] = [
    ("optimality_gap", lambda s: np.minimum(s, 1).mean(), "lack to 1"),
    ("optimality_gap", lambda s: 1 - s.mean(), "cap each score first"),
    ("optimality_gap", lambda s: 1 - np.clip(s, 0, 1).mean(), "from below"),
    ("optimality_gap", lambda s: 1 - np.minimum(s, 1).mean(0), "TypeError"),
    ("why_wider", "a", "seeds are not shared"),
    ("why_wider", "c", "more replicates"),
    ("why_wider", "sorted", "choose one of"),
    ("games_to_lose", never_zero, "k = 0 is the first try"),
    ("games_to_lose", only_ours, "out of both"),
    ("games_to_lose", worst_first, "expected 2"),
    ("games_to_lose", gives_up, "number of games, 2"),
    ("improvement", lambda x, y: (x[:, None] > y).mean(), "ties count as losses"),
    ("improvement", lambda x, y: (x[:, None] >= y).mean(), "ties count as wins"),
    ("improvement", lambda x, y: np.sign(x[:, None] - y).mean(), "from -1 to 1"),
    ("improvement", pooled, "games were mixed"),
    ("improvement", lambda x, y: (x.mean(0) > y.mean(0)).mean(), "expected"),
]
