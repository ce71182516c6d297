"""Exercises of notebook 08: watching your agent."""

from __future__ import annotations

import math

import numpy as np

from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice, Number, Several


@exercise(
    cases=[(1.75, 0.4), (1.75, 0.5), (1.0, 2.0), (2.0, 8.0), (1.0, 0.3)],
    slips={
        "that is the error of one mean; the difference has both"
        " their errors": "8 * -> 4 *",
        "that is for one standard error of the difference; two are"
        " asked for": "8 * -> 2 *",
        "the error of a difference is sqrt(2) times that of one mean, and two of them"
        " are asked for": "8 * -> ",
        "round up: a whole episode more": "ceil -> floor",
        "episodes are whole numbers: round up": lambda s, gap: 8 * (s / gap) ** 2,
        "n stands under a root: square"
        " the rest": "8 * (spread / gap) ** 2 -> math.sqrt(8) * spread / gap",
    },
)
def episodes_needed(spread: float, gap: float) -> int:
    """Two errors of the difference, 2 * spread * sqrt(2 / n), must not exceed gap."""
    return max(1, math.ceil(8 * (spread / gap) ** 2))


@exercise(
    array=np.array,
    cases={
        "thrown back once": ([50.0, 49, 48, 49, 50, 51, 51, 50],),
        "never moved back": ([50.0, 49, 48, 47],),
        "two steps back are too few": ([40.0, 41, 42, 42, 41],),
        "a crossing, which is no hit": ([10.0, 8, 6, 58, 58, 57],),
        "a crossing, then two steps back": ([8.0, 6, 58, 59, 60, 60],),
        "hit twice": ([30.0, 31, 32, 33, 34, 35, 35, 36, 37, 38],),
        "hit at the very end": ([40.0, 40, 41, 42, 43],),
        "one step": ([58.0],),
    },
    slips={
        "report the step before the first move back": "step - 2 -> step - 1",
        "a run is known at its third move, but begins two before": "step - 2 -> step",
        "report the first step of each run only": "run == 3 -> run >= 3",
        "a move of more than 10 rows is the return to the start": "<= 10 -> <= 99",
    },
)
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
replay = Several(
    "replay",
    Number(
        "first_dropped",
        189,
        {
            "the ACTIONS differ there; compare frames: (a != b).any((1, 2, 3))": 138,
            "frames MAY differ from there; compare: (a != b).any((1, 2, 3))": 139,
        },
        "compare the 599 frames of replay_actions(np.delete(recorded.actions, 138))"
        " with the first 599 recorded ones",
    ),
    Number(
        "first_seed",
        0,
        {},
        "compare replay_actions(recorded.actions, seed=1) with the recorded frames: is"
        " frame 0 the same?",
    ),
    Choice(
        "reason",
        "b",
        a="replay the same actions from the same seed twice: all frames are equal, so"
        " nothing is random",
        c="frames are compared, not averaged: 51 of them are equal to the last bit",
        d="the file is compressed without loss: the full replay matched it exactly",
    ),
)
