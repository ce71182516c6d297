"""Checks of notebook 08."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lessons.exercise import NotAttempted, Wrong, choose, exercise


@exercise
def episodes_needed(count: Callable[[float, float], int]) -> None:
    """Episodes for each of two agents, so that a gap stands out of the noise."""
    for spread, gap in ((1.75, 0.4), (1.75, 0.5), (1.0, 2.0), (2.0, 8.0)):
        right = max(1, math.ceil(8 * spread**2 / gap**2))
        got = count(spread, gap)
        if got == right:
            continue
        exact = 8 * spread**2 / gap**2
        slips = {
            math.ceil(exact / 2): "that is the error of one mean; the difference"
            " has both their errors",
            math.ceil(
                exact / 4
            ): "that is for one standard error of the difference; two are asked for",
            math.ceil(exact / 8): "the error of a difference is sqrt(2) times that of"
            " one mean, and two of them are asked for",
            math.floor(exact): "round up: a whole episode more",
            math.ceil(math.sqrt(exact)): "n stands under a root: square the rest",
        }
        hint = f" ({slips[got]})" if got in slips else ""
        if isinstance(got, float) and math.isclose(got, exact):
            hint = " (episodes are whole numbers: round up)"
        raise Wrong(
            f"for spread {spread} and gap {gap}: got {got}, expected {right}{hint}"
        )


@exercise
def find_hits(find: Callable[[np.ndarray], Sequence[int]]) -> None:
    """Steps at which the chicken begins to be thrown back."""
    cases = {
        "thrown back once": ([50, 49, 48, 49, 50, 51, 51, 50], [2]),
        "never moved back": ([50, 49, 48, 47], []),
        "two steps back are too few": ([40, 41, 42, 42, 41], []),
        "a crossing, which is no hit": ([10, 8, 6, 58, 58, 57], []),
        "a crossing, then two steps back": ([8, 6, 58, 59, 60, 60], []),
        "hit twice": ([30, 31, 32, 33, 34, 35, 35, 36, 37, 38], [0, 6]),
        "hit at the very end": ([40, 40, 41, 42, 43], [1]),
        "one step": ([58], []),
    }
    for name, (rows, right) in cases.items():
        got = [int(step) for step in find(np.array(rows, dtype=float))]
        if got != right:
            raise Wrong(
                f"rows {rows} ({name}): got {got}, expected {right}"
                + slip(got, right, rows)
            )


def slip(got: Sequence[int], right: Sequence[int], rows: Sequence[int]) -> str:
    """What may have gone wrong, if it is easily told."""
    if got == [step + 1 for step in right] and got:
        return " (report the step before the first move back)"
    if right and set(right) < set(got):
        return " (report the first step of each run only)"
    if any(rows[step + 1] - rows[step] > 10 for step in got if step + 1 < len(rows)):
        return " (a jump of more than 10 rows is the return to the start)"
    return ""


@exercise
def replay(answer: tuple[int, int, str]) -> None:
    """First frame that differs, without action 138 and from seed 1; and the reason."""
    dropped, seed, reason = answer
    if ... in (dropped, seed, reason):
        raise NotAttempted
    if int(dropped) in (138, 139):
        raise Wrong(
            f"you say frame {dropped} is the first to differ without action 138. That"
            " is where the actions differ; compare the frames: (a != b).any((1, 2, 3))"
        )
    if int(dropped) != 189:
        raise Wrong(
            f"without action 138 you found frame {dropped}. Compare the 599 frames of"
            " replay_actions(np.delete(recorded.actions, 138)) with the first 599"
            " recorded ones"
        )
    if int(seed) != 0:
        raise Wrong(
            f"from seed 1 you found frame {seed}. Compare"
            " replay_actions(recorded.actions, seed=1) with the recorded frames: is"
            " frame 0 the same?"
        )
    choose(reason, "b", WHY_NOT)


WHY_NOT = {
    "a": "Replay the same actions from the same seed twice: all frames are equal,"
    " so nothing is random",
    "c": "Frames are compared, not averaged: 51 of them are equal to the last bit",
    "d": "The file is compressed without loss: the full replay matched it exactly",
}
