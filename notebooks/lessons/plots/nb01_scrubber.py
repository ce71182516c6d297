"""An episode to leaf through, and segments of episodes as a training step gets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iris_core.data.batch import Batch
from iris_core.data.episode import Episode
from iris_core.plotting.frame_strip import draw_frame, outline
from iris_core.plotting.palette import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    LIGHT,
    ORANGE,
    PINK,
    SKY,
    VERMILLION,
)
from lessons.plots.style import show_frames

ACTION_COLOURS = [LIGHT, BLUE, GREEN, PINK, ORANGE, SKY]
BEFORE, AFTER = SKY, ORANGE  # the burn-in of the LSTM, the segment of a world model
AROUND = 3  # frames shown on each side
BLANK = np.full((64, 64, 3), 245, np.uint8)


def draw_moment(
    episode: Episode, t: int, actions: Sequence[str], length: int = 20
) -> Figure:
    """Step t of an episode: the frames around it, and where it is in the episode.

    Frames outside the episode are hatched: they are padding. The two bars are the
    segments of `length` steps that end and begin at t.
    """
    figure = plt.figure(figsize=(10.5, 4.3))
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.4, 1.6])
    film, line = parts
    axes = film.subplots(1, 2 * AROUND + 1)
    for ax, at in zip(axes, range(t - AROUND, t + AROUND + 1), strict=True):
        here = 0 <= at < len(episode)
        draw_frame(ax, episode.frames[at].transpose(1, 2, 0) if here else BLANK)
        if not here:
            hatch(ax)
        now = f"step {at}" if here else "padding"
        ax.set_title(now, fontsize=9, color=VERMILLION if at == t else INK)
    outline(axes[AROUND], VERMILLION)
    draw_timeline(line.subplots(), episode, t, actions, length)
    return figure


def hatch(ax: Axes) -> None:
    """Mark a frame as padding."""
    ax.add_patch(
        Rectangle((-0.5, -0.5), 64, 64, fill=False, hatch="//", ec=FAINT, lw=0)
    )


def draw_timeline(
    ax: Axes, episode: Episode, t: int, actions: Sequence[str], length: int
) -> None:
    """Actions as a coloured strip, rewards and the end above it, two segments below."""
    steps, n = len(episode), len(actions)
    colours = ListedColormap(ACTION_COLOURS[:n])
    extent = (-0.5, steps - 0.5, 0.0, 0.5)
    strip = ax.imshow(episode.actions[None], colours, aspect="auto", extent=extent)
    strip.set_clim(-0.5, n - 0.5)
    paid = np.flatnonzero(episode.rewards)
    ax.scatter(paid, np.full(len(paid), 0.72), marker="^", color=INK, label="reward")
    if episode.finished:
        ax.scatter(steps - 1, 0.72, marker="X", color=VERMILLION, label="end")
    ax.axvline(t, color=VERMILLION, linewidth=1.2)
    spans = [(t + 1 - length, BEFORE, -0.22), (t, AFTER, -0.44)]
    names = ["ends here: burn-in", "begins here: world model"]
    for (start, colour, low), name in zip(spans, names, strict=True):
        ax.broken_barh(
            [(start - 0.5, length)], (low, 0.16), color=colour, label=name, alpha=0.9
        )
    for name, colour in zip(actions, ACTION_COLOURS, strict=False):
        ax.plot([], [], "s", color=colour, label=name)
    margin = max(length, 0.02 * steps)
    ax.set(xlim=(-margin, steps + margin), ylim=(-0.55, 0.95), yticks=[])
    ax.set_xlabel(f"step of the episode ({steps} in all)")
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, fontsize=9)


def draw_segments(batch: Batch, titles: Sequence[str], every: int = 1) -> Figure:
    """A batch's rows of frames, one segment a line; padding is hatched."""
    rows, steps = batch.mask.shape
    shown = range(0, steps, every)
    frames = batch.pixels[:, ::every].movedim(2, -1).numpy()
    segments = dict(zip(titles, frames, strict=True))
    figure = show_frames(segments, [str(t) for t in shown], size=0.82)
    places = ((row, t) for row in range(rows) for t in shown)
    for ax, place in zip(figure.axes, places, strict=True):
        if not batch.mask[place]:
            hatch(ax)
        elif batch.ends[place]:
            outline(ax, VERMILLION)
    return figure
