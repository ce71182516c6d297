"""One look for every picture of the series.

Okabe and Ito's colours, which colour-blind readers tell apart, on an opaque white card:
it reads the same in JupyterLab's light and dark themes and on paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FAINT = "#222222", "#767676"
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY = "#CC79A7", "#56B4E9"
HEAT = "viridis"  # for magnitudes; it keeps its order in grey
DIFFERENCE = "PuOr"  # for values on both sides of zero

STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 96,
    "figure.figsize": (8.0, 3.2),
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, PINK, SKY]),
    "axes.titlesize": 11,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "image.interpolation": "nearest",
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
    """Labelled rows of frames, one above another.

    rows: name -> uint8 (N, H, W, 3), or float (N, H, W) drawn as magnitudes with one
    scale a row. titles: above the columns. size: of a frame, in inches.
    """
    columns = max(len(frames) for frames in rows.values())
    shape = (len(rows), columns)
    figure, axes = plt.subplots(
        *shape, figsize=(size * columns + 1.2, size * len(rows) + 0.3), squeeze=False
    )
    for (name, frames), line in zip(rows.items(), axes, strict=True):
        limits = {} if frames.ndim == 4 else {"vmin": 0, "vmax": frames.max() or 1}
        for ax, frame in zip(line, frames, strict=False):
            ax.imshow(frame, **limits)
        for ax in line:
            bare(ax)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, fontsize=9)
    return figure


def lay_on_frame(ax: Axes, frame: np.ndarray, values: np.ndarray, **image: Any) -> Any:
    """A frame in grey with a grid of values (h, w) laid over it in colour.

    frame: uint8 (64, 64, 3). Returns what `figure.colorbar` wants.
    """
    grey = frame.mean(axis=-1)
    extent = (-0.5, frame.shape[1] - 0.5, frame.shape[0] - 0.5, -0.5)
    ax.imshow(grey, cmap="gray", vmin=0, vmax=255)
    drawn = ax.imshow(values, extent=extent, alpha=0.6, **image)
    bare(ax)
    return drawn


def draw_grid(ax: Axes, cells: int, size: int = 64) -> None:
    """Lines between the tokens of a frame: `cells` a side."""
    for line in np.arange(1, cells) * size / cells - 0.5:
        ax.axhline(line, color="white", linewidth=0.6, alpha=0.7)
        ax.axvline(line, color="white", linewidth=0.6, alpha=0.7)


def bare(ax: Axes) -> None:
    """An axis without ticks, grid or frame."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
