"""Notebook 04: its solution is the library's, and its pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lessons.exercises import nb04 as exercises
from lessons.plots import nb04_surprise as surprise

from iris_core.models.world_model import token_positions


@pytest.mark.parametrize(("start", "length", "k"), [(0, 6, 2), (17, 16, 16), (2, 4, 2)])
def test_slices_are_those_of_the_world_model(start: int, length: int, k: int) -> None:
    theirs = token_positions(start, length, k + 1, torch.device("cpu"))
    mine = exercises.slices.solution(start, length, k)
    assert list(mine) == [indices.tolist() for indices in theirs]


# Pictures


def prediction(top: float) -> surprise.Prediction:
    frame = np.full((64, 64, 3), 140, np.uint8)
    losses = np.zeros((4, 4))
    losses[1, 2] = top
    return surprise.Prediction(7, "UP", frame, frame, frame, frame, losses)


def test_the_most_surprising_token_is_boxed_if_any_surprised() -> None:
    figure = surprise.draw_predictions([prediction(0.5), prediction(9.0)])
    boxes = [len(ax.patches) for ax in figure.axes[:10]]
    assert boxes == [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]
    assert figure.axes[6].patches[0].get_xy() == (31.5, 15.5)
    assert "9.0 nats" in figure.axes[5].get_ylabel()


def test_other_pictures_are_drawn() -> None:
    losses = {10: 1.0, 11: 3.0}
    (ax,) = surprise.draw_episode(losses, [11]).axes
    assert ax.get_ylim()[1] > 3
    (ax,) = surprise.draw_learning([0, 50], [6.2, 4.0], {"ln 512": 6.24}).axes
    assert [text.get_text() for text in ax.texts] == ["ln 512"]
