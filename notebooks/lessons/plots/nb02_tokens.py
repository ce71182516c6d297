"""Pictures of tokens: frames cut into cells, codes as patches, a codebook in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iris_core.plotting.error_map import error_bar, error_map
from iris_core.plotting.frame_strip import draw_frame
from iris_core.plotting.palette import BLUE, FAINT, INK, LIGHT, ORANGE, VERMILLION
from lessons.plots.style import draw_grid, outline_token, show_frames


def draw_tokenised(
    frame: np.ndarray, tokens: np.ndarray, decoded: np.ndarray
) -> Figure:
    """A frame, its tokens as numbers in their cells, and the frame drawn from them.

    frame, decoded: uint8 (64, 64, 3). tokens: int (K,), row by row.
    """
    grid = round(len(tokens) ** 0.5)
    figure, axes = plt.subplots(1, 3, figsize=(11.4, 4.15))
    titles = ["the frame", f"{len(tokens)} tokens", "drawn from the tokens alone"]
    pictures = [frame, np.full_like(frame, 255), decoded]
    for ax, picture, title in zip(axes, pictures, titles, strict=True):
        draw_frame(ax, picture)
        ax.set_title(title)
    draw_grid(axes[0], grid)
    draw_grid(axes[1], grid, colour=LIGHT)
    common = np.bincount(tokens).argmax()
    cell = len(frame) / grid
    for i, token in enumerate(tokens):
        x, y = cell * (i % grid + 0.5) - 0.5, cell * (i // grid + 0.5) - 0.5
        colour = FAINT if token == common else VERMILLION
        look = {"ha": "center", "va": "center", "color": colour, "fontsize": 9}
        axes[1].text(x, y, str(token), **look)
    return figure


def draw_edit(
    frames: Sequence[np.ndarray],
    positions: Sequence[int],
    counts: np.ndarray,
    marks: Mapping[str, int],
    grid: int,
) -> Figure:
    """Three frames with cells marked, above the use of the codebook with codes marked.

    frames: the real one, the reconstruction, the edited one, uint8 (64, 64, 3).
    positions: the edited cells. counts: int (vocab,), how often each code is used.
    marks: name -> code. grid: cells along one side.
    """
    figure = plt.figure(figsize=(9.6, 5.6))
    layout = figure.add_gridspec(2, 3, height_ratios=[2.4, 1])
    titles = ["the real frame", "drawn from its tokens", "after the change"]
    for i, (frame, title) in enumerate(zip(frames, titles, strict=True)):
        ax = figure.add_subplot(layout[0, i])
        draw_frame(ax, frame)
        ax.set_title(title)
        for position in positions:
            outline_token(ax, position, grid)
    draw_usage(figure.add_subplot(layout[1, :]), counts, marks)
    return figure


def draw_usage(ax: Axes, counts: np.ndarray, marks: Mapping[str, int]) -> None:
    """How often each code is used, from the most used to the least; some marked."""
    order = np.argsort(-counts, kind="stable")
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    used = int((counts > 0).sum())
    ax.bar(np.arange(used), counts[order][:used], width=1.0, color=BLUE)
    top = 10.0 ** np.ceil(np.log10(counts.max()))
    for (name, code), colour in zip(marks.items(), (INK, ORANGE), strict=False):
        rank = int(ranks[code])
        height = top * (3 if colour == ORANGE else 20)
        ax.plot([rank, rank], [max(counts[code], 1), height], color=colour)
        right = rank < 0.8 * len(counts)
        ax.annotate(
            f"{name}: code {code}, used {counts[code]:,} times",
            (rank, height),
            xytext=(5 if right else -5, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="top",
            color=INK if colour == INK else "#8a5f00",
            fontsize=10,
            bbox={"fc": "white", "ec": "none", "pad": 1.5},
        )
    ax.set(yscale="log", xlim=(-6, len(counts)), ylim=(0.7, top * 30))
    ax.set(xlabel="codes, the most used first", ylabel="times used")
    ax.set_yticks([1, 100, 10_000], ["1", "100", "10,000"])
    ax.minorticks_off()


def draw_patches(patches: np.ndarray, titles: Sequence[str], columns: int) -> Figure:
    """Small pictures in rows; patches: uint8 (N, p, p, 3), a title above each."""
    rows = -(-len(patches) // columns)
    figsize = (0.8 * columns, 1.05 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=figsize, squeeze=False)
    for ax, patch, title in zip(axes.flat, patches, titles, strict=False):
        draw_frame(ax, patch)
        ax.set_title(title, fontsize=8)
    for ax in axes.flat[len(patches) :]:
        ax.set_axis_off()
    return figure


def draw_errors(
    original: np.ndarray, drawn: Mapping[str, np.ndarray], size: float = 1.5
) -> Figure:
    """Frames, and for each way of drawing them the pictures and their error.

    original and drawn: uint8 (N, 64, 64, 3).
    """
    rows = {"original": original}
    for name, pictures in drawn.items():
        rows |= {name: pictures, f"error,\n{name}": error_map(original, pictures)}
    figure = show_frames(rows, size=size)
    error_bar(figure, figure.axes)
    return figure


def draw_curves(
    runs: Mapping[str, Sequence[Sequence[float]]], labels: Sequence[str]
) -> Figure:
    """A panel for each measure, a line for each run.

    runs: name -> rows (update, measure 1, measure 2, ...). A label that ends in "(log)"
    has a logarithmic axis; the others start at zero.
    """
    figure, axes = plt.subplots(1, len(labels), figsize=(3.7 * len(labels), 3.1))
    for i, (ax, label) in enumerate(zip(np.atleast_1d(axes), labels, strict=True)):
        for name, rows in runs.items():
            updates, values = zip(*((row[0], row[i + 1]) for row in rows), strict=True)
            ax.plot(updates, values, marker="o", markersize=3, label=name)
        if label.endswith("(log)"):
            ax.set_yscale("log")
        else:
            ax.set_ylim(bottom=0)
        ax.set(xlabel="updates", title=label)
    handles, names = np.atleast_1d(axes)[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    return figure


def draw_staircase(codes: Sequence[float], target: float) -> Figure:
    """Quantising one number: the steps, and the loss that follows from them."""
    z = np.linspace(min(codes) - 0.5, max(codes) + 0.5, 601)
    table = np.asarray(codes)
    z_q = table[np.abs(z[:, None] - table).argmin(1)]
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.1))
    axes[0].plot(z, z, color=ORANGE, linestyle="--", label="backward: as if z")
    axes[0].plot(z, z_q, label="forward: nearest code")
    axes[0].set(xlabel="z", ylabel="z_q", title="the quantiser")
    axes[0].legend(loc="upper left", fontsize=9)
    axes[1].plot(z, (z_q - target) ** 2, label="true loss: flat steps")
    for code in codes:
        here = z[np.abs(z - code) < 0.35]
        slope = 2 * (code - target)
        line = (code - target) ** 2 + slope * (here - code)
        label = "slope that z is given" if code == codes[0] else None
        axes[1].plot(here, line, color=ORANGE, linestyle="--", label=label)
    axes[1].set(xlabel="z", ylabel="loss", title="the loss")
    axes[1].legend(loc="upper right", fontsize=9)
    return figure


def draw_codebooks(panels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Points and codes of two dimensions, one panel each: name -> (points, codes).

    A code that is nearest to no point is hollow.
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.7 * len(panels), 3.5), sharex=True, sharey=True
    )
    for ax, (name, (points, codes)) in zip(axes, panels.items(), strict=True):
        nearest = ((points[:, None] - codes) ** 2).sum(-1).argmin(1)
        used = np.isin(np.arange(len(codes)), nearest)
        ax.scatter(*points.T, s=5, color="#bbbbbb", label="patches")
        style = {"s": 42, "linewidths": 1.4, "edgecolors": VERMILLION}
        ax.scatter(*codes[used].T, color=VERMILLION, label="codes in use", **style)
        ax.scatter(*codes[~used].T, facecolors="none", label="unused codes", **style)
        ax.set_title(f"{name}: {used.sum()} of {len(codes)} used")
        ax.set_xlabel("along what all have in common")
    axes[0].set_ylabel("main difference")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure
