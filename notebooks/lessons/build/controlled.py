"""Where a frame shows what the player controls: the chicken, a paddle, a fighter.

A detector is a row of the table below: pixels of some colours in a part of the frame,
put together where they touch, and how large that is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

Range = tuple[int, int]  # the first and the last, both of them in
Colour = tuple[int, int, int]
AROUND = np.ones((3, 3))


class Detector(NamedTuple):
    """rows, columns: where to look, of 64. low, high: RGB of its pixels. area, height,
    width: of the object, in pixels; what is smaller is none. join: how many rows and
    columns each pixel reaches out to others that belong to the same object."""

    rows: Range
    columns: Range
    low: Colour
    high: Colour
    area: Range
    height: Range
    width: Range
    join: tuple[int, int] = (0, 0)


# The colours are those of the small frame, where an object's mix with what is behind.
DETECTORS = {
    "Freeway": Detector(
        (4, 59), (14, 22), (185, 185, 0), (255, 255, 160), (2, 12), (1, 6), (1, 6)
    ),
    "KungFuMaster": Detector(  # knife throwers, as white, stay left of these columns
        (30, 51), (27, 63), (171,) * 3, (255,) * 3, (3, 45), (1, 16), (1, 9), (2, 2)
    ),
    "Pong": Detector(
        (11, 58), (53, 59), (0, 110, 0), (125, 255, 125), (1, 16), (1, 8), (1, 3)
    ),
    "Breakout": Detector(
        (56, 59), (3, 60), (80, 0, 0), (255, 110, 110), (3, 30), (1, 3), (3, 9)
    ),
    "Catch": Detector(
        (58, 63), (0, 63), (40, 150, 90), (150, 255, 210), (20, 60), (3, 5), (9, 14)
    ),
    "CrazyClimber": Detector(
        (20, 59),
        (10, 53),
        (55, 110, 50),
        (180, 255, 180),
        (2, 30),
        (1, 8),
        (1, 7),
        (1, 1),
    ),
    "Hero": Detector(
        (4, 41), (2, 63), (30, 60, 90), (160, 200, 255), (2, 30), (2, 9), (1, 7), (1, 1)
    ),
}


def sees(game: str, frame: np.ndarray) -> bool:
    """Whether a frame, uint8 (64, 64, 3), shows exactly one controlled object, of about
    the right size. KeyError for a game without a detector."""
    found = objects(DETECTORS[game], frame)
    return len(found) == 1 and fits(DETECTORS[game], found[0])


def is_present(game: str, frames: np.ndarray) -> bool:
    """Whether most of some frames, uint8 (n, 64, 64, 3), show it."""
    return bool(np.mean([sees(game, frame) for frame in frames]) > 0.5)


def objects(detector: Detector, frame: np.ndarray) -> list[tuple[int, int, int]]:
    """Area, height and width of each object."""
    (top, bottom), (left, right) = detector.rows, detector.columns
    part = frame[top : bottom + 1, left : right + 1]
    mask = ((part >= detector.low) & (part <= detector.high)).all(-1)
    reach = np.ones([2 * n + 1 for n in detector.join])
    joined = ndimage.binary_dilation(mask, reach)
    labels, count = ndimage.label(joined, AROUND)
    labels *= mask
    found = []
    for number in range(1, count + 1):
        rows, columns = np.nonzero(labels == number)
        found.append((len(rows), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1))
    least = [low for low, _ in (detector.area, detector.height, detector.width)]
    return [sizes for sizes in found if all(np.array(sizes) >= least)]


def fits(detector: Detector, sizes: tuple[int, int, int]) -> bool:
    """Whether area, height and width are not too large."""
    most = [high for _, high in (detector.area, detector.height, detector.width)]
    return all(np.array(sizes) <= most)
