"""Pictures of a world model's predictions: what came, what was expected, and how
surprising each token was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from iris_core.plotting.frame_strip import draw_frame
from iris_core.plotting.learning_curve import label_lines
from iris_core.plotting.palette import BLUE, FAINT, VERMILLION
from lessons.plots.style import draw_grid, lay_on_frame, outline_token

MOST = 12.0  # nats, the top of every colour scale, so that pictures compare
LEAST = 0.25  # nats; less is not coloured, so that the frame shows


@dataclass(frozen=True)
class Prediction:
    """One step: what the world model had, what came and what it had expected.

    Frames are uint8 (64, 64, 3): `before` and `tokens` as the tokens show them, `real`
    as the game drew it. token_loss: (h, w), how surprising each token of what came was,
    in nats.
    """

    step: int
    action: str
    before: np.ndarray
    real: np.ndarray
    tokens: np.ndarray
    expected: np.ndarray
    token_loss: np.ndarray


def draw_predictions(steps: Sequence[Prediction], size: float = 1.7) -> Figure:
    """A row for each step: before, real, its tokens, expected, surprise laid on them.

    A box marks the token that surprised most, if any did by more than a nat.
    """
    titles = ["before (tokens)", "real frame", "its tokens", "expected", "surprise"]
    figure, axes = plt.subplots(
        len(steps), 5, figsize=(5 * size + 2.0, size * len(steps) + 0.4), squeeze=False
    )
    for each, line in zip(steps, axes, strict=True):
        loss = each.token_loss
        shown = (each.before, each.real, each.tokens, each.expected)
        for ax, frame in zip(line, shown, strict=False):
            draw_frame(ax, frame)
            if loss.max() > 1:
                outline_token(ax, int(loss.argmax()), len(loss))
        laid = np.ma.masked_less(loss, LEAST)
        drawn = lay_on_frame(line[4], each.real, laid, MOST)
        draw_grid(line[4], len(loss))
        label = f"step {each.step}\nafter {each.action}\n{loss.sum():.1f} nats"
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=10)
    bar = figure.colorbar(drawn, ax=axes, fraction=0.02, pad=0.01, extend="max")
    bar.set_label("nats per token")
    return figure


def draw_episode(loss_per_frame: Mapping[int, float], rewards: Sequence[int]) -> Figure:
    """Surprise of every frame along an episode; rewards: the steps that brought one."""
    figure, ax = plt.subplots(figsize=(9.0, 3.0))
    top = 1.15 * max(loss_per_frame.values())
    ax.plot(*zip(*loss_per_frame.items(), strict=True), color=BLUE, linewidth=0.9)
    ax.scatter(
        rewards, [0.96 * top] * len(rewards), marker="v", color=VERMILLION, zorder=3
    )
    for step in rewards:
        ax.axvline(step, color=VERMILLION, linewidth=0.8, linestyle=":")
    ax.plot([], [], "v:", color=VERMILLION, label="the chicken arrives")
    ax.set(xlabel="step of the episode", ylabel="nats per frame", ylim=(0, top))
    ax.legend(bbox_to_anchor=(1, 1), loc="lower right", fontsize=9)
    return figure


def draw_learning(
    updates: Sequence[int], losses: Sequence[float], levels: Mapping[str, float]
) -> Figure:
    """A held-out loss against updates, and what guesses without learning would get."""
    figure, ax = plt.subplots(figsize=(8.0, 3.4))
    ax.plot(updates, losses, marker="o", markersize=4, color=BLUE)
    for level in levels.values():
        ax.axhline(level, color=FAINT, linewidth=1.2, linestyle="--")
    ax.set(xlabel="updates", ylabel="nats per token, held out", ylim=(0, 7))
    label_lines(ax, [(level, name, FAINT) for name, level in levels.items()])
    return figure
