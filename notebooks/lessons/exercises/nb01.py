"""Exercises of notebook 01: the game and the 100k budget."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice


def shrink(screen: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> uint8 (64, 64, 3), as the library does it."""
    picture = Image.fromarray(screen).resize((64, 64), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def moving_square(ground: int, square: int) -> np.ndarray:
    """Four screens, uint8 (4, 210, 160, 3): a square of 10 pixels on its way."""
    screens = np.full((4, 210, 160, 3), ground, np.uint8)
    for k in range(4):
        screens[k, 100:110, 30 + 11 * k : 40 + 11 * k] = square
    return screens


@exercise(
    cases=[(moving_square(20, 230),), (moving_square(230, 20),)],
    slips={
        "that is the maximum of the last two alone; take"
        " all four": "in screens -> in screens[2:]",
        "the maximum came first; shrink each screen before": (
            lambda screens: shrink(screens.max(axis=0))
        ),
        "that is their mean, in which a blinking object is dim": ".max( -> .mean(",
    },
)
def observe_four(screens: np.ndarray) -> np.ndarray:
    return np.stack([shrink(s) for s in screens]).max(axis=0)


dark_ball = Choice(
    "dark_ball",
    "b",  # each pixel of its path is bright in another of the four screens
    a="a spot stays dark only if NO screen is bright there; elsewhere on its path the"
    " ball was gone in three screens of four",
    c="that is what a bright ball does; the maximum keeps the brightest",
)


@exercise(
    array=np.array,
    cases=[([5, 5, 4, 4, 3], 5), ([2, 2], 3), ([1, 0, 0], 1), ([3, 4, 4, 3], 3)],
    slips={
        "a drop to 0 is the game's end, not a lost life": "(lives > 0) & -> ",
        "a life won is no end": "lives < previous -> lives != previous",
        "the first step is compared with `before`": "[before] -> lives[:1]",
        "compare every entry with the one before": "lives < previous -> lives < before",
    },
)
def life_ends(lives: np.ndarray, before: int) -> np.ndarray:
    previous = np.concatenate([[before], lives[:-1]])
    return (lives > 0) & (lives < previous)


@exercise(
    cases=[(4, 20, 4), (3, 20, 4), (30, 20_000, 4), (1, 108_000, 4), (1, 100, 3)],
    slips={
        "the last step may be cut short: round up": "-(-(limit -> ((limit",
        "no-ops use up raw frames too": "(limit - noops) -> limit",
        "a no-op is a raw frame, not a step": "- noops) // skip) -> ) // skip) - noops",
        "the frame skip is an argument": "// skip -> // 4",
        "the limit is an argument": "(limit - -> (20_000 -",
    },
)
def longest_episode(noops: int, limit: int = 20_000, skip: int = 4) -> int:
    return -(-(limit - noops) // skip)


@exercise(
    cases=[(1, 20), (4, 2), (23, 20), (1000, 20)],
    slips={
        "that is the share of a segment that begins at step 0; it may begin"
        " at any": "np.arange(length) -> np.array([0])",
        "a segment that begins near the end is padded": "length - starts -> size",
        "that is a number of steps; divide it by the segment's size": " / size -> ",
    },
)
def real_share(length: int, size: int) -> float:
    starts = np.arange(length)
    return float(np.minimum(size, length - starts).mean() / size)
