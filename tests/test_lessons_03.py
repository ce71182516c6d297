"""The checks and pictures of notebook 03."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lessons import attention
from lessons.check import nb03 as check
from lessons.exercise import Verdict
from solutions import nb03 as solutions

from iris_core.models.transformer import causal_mask

CHECKS = [
    "mask_for_new",
    "attention_without_scale",
    "why_scale",
    "cache_bytes",
]


def run(name: str, answer: Any) -> Verdict:
    verdict = getattr(check, name)(answer)
    assert isinstance(verdict, Verdict)
    return verdict


@pytest.mark.parametrize("name", CHECKS)
def test_the_solution_passes(name: str) -> None:
    verdict = run(name, getattr(solutions, name))
    assert verdict.state == "passed", verdict


def stub(*_: Any) -> Any: ...


@pytest.mark.parametrize("name", CHECKS)
def test_a_stub_is_not_attempted(name: str) -> None:
    answer = ... if name == "why_scale" else stub
    assert run(name, answer).state == "not attempted"


def softmax_of(q, k, mask=None, scale=1.0):
    scores = q @ k.mT * scale
    return (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(
        -1
    )


WRONG: list[tuple[str, Callable[..., Any] | str, str]] = [
    ("mask_for_new", lambda n, o: causal_mask(n), "shape"),
    ("mask_for_new", lambda n, o: causal_mask(o + n)[o:].T, "rows are the new"),
    ("mask_for_new", lambda n, o: ~causal_mask(o + n)[o:], "swapped"),
    ("mask_for_new", lambda n, o: causal_mask(o + n)[o:].int(), "torch.bool"),
    ("mask_for_new", lambda n, o: causal_mask(o + n)[:n], "may see column"),
    (
        "mask_for_new",
        lambda n, o: torch.ones(n, o + n, dtype=torch.bool),
        "may not see column",
    ),
    (
        "attention_without_scale",
        lambda q, k, m: softmax_of(q, k, m, 0.5),
        "still there",
    ),
    ("attention_without_scale", lambda q, k, m: softmax_of(q, k), "mask is missing"),
    (
        "attention_without_scale",
        lambda q, k, m: softmax_of(q, k) * m,
        "no longer add up",
    ),
    (
        "attention_without_scale",
        lambda q, k, m: (q @ k.mT).masked_fill(~m, -math.inf).softmax(-2),
        "each ROW",
    ),
    ("attention_without_scale", lambda q, k, m: q @ k.mT, "expected"),
    ("why_scale", "a", "add up to 1"),
    ("why_scale", "c", "-inf"),
    ("why_scale", "d", "order"),
    ("why_scale", "scale", "choose one of"),
    ("cache_bytes", lambda n, b, t, w, s: n * b * t * w * s, "keys AND values"),
    ("cache_bytes", lambda n, b, t, w, s: 2 * n * b * t * w, "each takes 4 bytes"),
    ("cache_bytes", lambda n, b, t, w, s: 2 * b * t * w * s, "expected"),
    ("cache_bytes", lambda n, b, t, w, s: 1 / 0, "ZeroDivisionError"),
]


@pytest.mark.parametrize(("name", "answer", "told"), WRONG)
def test_a_wrong_answer_is_told_why(name: str, answer: Any, told: str) -> None:
    verdict = run(name, answer)
    assert verdict.state == "wrong"
    assert told in verdict.message


def test_the_letter_may_be_written_in_other_ways() -> None:
    for letter in ("b", "B", "(b)", ' "b" '):
        assert run("why_scale", letter).state == "passed"


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
    figure = attention.draw_look(rows, frames(3), ["UP", "NOOP"], target)
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
