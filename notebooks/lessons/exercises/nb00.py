"""Exercises of notebook 00: a dream in two minutes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lessons.exercises.compare import Wrong
from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice, Number, Several

IS_GAME = (
    "that row is the game. Follow the yellow chicken on the left, frame by frame: in"
    " the game it never stands still for long, and never vanishes"
)
# Which row is the dream: its chicken stands still, or is gone
strips = Several(
    "strips",
    Choice("pair 1", "lower", upper=IS_GAME),
    Choice("pair 2", "upper", lower=IS_GAME),
    Choice("pair 3", "lower", upper=IS_GAME),
)


def hide(
    real: np.ndarray, dreamed: np.ndarray, pair: int
) -> tuple[np.ndarray, np.ndarray]:
    """Two strips as (upper, lower), in the order that the exercise knows."""
    lower = strips.solution[pair] == "lower"
    return (real, dreamed) if lower else (dreamed, real)


def up_has_most(counts: Sequence[int]) -> bool:
    if len(counts) != 3:
        raise Wrong(f"give three counts, for NOOP, UP and DOWN; got {counts}")
    noop, up, down = counts
    return up > max(noop, down)


ORDER = "UP must have the most: did you pass 0, 1 and 2 to hold(), in this order?"
held = Several(
    "held",
    # As `hold` printed them; they may differ a little between processors
    Number("counts", (0, 6, 0), {ORDER: (9, 0, 0)}, ORDER, up_has_most),
    Choice(
        "reason",
        "a",
        b="the dream does tell the actions apart: look at your three counts",
        c="look at the three rows of pictures again: under DOWN the chicken does not go"
        " where it goes under UP",
        d="the policy chose nothing here: you held the action. The rewards are the"
        " world model's",
    ),
)


@exercise(
    case="{0} tokens and {1} steps",
    cases=[(4, 3), (4, 2), (16, 20), (64, 20)],
    slips={
        "the last step needs no next frame: its action alone"
        " is read": "(horizon - 1) * (1 + tokens) + 1 -> horizon * (1 + tokens)",
        "a pass is missing: the start frame is read first, and the last action at the"
        " end": "return 1 + -> return ",
        "a step reads its action too, before the tokens": "(1 + tokens) -> tokens",
        "the start frame is one pass, and the last step needs no"
        " next frame": lambda tokens, horizon: horizon * (1 + tokens),
    },
)
def passes(tokens: int, horizon: int) -> int:
    """The start frame; then every step but the last reads its action and samples the
    tokens of the next frame; the last reads its action only."""
    return 1 + (horizon - 1) * (1 + tokens) + 1
