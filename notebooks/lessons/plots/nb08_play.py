"""Pictures of an agent at play, dreamed or real (notebooks 00 and 08)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image as Picture

from iris_core.evaluation.test_play import standard_error
from iris_core.plotting.error_map import error_bar, error_map
from iris_core.plotting.frame_strip import draw_frame
from iris_core.plotting.palette import BLUE, FAINT, GREEN, INK, ORANGE, SKY, VERMILLION
from lessons.plots.style import bare, draw_grid, show_frames


def show_sheet(sheet: np.ndarray) -> Image:
    """A contact sheet of iris_core.plotting, uint8 (H, W, 3), as an output."""
    file = io.BytesIO()
    Picture.fromarray(sheet).save(file, format="PNG", optimize=True)
    return Image(data=file.getvalue(), format="png")


def draw_moment(
    pictures: Mapping[str, np.ndarray],
    chances: np.ndarray,
    names: Sequence[str],
    taken: int,
    title: str,
) -> Figure:
    """One step of an agent: what is seen, and how likely it finds each action.

    pictures: title -> uint8 (H, W, 3), side by side. chances: (num_actions,).
    taken: the action, drawn in orange.
    """
    n = len(pictures)
    size, widths = (2.9 * n + 3.0, 3.5), [1.0] * n + [0.8]
    figure, axes = plt.subplots(1, n + 1, figsize=size, width_ratios=widths)
    for ax, (name, picture) in zip(axes, pictures.items(), strict=False):
        ax.imshow(picture, aspect="auto")
        ax.set_box_aspect(1)  # the emulator's 210 x 160 becomes a square here too
        ax.set_title(name)
        bare(ax)
    draw_chances(axes[-1], chances, names, taken)
    figure.suptitle(title, fontsize=12)
    return figure


def draw_chances(
    ax: Axes, chances: np.ndarray, names: Sequence[str], taken: int
) -> None:
    """A bar for each action, the taken one in orange."""
    colours = [ORANGE if i == taken else BLUE for i in range(len(names))]
    bars = ax.barh(range(len(names)), chances, color=colours)
    ax.bar_label(bars, [f"{chance:.2f}" for chance in chances], padding=3)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(0, 1.3), xticks=[0, 0.5, 1], xlabel="chance")
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_title("the policy (orange: taken)")


def draw_comparison(real: np.ndarray, dreamed: np.ndarray, title: str) -> Figure:
    """A real frame, a dreamed one and their error, uint8 (64, 64, 3) each."""
    error = error_map(real, dreamed)
    panels = {"real game": real, "dream": dreamed, "absolute error": error}
    figure, axes = plt.subplots(1, 3, figsize=(9.8, 3.4))
    for ax, (name, picture) in zip(axes, panels.items(), strict=True):
        draw_frame(ax, picture)
        ax.set_title(name)
    error_bar(figure, axes[2:])
    figure.suptitle(title, fontsize=12)
    return figure


def draw_strips(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Pairs of film strips, uint8 (T, 64, 64, 3) each, one above the other."""
    rows: dict[str, np.ndarray] = {}
    for number, (upper, lower) in enumerate(pairs, 1):
        rows |= {f"pair {number}\nupper": upper, f"pair {number}\nlower": lower}
    return show_frames(rows, size=1.55)


def draw_returns(
    returns: Mapping[str, np.ndarray], reference: tuple[str, float] | None = None
) -> Figure:
    """Every episode's return as a point, the mean and its error beside them.

    returns: name -> (episodes,). reference: a name and a level to draw as a line.
    """
    figure, ax = plt.subplots(figsize=(7.5, 0.55 * len(returns) + 1.3))
    for row, values in enumerate(returns.values()):
        spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else [0.0]
        ax.scatter(values, row + np.asarray(spread), s=22, color=SKY, zorder=2)
        error = standard_error(values)
        ax.errorbar(values.mean(), row, xerr=error, fmt="o", color=INK, capsize=4)
    ax.set_yticks(range(len(returns)), list(returns))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("return of a test episode")
    if reference:
        name, level = reference
        ax.axvline(level, color=GREEN, ls="--")
        bottom = len(returns) - 1
        ax.text(level - 0.4, bottom, name, color=GREEN, ha="right", va="center")
    return figure


def draw_leaning(
    points: np.ndarray,
    ways: tuple[str, str] = ("LEFT", "RIGHT"),
    sides: tuple[str, str] = ("left of", "right of"),
) -> Figure:
    """Where a policy leans, by where the ball is: every step as a point, and means of
    six pixels each, where there are ten points or more.

    points: (N, 2), how far the ball is to the second of the two sides of the paddle,
    and the probability of the second of the two ways minus that of the first.
    """
    figure, ax = plt.subplots(figsize=(7.5, 3.2))
    offset, leaning = points.T
    ax.scatter(offset, leaning, s=6, color=SKY, alpha=0.25, linewidths=0)
    edges = np.arange(-57, 58, 6)
    of_bin = [leaning[(offset >= low) & (offset < low + 6)] for low in edges]
    means = [
        (low + 3, x.mean())
        for low, x in zip(edges, of_bin, strict=True)
        if len(x) >= 10
    ]
    if means:
        ax.plot(*np.transpose(means), "o-", color=BLUE)
    ax.plot([-57, 0, 0, 57], [-1, -1, 1, 1], color=GREEN, ls="--")
    ax.text(55, 0.86, "a player who follows the ball", color=GREEN, ha="right")
    ax.set(ylim=(-1.1, 1.1), ylabel=f"P({ways[1]}) - P({ways[0]})")
    ax.set_xlabel(f"pixels: ball {sides[0]} the paddle  |  ball {sides[1]} it")
    return figure


def draw_hits(rows: np.ndarray, hits: Sequence[int], up: np.ndarray) -> Figure:
    """The chicken's way over the road, and the policy's chance of UP below it.

    rows: (T,), its height in pixels from the top. hits: steps. up: (T,).
    """
    figure, (top, low) = plt.subplots(
        2, 1, figsize=(10.0, 4.6), sharex=True, height_ratios=[2, 1]
    )
    top.plot(rows, color=BLUE, lw=1.3)
    top.plot(hits, rows[list(hits)], "v", color=VERMILLION, ms=7, ls="")
    top.set(ylim=(64, -6), ylabel="chicken's row (pixels)")
    top.text(len(rows), 60, "start", color=FAINT, ha="right")
    top.text(len(rows), -1, "goal", color=FAINT, ha="right")
    low.plot(up, color=ORANGE, lw=1.0)
    for hit in hits:
        low.axvline(hit, color=VERMILLION, lw=0.8, alpha=0.6)
    low.set(ylim=(0, 1), ylabel="chance of UP", xlabel="step")
    return figure


def draw_patches(
    original: np.ndarray, seen: np.ndarray, corners: Sequence[tuple[int, int]]
) -> Figure:
    """Cut-outs of frames above cut-outs of their reconstructions, 24 pixels a side.

    original, seen: uint8 (N, 64, 64, 3). corners: (row, column) of each cut-out, on the
    grid of tokens, which is drawn as white lines.
    """
    rows = {
        name: np.stack(
            [
                frame[row : row + 24, column : column + 24]
                for frame, (row, column) in zip(frames, corners, strict=False)
            ]
        )
        for name, frames in (("game", original), ("seen", seen))
    }
    figure = show_frames(rows, size=1.6)
    for ax in figure.axes:
        draw_grid(ax, 3, 24)
    return figure
