"""Checks of notebook 00."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lessons.exercise import NotAttempted, Wrong, choose, exercise

DREAM_ROW = ("lower", "upper", "lower")  # of the three pairs of strips

Pair = tuple[np.ndarray, np.ndarray]


def hide(real: np.ndarray, dreamed: np.ndarray, pair: int) -> Pair:
    """Two strips as (upper, lower), in the order that the check knows."""
    lower = DREAM_ROW[pair] == "lower"
    return (real, dreamed) if lower else (dreamed, real)


@exercise
def strips(guess: Sequence[str]) -> None:
    """Which row of each pair is the dream: "upper" or "lower"."""
    words = [str(word).strip().lower() for word in guess]
    if ... in list(guess) or None in list(guess):
        raise NotAttempted
    if len(words) != len(DREAM_ROW):
        raise Wrong(f"there are {len(DREAM_ROW)} pairs; you gave {len(words)} answers")
    for number, (word, right) in enumerate(zip(words, DREAM_ROW, strict=True), start=1):
        if word not in ("upper", "lower"):
            raise Wrong(f'pair {number}: write "upper" or "lower", not {word!r}')
        if word != right:
            raise Wrong(
                f"pair {number}: you said the {word} row is the dream, but that one is"
                " the game. Follow the yellow chicken on the left, frame by frame: in"
                " the game it never stands still for long, and never vanishes"
            )


@exercise
def held(answer: tuple[Sequence[int], str]) -> None:
    """Rewards dreamed under each held action (NOOP, UP, DOWN), and the reason."""
    counts, reason = answer
    if ... in (counts, reason) or ... in list(counts):
        raise NotAttempted
    if len(counts) != 3:
        raise Wrong(
            f"give three counts, for NOOP, UP and DOWN; you gave {len(counts)}:"
            f" {list(counts)}"
        )
    noop, up, down = (int(count) for count in counts)
    if not up > max(noop, down):
        raise Wrong(
            f"your counts are NOOP {noop}, UP {up}, DOWN {down}. Held UP must have the"
            " most: did you pass 0, 1 and 2 to hold(), in this order?"
        )
    choose(reason, "a", WHY_NOT)


WHY_NOT = {
    "b": "the dream does tell the actions apart: look at your three counts",
    "c": "look at the three rows of pictures again: under DOWN the chicken does not go"
    " where it goes under UP",
    "d": "the policy chose nothing here: you held the action. The rewards are the"
    " world model's",
}


@exercise
def passes(count: Callable[[int, int], int]) -> None:
    """Passes of the Transformer in a dream of `horizon` steps, token by token."""
    for tokens, horizon in ((4, 3), (4, 2), (16, 20), (64, 20)):
        right = 1 + (horizon - 1) * (1 + tokens) + 1
        got = count(tokens, horizon)
        if got == right:
            continue
        slips = {
            1 + horizon * (1 + tokens): "the last step needs no next frame: its action"
            " alone is read",
            (horizon - 1) * (1 + tokens)
            + 1: "the start frame must be read first, which is one pass",
            1 + (horizon - 1) * tokens + 1: "a step reads its action too, before the"
            " tokens",
            horizon * (1 + tokens): "the start frame is one pass, and the last step"
            " needs no next frame",
        }
        raise Wrong(
            f"for {tokens} tokens and {horizon} steps: got {got}, expected {right}"
            + (f" ({slips[got]})" if got in slips else "")
        )
