"""Notebook 03: its solution is the library's, and its pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lessons.exercises import nb03 as exercises
from lessons.plots import nb03_attention as attention

from iris_core.models.transformer import causal_mask


@pytest.mark.parametrize(("new", "old"), [(2, 3), (1, 0), (4, 0), (17, 34)])
def test_a_mask_for_new_tokens_is_the_end_of_a_square_one(new: int, old: int) -> None:
    mask = exercises.mask_for_new.solution(new, old)
    assert torch.equal(mask, causal_mask(old + new)[old:])


# Pictures


def frames(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (n, 64, 64, 3)).astype(np.uint8)


def test_cells_from_the_target_on_are_blank() -> None:
    (frame,) = frames(1)
    hidden = attention.hide(frame, first=5, grid=4)
    assert (hidden[16:32, 16:] == attention.HIDDEN).all()
    assert (hidden[32:] == attention.HIDDEN).all()
    assert (hidden[:16] == frame[:16]).all()
    assert (hidden[16:32, :16] == frame[16:32, :16]).all()


def test_contrast_keeps_the_middle() -> None:
    frame = np.full((64, 64, 3), 100, np.uint8)
    frame[0, 0], frame[0, 1] = 110, 250
    strong = attention.strengthen(frame)
    assert strong[5, 5, 0] == 100
    assert strong[0, 0, 0] == 120
    assert strong[0, 1, 0] == 255


@pytest.mark.parametrize("target", [0, 7])
def test_every_head_has_a_row_of_frames(target: int) -> None:
    weights = np.random.default_rng(0).random((3, 17))
    rows = {"one": weights, "two": weights}
    figure = attention.draw_attention(rows, frames(3), ["UP", "NOOP"], target)
    panels = [ax for ax in figure.axes if ax.images]
    assert len(panels) >= 6
    boxes = [len(ax.patches) for ax in panels[:3]]
    assert boxes == [0, 0, 2 if target else 1]
    assert panels[0].get_xlabel() == f"UP {weights[0, -1]:.2f}"


def test_other_pictures_are_drawn() -> None:
    grids = {"a": np.ones((4, 4)), "b": np.zeros((4, 4))}
    assert len(attention.draw_readers(grids, frames(1)[0]).axes) == 3
    masks = {"causal": causal_mask(6).numpy()}
    assert len(attention.draw_masks(masks, block=3).axes) == 1
    profiles = {name: np.ones(51) for name in "abcd"}
    assert len(attention.draw_distances(profiles, 17).axes) == 4
