"""Checks of notebook 01: the game and the 100k budget."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from lessons.exercise import Wrong, as_array, choose, exercise, expect

Frames = np.ndarray


def shrink(screen: Frames) -> Frames:
    """uint8 (H, W, 3) -> uint8 (64, 64, 3), as the library does it."""
    picture = Image.fromarray(screen).resize((64, 64), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def moving_square(ground: int, square: int) -> Frames:
    """Four screens, uint8 (4, 210, 160, 3): a square of 10 pixels on its way."""
    screens = np.full((4, 210, 160, 3), ground, np.uint8)
    for k in range(4):
        screens[k, 100:110, 30 + 11 * k : 40 + 11 * k] = square
    return screens


@exercise
def observe_four(answer: Callable[[Frames], Frames]) -> None:
    for ground, square in ((20, 230), (230, 20)):
        screens = moving_square(ground, square)
        case = f"for a square of brightness {square} moving on {ground}"
        got = as_array(answer(screens))
        small = np.stack([shrink(s) for s in screens])
        if got.shape != (64, 64, 3):
            raise Wrong(f"{case}: shape {got.shape}, expected (64, 64, 3)")
        slips = {
            "that is the maximum of the last two alone; take all four": small[2:].max(
                0
            ),
            "the maximum came first; shrink each screen before": shrink(screens.max(0)),
            "that is their mean, in which a blinking object is dim": small.mean(0),
        }
        wanted = small.max(0)
        for slip, value in slips.items():
            if np.allclose(got, value, atol=0.5) and not np.array_equal(value, wanted):
                raise Wrong(f"{case}: {slip}")
        expect(got, wanted, case)


@exercise
def dark_ball(answer: str) -> None:
    replies = {
        "a": "a spot stays dark only if NO screen is bright there; elsewhere on its"
        " path the ball was gone in three screens of four",
        "c": "that is what a bright ball does; the maximum keeps the brightest",
    }
    choose(answer, "b", replies)


@exercise
def life_ends(answer: Callable[[np.ndarray, int], np.ndarray]) -> None:
    cases = [
        (
            [5, 5, 4, 4, 3],
            5,
            [0, 0, 1, 0, 1],
            "compare every entry with the one before",
        ),
        ([2, 2], 3, [1, 0], "the first step is compared with `before`"),
        ([1, 0, 0], 1, [0, 0, 0], "a drop to 0 is the game's end, not a lost life"),
        ([3, 4, 4, 3], 3, [0, 0, 0, 1], "a life won is no end"),
    ]
    for lives, before, wanted, slip in cases:
        case = f"for lives {lives} after {before}"
        got = as_array(answer(np.array(lives), before))
        if got.shape != (len(lives),):
            raise Wrong(f"{case}: shape {got.shape}, expected ({len(lives)},)")
        if got.astype(int).tolist() != wanted:
            raise Wrong(
                f"{case}: got {got.astype(int).tolist()}, expected {wanted} ({slip})"
            )


@exercise
def longest_episode(answer: Callable[[int, int, int], int]) -> None:
    cases = [
        (4, 20, 4, "16 raw frames are left: exactly 4 steps"),
        (3, 20, 4, "17 raw frames are left: 4 whole steps and one cut short"),
        (30, 20_000, 4, "no-ops count too"),
        (1, 108_000, 4, "the limit is an argument"),
        (1, 100, 3, "the frame skip is an argument"),
    ]
    for noops, limit, skip, why in cases:
        wanted = -(-(limit - noops) // skip)
        case = f"for {noops} no-ops, a limit of {limit} and a skip of {skip}"
        got = answer(noops, limit, skip)
        if as_array(got).shape != () or float(got) != wanted:
            raise Wrong(f"{case}: got {got}, expected {wanted} ({why})")


@exercise
def real_share(answer: Callable[[int, int], float]) -> None:
    cases = [
        (1, 20, "one real step of twenty"),
        (4, 2, "starts 0, 1, 2 fit; start 3 has one step of two"),
        (23, 20, "only starts 0 to 3 fit"),
        (1000, 20, "hardly any padding"),
    ]
    for length, size, why in cases:
        real = [min(size, length - t) for t in range(length)]
        wanted = sum(real) / length / size
        case = f"for an episode of {length} and segments of {size} ({why})"
        expect(answer(length, size), wanted, case)
