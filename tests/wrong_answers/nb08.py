"""Plausible wrong answers to the exercises of notebook 08: name, answer, and what the
check must say."""

from __future__ import annotations

import math

import numpy as np
from solutions import nb08 as solutions


def back(rows: np.ndarray) -> np.ndarray:
    moves = np.diff(rows)
    return (moves > 0) & (moves <= 10)


def every_step(rows: np.ndarray) -> list[int]:
    """All steps of a run, not its first alone."""
    b = back(rows)
    return [i for i in range(len(b) - 2) if b[i] and b[i + 1] and b[i + 2]]


def one_late(rows: np.ndarray) -> list[int]:
    return [step + 1 for step in solutions.find_hits(rows)]


def counts_returns(rows: np.ndarray) -> list[int]:
    return [i for i, move in enumerate(np.diff(rows)) if move > 10]


def at_the_third(rows: np.ndarray) -> list[int]:
    return [step + 2 for step in solutions.find_hits(rows)]


WRONG = [
    ("episodes_needed", lambda s, g: math.ceil(4 * s**2 / g**2), "both their errors"),
    ("episodes_needed", lambda s, g: math.ceil(2 * s**2 / g**2), "one standard error"),
    ("episodes_needed", lambda s, g: max(1, int(8 * s**2 / g**2)), "round up"),
    ("episodes_needed", lambda s, g: 8 * s**2 / g**2, "whole numbers"),
    ("episodes_needed", lambda s, g: 100, "expected 154"),
    ("find_hits", every_step, "first step of each run"),
    ("find_hits", one_late, "before the first move back"),
    ("find_hits", counts_returns, "expected [2]"),
    ("find_hits", at_the_third, "got [4], expected [2]"),
    ("find_hits", lambda rows: rows[100], "IndexError"),
    ("replay", (138, 0, "b"), "where the actions differ"),
    ("replay", (139, 0, "b"), "compare the frames"),
    ("replay", (599, 0, "b"), "frame 599"),
    ("replay", (189, 1, "b"), "is frame 0 the same"),
    ("replay", (189, 0, "a"), "nothing is random"),
    ("replay", (189, 0, "c"), "not averaged"),
    ("replay", (189, 0, "d"), "without loss"),
    ("replay", (189, 0, "e"), "'e'"),
]


STUBS = [
    ("episodes_needed", lambda spread, gap: ...),
    ("find_hits", lambda rows: None),
    ("replay", (..., ..., ...)),
    ("replay", (189, 0, ...)),
]
