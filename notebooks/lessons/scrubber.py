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

from iris_core.replay import Batch, Episode
from lessons.style import BLUE, FAINT, GREEN, INK, ORANGE, PINK, RED, SKY, bare

ACTION_COLOURS = ["#d9d9d9", BLUE, GREEN, PINK, ORANGE, SKY]
BEFORE, AFTER = SKY, ORANGE  # what burns a memory in, what a world model learns from
AROUND = 3  # frames shown on each side


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
        draw_frame(ax, episode, at)
        now = f"step {at}" if 0 <= at < len(episode) else "padding"
        ax.set_title(now, fontsize=9, color=RED if at == t else INK)
    outline(axes[AROUND])
    draw_timeline(line.subplots(), episode, t, actions, length)
    return figure


def draw_frame(ax: Axes, episode: Episode, at: int) -> None:
    """A frame of the episode, or hatching where there is none."""
    if 0 <= at < len(episode):
        ax.imshow(episode.frames[at].transpose(1, 2, 0))
    else:
        ax.imshow(np.full((64, 64, 3), 245, np.uint8))
        hatch(ax)
    bare(ax)


def hatch(ax: Axes) -> None:
    ax.add_patch(
        Rectangle((-0.5, -0.5), 64, 64, fill=False, hatch="//", ec=FAINT, lw=0)
    )


def outline(ax: Axes) -> None:
    for spine in ax.spines.values():
        spine.set(visible=True, color=RED, linewidth=2.5)


def draw_timeline(
    ax: Axes, episode: Episode, t: int, actions: Sequence[str], length: int
) -> None:
    """Actions as a coloured strip, rewards and the end above it, two segments below."""
    steps, n = len(episode), len(actions)
    strip = episode.actions[None]
    colours = ListedColormap(ACTION_COLOURS[:n])
    extent = (-0.5, steps - 0.5, 0.0, 0.5)
    image: dict[str, Any] = {
        "vmin": -0.5,
        "vmax": n - 0.5,
        "aspect": "auto",
        "extent": extent,
    }
    ax.imshow(strip, cmap=colours, **image)
    paid = np.flatnonzero(episode.rewards)
    ax.scatter(paid, np.full(len(paid), 0.72), marker="^", color=INK, label="reward")
    if episode.finished:
        ax.scatter(steps - 1, 0.72, marker="X", color=RED, label="end")
    ax.axvline(t, color=RED, linewidth=1.2)
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
    ax.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=5,
        fontsize=9,
        markerscale=1,
    )


def draw_segments(batch: Batch, titles: Sequence[str], every: int = 1) -> Figure:
    """A batch's rows of frames, one segment a line; padding is hatched."""
    rows, steps = batch.mask.shape
    shown = range(0, steps, every)
    figure, axes = plt.subplots(
        rows, len(shown), figsize=(0.82 * len(shown) + 1.1, 0.82 * rows + 0.4)
    )
    for row, line in enumerate(axes.reshape(rows, -1)):
        for ax, t in zip(line, shown, strict=True):
            draw_cell(ax, batch, row, t)
            if row == 0:
                ax.set_title(str(t), fontsize=9)
        line[0].set_ylabel(titles[row], rotation=0, ha="right", va="center")
    return figure


def draw_cell(ax: Axes, batch: Batch, row: int, t: int) -> None:
    """One step of one segment: the frame, hatched where it is padding."""
    ax.imshow(batch.pixels[row, t].permute(1, 2, 0).numpy())
    bare(ax)
    if not batch.mask[row, t]:
        hatch(ax)
    elif batch.ends[row, t]:
        outline(ax)
