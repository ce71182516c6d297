"""Exercises of notebook 03: attention and its memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from iris_core.models.transformer import causal_mask
from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice


@exercise(
    cases=[(2, 3), (1, 0), (4, 0), (1, 3), (17, 34)],
    slips={
        "True and False are swapped; True means may look": "<= -> >",
        "row i is the new token i, at position old + i": "old + torch -> torch",
        "a token may not see those after it": "rows[:, None] -> rows[:, None] + new",
        "a token sees itself too": "<= -> <",
        "rows are the new tokens": lambda new, old: causal_mask(old + new)[old:].T,
        "the old tokens need columns too": "torch.arange(old + new) -> rows",
    },
)
def mask_for_new(new: int, old: int) -> Tensor:
    """Row i is position old + i, and sees up to itself."""
    rows = old + torch.arange(new)
    columns = torch.arange(old + new)
    return columns[None, :] <= rows[:, None]


Q, K = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))


@exercise(
    cases=[(Q, K, causal_mask(5)), (Q[0], K[0], causal_mask(5))],
    slips={
        "the scale is still there: do not divide by the root of d": "k.mT -> k.mT / 2",
        "the mask is missing: token 0 may see"
        " only itself": ".masked_fill(~mask, -math.inf) -> ",
        "the softmax runs over queries; each ROW must add up to 1": "-1 -> -2",
        "the future was set to 0 after the softmax, so rows no longer add up to 1; set"
        " scores to -inf before it": (
            "masked_fill(~mask, -math.inf).softmax(dim=-1) -> softmax(dim=-1) * mask"
        ),
        "these are masked scores; the softmax is missing": ".softmax(dim=-1) -> ",
        "these are scores; mask them, then take the softmax of"
        " each row": ".masked_fill(~mask, -math.inf).softmax(dim=-1) -> ",
    },
)
def attention_without_scale(q: Tensor, k: Tensor, mask: Tensor) -> Tensor:
    return (q @ k.mT).masked_fill(~mask, -math.inf).softmax(dim=-1)


why_scale = Choice(
    "why_scale",
    "b",  # scores further apart, the same order: a harder choice
    a="a softmax's weights add up to 1 whatever its scores: [0, 1] and [0, 10] both",
    c="the mask adds -inf, and no finite score brings that back: exp(-inf) is 0",
    d="multiplying all scores by a positive number keeps their order: [1, 2, 3] becomes"
    " [4, 8, 12]",
)


@exercise(
    cases=[(3, 5, 7, 8, 4), (2, 1, 170, 128, 4), (10, 64, 340, 256, 4)],
    slips={
        "half of it; there are keys AND values": "2 * -> ",
        "these are numbers; each takes `size` bytes": " * size -> ",
        "that is one layer; each has its own keys and values": "layers * -> ",
        "that is one dream; each has its own keys and values": "dreams * -> ",
        "in megabytes; bytes are asked for": "* size -> * size / 1e6",
        "in mebibytes; bytes are asked for": "* size -> * size / 2**20",
    },
)
def cache_bytes(layers: int, dreams: int, tokens: int, width: int, size: int) -> int:
    """A key and a value of the full width, for every layer, dream and token."""
    return 2 * layers * dreams * tokens * width * size
