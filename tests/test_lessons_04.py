"""The checks and pictures of notebook 04."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from lessons import surprise
from lessons.check import nb04 as check
from lessons.exercise import Verdict
from solutions import nb04 as solutions
from torch import Tensor

CHECKS = ["slices", "labels", "reward_class", "delayed", "floor"]


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
    answer = ... if name == "floor" else stub
    assert run(name, answer).state == "not attempted"


def lists(
    start: int, length: int, k: int, origin: int = 0, silent: int = 1
) -> Sequence[list[int]]:
    """The solution, with slips."""
    at = [(start + i) % (k + 1) for i in range(length)]
    return (
        [origin + i for i, place in enumerate(at) if place != k],
        [origin + i for i, place in enumerate(at) if place == k],
        [origin + i for i, place in enumerate(at) if place != k - silent],
    )


def masked(tokens: Tensor, mask: Tensor, value: int = -100) -> Tensor:
    return tokens.masked_fill(~mask[..., None], value).flatten(1)


WRONG: list[tuple[str, Any, str]] = [
    ("slices", lambda s, n, k: lists(0, n, k), "middle of a block"),
    ("slices", lambda s, n, k: lists(s, n, k, origin=s), "from the piece's beginning"),
    ("slices", lambda s, n, k: lists(s, n, k, silent=0), "is silent"),
    ("slices", lambda s, n, k: lists(s, n, k + 1), "expected"),
    ("slices", lambda s, n, k: lists(s, n, k)[:2], "2 lists"),
    ("labels", lambda t, m: masked(t, m), "nothing is shifted"),
    ("labels", lambda t, m: masked(t, m)[:, :-1], "drop the first"),
    ("labels", lambda t, m: masked(t, m)[:, t.shape[-1] :], "whole frame"),
    ("labels", lambda t, m: t.flatten(1)[:, 1:], "padding has labels"),
    ("labels", lambda t, m: masked(t, m, 0)[:, 1:], "a real code"),
    ("labels", lambda t, m: masked(t, m)[:, 1:].float(), "torch.int64"),
    ("labels", lambda t, m: masked(t, m)[:, 3:], "shape"),
    ("reward_class", lambda r, m: (r.sign() + 1).long(), "padding must be"),
    (
        "reward_class",
        lambda r, m: r.sign().long().masked_fill(~m, -100),
        "so add 1",
    ),
    (
        "reward_class",
        lambda r, m: (r.clamp(-1, 1) + 1).long().masked_fill(~m, -100),
        "expected",
    ),
    (
        "reward_class",
        lambda r, m: (r.sign() + 1).masked_fill(~m, -100),
        "torch.int64",
    ),
    ("delayed", lambda a: a.roll(1, dims=1), "first column"),
    (
        "delayed",
        lambda a: torch.cat([a[:, 1:], torch.zeros_like(a[:, :1])], dim=1),
        "EARLY",
    ),
    ("delayed", lambda a: a, "nothing moved"),
    ("delayed", lambda a: a[:, :-1], "shape"),
    ("delayed", lambda a: a.roll(1, dims=0), "expected"),
    ("floor", 0, "needs the action"),
    ("floor", math.log(6), "does not even know"),
    ("floor", math.log(2), "three moves"),
    ("floor", 1 / 3, "negative logarithm"),
    ("floor", math.log2(3), "in bits"),
    ("floor", 5.0, "ln n"),
]


@pytest.mark.parametrize(("name", "answer", "told"), WRONG)
def test_a_wrong_answer_is_told_why(name: str, answer: Any, told: str) -> None:
    verdict = run(name, answer)
    assert verdict.state == "wrong"
    assert told in verdict.message


# Pictures


def foresight(top: float) -> surprise.Foresight:
    frame = np.full((64, 64, 3), 140, np.uint8)
    nats = np.zeros((4, 4))
    nats[1, 2] = top
    return surprise.Foresight(7, "UP", frame, frame, frame, frame, nats)


def test_the_most_surprising_token_is_boxed_if_any_surprised() -> None:
    figure = surprise.draw_foresight([foresight(0.5), foresight(9.0)])
    boxes = [len(ax.patches) for ax in figure.axes[:10]]
    assert boxes == [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]
    assert figure.axes[6].patches[0].get_xy() == (31.5, 15.5)
    assert "9.0 nats" in figure.axes[5].get_ylabel()


def test_other_pictures_are_drawn() -> None:
    nats = {10: 1.0, 11: 3.0}
    (ax,) = surprise.draw_episode(nats, [11]).axes
    assert ax.get_ylim()[1] > 3
    (ax,) = surprise.draw_learning([0, 50], [6.2, 4.0], {"ln 512": 6.24}).axes
    assert [text.get_text() for text in ax.texts] == ["ln 512"]
