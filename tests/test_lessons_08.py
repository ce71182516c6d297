"""Notebook 08: its checks and its pictures."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from lessons import watching
from lessons.check import nb08 as check
from solutions import nb08 as solutions


def back(rows: np.ndarray) -> np.ndarray:
    moves = np.diff(rows)
    return (moves > 0) & (moves <= 10)


def every_step(rows: np.ndarray) -> list[int]:
    """All steps of a run, not its first alone."""
    b = back(rows)
    return [i for i in range(len(b) - 2) if b[i] and b[i + 1] and b[i + 2]]


def one_late(rows: np.ndarray) -> list[int]:
    return [step + 1 for step in solutions.find_hits(rows)]


def counts_returns(rows: np.ndarray) -> list[int]:
    return [i for i, move in enumerate(np.diff(rows)) if move > 10]


def at_the_third(rows: np.ndarray) -> list[int]:
    return [step + 2 for step in solutions.find_hits(rows)]


STUBS = [
    ("episodes_needed", lambda spread, gap: ...),
    ("find_hits", lambda rows: None),
    ("replay", (..., ..., ...)),
    ("replay", (59, 0, ...)),
]
WRONG = [
    ("episodes_needed", lambda s, g: math.ceil(4 * s**2 / g**2), "both their errors"),
    ("episodes_needed", lambda s, g: math.ceil(2 * s**2 / g**2), "one standard error"),
    ("episodes_needed", lambda s, g: max(1, int(8 * s**2 / g**2)), "round up"),
    ("episodes_needed", lambda s, g: 8 * s**2 / g**2, "whole numbers"),
    ("episodes_needed", lambda s, g: 100, "expected 154"),
    ("find_hits", every_step, "first step of each run"),
    ("find_hits", one_late, "before the first move back"),
    ("find_hits", counts_returns, "expected [2]"),
    ("find_hits", at_the_third, "got [4], expected [2]"),
    ("find_hits", lambda rows: rows[100], "IndexError"),
    ("replay", (30, 0, "b"), "where the actions differ"),
    ("replay", (31, 0, "b"), "compare the frames"),
    ("replay", (599, 0, "b"), "frame 599"),
    ("replay", (59, 1, "b"), "is frame 0 the same"),
    ("replay", (59, 0, "a"), "nothing is random"),
    ("replay", (59, 0, "c"), "not averaged"),
    ("replay", (59, 0, "d"), "without loss"),
    ("replay", (59, 0, "e"), "'e'"),
]


@pytest.mark.parametrize("name", ["episodes_needed", "find_hits", "replay"])
def test_solutions_pass(name: str) -> None:
    verdict = getattr(check, name)(getattr(solutions, name))
    assert verdict.state == "passed", verdict


@pytest.mark.parametrize(("name", "stub"), STUBS)
def test_stubs_are_not_attempted(name: str, stub: Any) -> None:
    assert getattr(check, name)(stub).state == "not attempted"


@pytest.mark.parametrize(("name", "answer", "told"), WRONG)
def test_wrong_answers_are_told(name: str, answer: Any, told: str) -> None:
    verdict = getattr(check, name)(answer)
    assert verdict.state == "wrong"
    assert told in verdict.message


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
    assert len(strips.axes) == 4
    comparison = watching.draw_comparison(FRAMES[0], FRAMES[1], "step 1")
    assert len(comparison.axes) == 3
    patches = watching.draw_patches(FRAMES, FRAMES, [(0, 8), (40, 8)])
    assert len(patches.axes) == 4
    plt.close("all")


def test_returns_of_one_episode_and_of_many() -> None:
    returns = {"agent": np.array([20.0, 22.0]), "UP held": np.array([21.0])}
    figure = watching.draw_returns(returns, ("human", 29.6))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["agent", "UP held"]
    plt.close(figure)


def test_hits_are_marked() -> None:
    rows = np.array([50.0, 49, 50, 51, 52])
    figure = watching.draw_hits(rows, [1], np.full(5, 0.8))
    marked = figure.axes[0].lines[1]
    assert list(np.asarray(marked.get_xdata())) == [1]
    assert list(np.asarray(marked.get_ydata())) == [49]
    plt.close(figure)


def test_a_sheet_becomes_a_picture() -> None:
    assert watching.show_sheet(FRAMES[0]).data.startswith(b"\x89PNG")
