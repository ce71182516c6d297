"""Pictures of a world model's predictions: what came, what was expected, and how
surprising each token was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lessons.style import BLUE, FAINT, HEAT, ORANGE, RED, bare, draw_grid, lay_on_frame

MOST = 12.0  # nats, the top of every colour scale, so that pictures compare
LEAST = 0.25  # nats; less is not coloured, so that the frame shows


@dataclass(frozen=True)
class Foresight:
    """One step: what the world model had, what came and what it had expected.

    Frames are uint8 (64, 64, 3): `before` and `tokens` as the tokens show them, `real`
    as the game drew it. nats (h, w) is the surprise at each token of what came.
    """

    step: int
    action: str
    before: np.ndarray
    real: np.ndarray
    tokens: np.ndarray
    expected: np.ndarray
    nats: np.ndarray


def draw_foresight(steps: Sequence[Foresight], size: float = 1.7) -> Figure:
    """A row for each step: before, real, its tokens, expected, surprise laid on them.

    A box marks the token that surprised most, if any did by more than a nat.
    """
    titles = ["before (tokens)", "real frame", "its tokens", "expected", "surprise"]
    figure, axes = plt.subplots(
        len(steps), 5, figsize=(5 * size + 2.0, size * len(steps) + 0.4), squeeze=False
    )
    for each, line in zip(steps, axes, strict=True):
        shown = (each.before, each.real, each.tokens, each.expected)
        for ax, frame in zip(line, shown, strict=False):
            ax.imshow(frame)
            bare(ax)
            if each.nats.max() > 1:
                box(ax, int(each.nats.argmax()), len(each.nats))
        nats = np.ma.masked_less(each.nats, LEAST)
        drawn = lay_on_frame(line[4], each.real, nats, vmin=0, vmax=MOST, cmap=HEAT)
        draw_grid(line[4], len(each.nats))
        told = f"step {each.step}\nafter {each.action}\n{each.nats.sum():.1f} nats"
        line[0].set_ylabel(told, rotation=0, ha="right", va="center")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=10)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.02, pad=0.01, extend="max")
    bar.set_label("nats per token")
    return figure


def box(ax: Axes, token: int, grid: int, size: int = 64) -> None:
    """A frame around one token."""
    cell = size / grid
    corner = (cell * (token % grid) - 0.5, cell * (token // grid) - 0.5)
    ax.add_patch(Rectangle(corner, cell, cell, fill=False, ec=ORANGE, lw=1.4))


def draw_episode(nats: Mapping[int, float], rewards: Sequence[int]) -> Figure:
    """Surprise of every frame along an episode; rewards: the steps that brought one."""
    figure, ax = plt.subplots(figsize=(9.0, 3.0))
    top = 1.15 * max(nats.values())
    ax.plot(list(nats), list(nats.values()), color=BLUE, linewidth=0.9)
    ax.scatter(rewards, [0.96 * top] * len(rewards), marker="v", color=RED, zorder=3)
    for step in rewards:
        ax.axvline(step, color=RED, linewidth=0.8, linestyle=":")
    ax.plot([], [], "v:", color=RED, label="the chicken arrives")
    ax.set(xlabel="step of the episode", ylabel="nats per frame", ylim=(0, top))
    ax.legend(bbox_to_anchor=(1, 1), loc="lower right", fontsize=9)
    return figure


def draw_learning(
    updates: Sequence[int], losses: Sequence[float], levels: Mapping[str, float]
) -> Figure:
    """A held-out loss against updates, and what guesses without learning would get."""
    figure, ax = plt.subplots(figsize=(8.0, 3.4))
    ax.plot(updates, losses, marker="o", markersize=4, color=BLUE)
    for name, level in levels.items():
        ax.axhline(level, color=FAINT, linewidth=1.2, linestyle="--")
        side = ax.get_yaxis_transform()  # x in axes, y in nats
        ax.annotate(name, (1.01, level), xycoords=side, va="center", fontsize=9)
    ax.set(xlabel="updates", ylabel="nats per token, held out", ylim=(0, 7))
    return figure
