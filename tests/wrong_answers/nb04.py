"""Plausible wrong answers to the exercises of notebook 04: name, answer, and what the
check must say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


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
