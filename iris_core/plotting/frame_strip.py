"""Frames in labelled rows, pixel by pixel, on the axes of a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from iris_core.plotting.palette import FAINT, HEAT

ENLARGED = 4  # so that no viewer smooths the pixels


def frame_strip(
    axes: np.ndarray,
    rows: Mapping[str, np.ndarray],
    titles: Sequence[str] = (),
    fontsize: float = 9,
) -> None:
    """Draw labelled rows of frames, one above another, with titles above.

    axes: (rows, columns); those without a frame stay empty. rows: name -> uint8
    (N, H, W, 3), or float (N, H, W), drawn as magnitudes with one scale a row.
    """
    for line, (name, frames) in zip(axes, rows.items(), strict=True):
        for ax, frame in zip(line, frames, strict=False):
            draw_frame(ax, frame, float(frames.max()) or 1.0)
        for ax in line[len(frames) :]:
            ax.set_axis_off()
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=fontsize)
    for ax, title in zip(axes[0], titles, strict=False):
        ax.set_title(title, fontsize=fontsize, pad=2)


def draw_frame(ax: Axes, frame: np.ndarray, most: float = 1.0) -> None:
    """A frame, uint8 (H, W, 3), or magnitudes (H, W) from 0 to `most`.

    It has a thin border, and coordinates on the axes are the frame's pixels.
    """
    height, width = frame.shape[:2]
    large = frame.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(large, HEAT, interpolation="none", extent=extent, vmin=0, vmax=most)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    outline(ax, FAINT, 0.4)


def outline(ax: Axes, colour: str, width: float = 2.2) -> None:
    """A coloured border around a picture."""
    for spine in ax.spines.values():
        spine.set(visible=True, color=colour, linewidth=width)
