"""Notebook 08: its pictures."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from lessons.plots import nb08_play as watching

# Pictures

FRAMES = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), dtype=np.uint8)


def test_a_moment_shows_every_picture_and_chance() -> None:
    screen = np.zeros((210, 160, 3), np.uint8)
    shown = {"screen": screen, "seen": FRAMES[0]}
    figure = watching.draw_moment(
        shown, np.array([0.2, 0.7, 0.1]), ["NOOP", "UP", "DOWN"], 1, "step 3"
    )
    assert [ax.get_title() for ax in figure.axes[:2]] == ["screen", "seen"]
    assert "0.70" in [text.get_text() for text in figure.axes[2].texts]
    plt.close(figure)


def test_strips_and_comparisons_and_patches() -> None:
    strips = watching.draw_strips([(FRAMES, FRAMES), (FRAMES, FRAMES)])
    assert len(strips.axes) == 4 * len(FRAMES)
    comparison = watching.draw_comparison(FRAMES[0], FRAMES[1], "step 1")
    assert len(comparison.axes) == 4  # one is the scale of the errors
    patches = watching.draw_patches(FRAMES, FRAMES, [(0, 8), (40, 8)])
    assert len(patches.axes) == 4
    plt.close("all")


def test_returns_of_one_episode_and_of_many() -> None:
    returns = {"agent": np.array([20.0, 22.0]), "UP held": np.array([21.0])}
    figure = watching.draw_returns(returns, ("human", 29.6))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["agent", "UP held"]
    plt.close(figure)


def test_means_of_many_points_only() -> None:
    """Twelve points that follow the ball, and one that says nothing of its place."""
    points = np.array([[10.0, 0.5]] * 12 + [[-10.0, 0.2]])
    (ax,) = watching.draw_leaning(points).axes
    means, follower = ax.lines
    assert means.get_xydata().tolist() == [[12.0, 0.5]]
    assert follower.get_ydata().tolist() == [-1, -1, 1, 1]
    assert len(watching.draw_leaning(points[-1:]).axes[0].lines) == 1


def test_hits_are_marked() -> None:
    rows = np.array([50.0, 49, 50, 51, 52])
    figure = watching.draw_hits(rows, [1], np.full(5, 0.8))
    marked = figure.axes[0].lines[1]
    assert list(np.asarray(marked.get_xdata())) == [1]
    assert list(np.asarray(marked.get_ydata())) == [49]
    plt.close(figure)


def test_a_sheet_becomes_a_picture() -> None:
    assert watching.show_sheet(FRAMES[0]).data.startswith(b"\x89PNG")
