"""One look for every picture of the series: the library's palette, larger.

On an opaque white card: it reads the same in JupyterLab's light and dark themes and on
paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from iris_core.plotting import palette
from iris_core.plotting.frame_strip import frame_strip
from iris_core.plotting.palette import (
    BLUE,
    DIFFERENCE,
    FAINT,
    GREEN,
    HEAT,
    ORANGE,
    PINK,
    SKY,
    VERMILLION,
)

__all__ = ["DIFFERENCE", "FAINT"]
STYLE: dict[Any, Any] = {
    **palette.STYLE,
    "figure.dpi": 96,
    "figure.figsize": (8.0, 3.2),
    "font.size": 11,
    "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, VERMILLION, PINK, SKY]),
    "axes.titlesize": 11,
    "axes.grid": True,
    "lines.linewidth": 1.8,
    "image.cmap": HEAT,
}


def use_style() -> None:
    """Draw every figure from here on in the series' style."""
    plt.rcParams.update(STYLE)


def show_frames(
    rows: Mapping[str, np.ndarray],
    titles: Sequence[str] = (),
    size: float = 1.1,
) -> Figure:
    """Labelled rows of frames, one above another: see `frame_strip`.

    size: of a frame, in inches.
    """
    lines, columns = len(rows), max(len(frames) for frames in rows.values())
    figsize = (size * columns + 1.2, size * lines + 0.3)
    figure, axes = plt.subplots(lines, columns, figsize=figsize, squeeze=False)
    frame_strip(axes, rows, titles)
    return figure


def lay_on_frame(
    ax: Axes, frame: np.ndarray, values: np.ndarray, most: float | None = None
) -> AxesImage:
    """A frame in grey with a grid of values (h, w) laid over it in colour.

    frame: uint8 (64, 64, 3). values: from 0 to `most`, by default their maximum.
    Returns what `figure.colorbar` wants.
    """
    extent = (-0.5, frame.shape[1] - 0.5, frame.shape[0] - 0.5, -0.5)
    ax.imshow(frame.mean(axis=-1), cmap="gray", vmin=0, vmax=255)
    drawn = ax.imshow(values, HEAT, extent=extent, alpha=0.6, vmin=0, vmax=most)
    bare(ax)
    return drawn


def draw_grid(ax: Axes, cells: int, size: int = 64, colour: str = "white") -> None:
    """Lines between the tokens of a frame: `cells` a side."""
    for line in np.arange(1, cells) * size / cells - 0.5:
        ax.axhline(line, color=colour, linewidth=0.6, alpha=0.7)
        ax.axvline(line, color=colour, linewidth=0.6, alpha=0.7)


def outline_token(
    ax: Axes, token: int, grid: int, colour: str = ORANGE, size: int = 64
) -> None:
    """A box around one token of a frame that has `grid` tokens a side."""
    cell = size / grid
    corner = (cell * (token % grid) - 0.5, cell * (token // grid) - 0.5)
    ax.add_patch(Rectangle(corner, cell, cell, fill=False, ec=colour, lw=2.2))


def bare(ax: Axes) -> None:
    """An axis without ticks, grid or frame."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
