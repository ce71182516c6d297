"""Where two pictures differ, as colours: one scale for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from iris_core.plotting.palette import ERROR

ERROR_MAX = 64  # an error of a quarter of the range, or more, has the brightest colour


def error_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean absolute error over RGB, from dark (none) to yellow (64 of 255 or more).

    (..., H, W, 3) uint8, twice -> the same shape and dtype.
    """
    return colour_errors(np.abs(a.astype(np.float32) - b.astype(np.float32)).mean(-1))


def colour_errors(error: np.ndarray) -> np.ndarray:
    """(...) in 0 to 255 -> uint8 (..., 3)."""
    colours = matplotlib.colormaps[ERROR](error / ERROR_MAX, bytes=True)
    return np.asarray(colours)[..., :3]


def error_bar(figure: Figure, axes: Sequence[Axes] | np.ndarray) -> None:
    """The scale of `error_map`, to the right of the axes that show it."""
    scale = ScalarMappable(Normalize(0, ERROR_MAX), ERROR)
    look: dict[str, Any] = {"fraction": 0.03, "pad": 0.02, "extend": "max"}
    figure.colorbar(scale, ax=axes, label="absolute error, of 255", **look)
