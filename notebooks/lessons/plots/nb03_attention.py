"""Pictures of attention: what a query's weights look like, laid on the frames."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from iris_core.plotting.palette import FAINT, ORANGE, SKY
from lessons.plots.style import draw_grid, lay_on_frame, outline_token

HIDDEN = 225  # grey level of a cell that the model has not seen
FAINTEST = 0.05  # of the largest weight; less is not drawn, so that the frame shows


def draw_attention(
    rows: dict[str, np.ndarray],
    frames: np.ndarray,
    actions: Sequence[str],
    target: int,
    size: float = 1.5,
) -> Figure:
    """One row of frames for each head: where it looks while one token is predicted.

    rows: head -> weights (n, K + 1) over n blocks, the action last. frames: uint8
    (n, 64, 64, 3); the last is the one being predicted, of which only the tokens
    before `target` are known. actions: names, one a block but the last.
    """
    n, positions = next(iter(rows.values())).shape
    grid = round((positions - 1) ** 0.5)
    figsize = (size * n + 1.2, (size + 0.25) * len(rows) + 0.5)
    figure, axes = plt.subplots(len(rows), n, figsize=figsize, squeeze=False)
    for (name, weights), line in zip(rows.items(), axes, strict=True):
        top = float(weights.max())
        for i, ax in enumerate(line):
            frame = strengthen(frames[i])
            if i == n - 1:
                frame = hide(frame, target, grid)
            laid = weights[i, :-1].reshape(grid, grid)
            laid = np.ma.masked_less(laid, FAINTEST * top)
            drawn = lay_on_frame(ax, frame, laid, top)
            draw_grid(ax, grid)
            if i < n - 1:
                ax.set_xlabel(f"{actions[i]} {weights[i, -1]:.2f}", fontsize=9)
        if target > 0:
            outline_token(line[-1], target - 1, grid, SKY)
        else:
            line[-2].xaxis.label.set_bbox({"ec": SKY, "fc": "white", "lw": 2})
        outline_token(line[-1], target, grid, ORANGE)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        figure.colorbar(drawn, ax=line, fraction=0.02, pad=0.01, ticks=[0, top])
        figure.axes[-1].set_yticklabels(["0", f"{top:.2f}"], fontsize=9)
    for i, ax in enumerate(axes[0]):
        ago = n - 1 - i
        ax.set_title("next frame" if ago == 0 else f"frame t - {ago - 1}", fontsize=10)
    axes[0, -2].set_title("frame t", fontsize=10)
    return figure


def strengthen(frame: np.ndarray) -> np.ndarray:
    """uint8 (64, 64, 3) with twice the contrast around its median: small things show
    in grey."""
    middle = np.median(frame)
    return np.clip(middle + 2.0 * (frame - middle), 0, 255).astype(np.uint8)


def hide(frame: np.ndarray, first: int, grid: int) -> np.ndarray:
    """A copy of uint8 (64, 64, 3) whose tokens from `first` on are blank."""
    shown = frame.copy()
    cell = frame.shape[0] // grid
    for token in range(first, grid * grid):
        y, x = cell * (token // grid), cell * (token % grid)
        shown[y : y + cell, x : x + cell] = HIDDEN
    return shown


def draw_readers(grids: dict[str, np.ndarray], frame: np.ndarray) -> Figure:
    """Head -> (h, w), a number for each predicted cell, laid on a frame: one scale."""
    figure, axes = plt.subplots(1, len(grids), figsize=(2.1 * len(grids) + 0.8, 2.4))
    top = max(float(grid.max()) for grid in grids.values())
    for ax, (name, grid) in zip(np.atleast_1d(axes), grids.items(), strict=True):
        laid = np.ma.masked_less(grid, FAINTEST * top)
        drawn = lay_on_frame(ax, strengthen(frame), laid, top)
        draw_grid(ax, len(grid))
        ax.set_title(name, fontsize=10)
    figure.colorbar(drawn, ax=axes, fraction=0.02, label="mean weight")
    return figure


def draw_masks(masks: dict[str, np.ndarray], block: int) -> Figure:
    """Masks (L, L) side by side: white where a row may look, lines between blocks."""
    figure, axes = plt.subplots(1, len(masks), figsize=(3.6 * len(masks), 3.6))
    for ax, (name, mask) in zip(np.atleast_1d(axes), masks.items(), strict=True):
        ax.imshow(mask, cmap="gray", vmin=-0.6, vmax=1)
        for line in np.arange(block, len(mask), block) - 0.5:
            ax.axhline(line, color=ORANGE, linewidth=1)
            ax.axvline(line, color=ORANGE, linewidth=1)
        ticks = range(0, len(mask), block)
        ax.set(title=name, xlabel="looks at position", ylabel="position")
        ax.set(xticks=ticks, yticks=ticks)
        ax.grid(False)
    return figure


def draw_distances(profiles: dict[str, np.ndarray], block: int) -> Figure:
    """Mean attention against how many positions back it looks, a panel for each head.

    profiles: head -> (L,) mean weight at distance 0, 1, ... Whole blocks are marked.
    """
    columns = (len(profiles) + 1) // 2
    figure, axes = plt.subplots(
        2, columns, figsize=(2.6 * columns, 3.8), sharex=True, sharey=True
    )
    for ax, (name, profile) in zip(axes.flat, profiles.items(), strict=False):
        for back in range(block, len(profile), block):
            ax.axvline(back, color=FAINT, linewidth=0.6, linestyle=":")
        ax.bar(np.arange(len(profile)), profile, width=1.0)
        ax.set_title(name, fontsize=10)
        ax.grid(False)
    for ax in axes[-1]:
        ax.set_xlabel("positions back")
    for ax in axes[:, 0]:
        ax.set_ylabel("mean weight")
    return figure
