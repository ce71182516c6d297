"""Checks of notebook 03: attention and its memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from iris_core.models.transformer import causal_mask
from lessons.exercise import Wrong, choose, exercise, expect


@exercise
def mask_for_new(answer: Callable[[int, int], Tensor]) -> None:
    """Rows are new tokens, columns old and new ones."""
    for new, old in ((2, 3), (1, 0), (4, 0), (1, 3), (17, 34)):
        case = f"new = {new}, old = {old}"
        got = torch.as_tensor(answer(new, old))
        if got.shape == (old + new, new) and new != old + new:
            raise Wrong(f"{case}: shape {tuple(got.shape)}; rows are the new tokens")
        wanted = causal_mask(old + new)[old:]
        if got.shape == wanted.shape and got.dtype != torch.bool:
            raise Wrong(f"{case}: the mask is {got.dtype}, expected torch.bool")
        if got.shape == wanted.shape and torch.equal(got, ~wanted):
            raise Wrong(f"{case}: True and False are swapped; True means may look")
        if got.shape == wanted.shape and not torch.equal(got, wanted):
            row, column = (int(i) for i in (got != wanted).nonzero()[0])
            raise Wrong(
                f"{case}: new token {row} is position {old + row}; it may"
                f"{'' if wanted[row, column] else ' not'} see column {column},"
                f" your mask says {bool(got[row, column])}"
            )
        expect(got, wanted, case)


@exercise
def attention_without_scale(
    answer: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> None:
    """softmax(Q K^T) under a mask, nothing divided."""
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 3, 5, 4, generator=generator)  # 3 heads, 5 tokens, d = 4
    mask = causal_mask(5)
    got = answer(q, k, mask)
    wanted = masked_softmax(q @ k.mT, mask)
    case = "3 heads, 5 tokens, d = 4"
    slips = {
        "the scale is still there: do not divide by the root of d": masked_softmax(
            q @ k.mT / math.sqrt(4), mask
        ),
        "the mask is missing: token 0 may see only itself": (q @ k.mT).softmax(-1),
        "the softmax runs over queries; each ROW of weights adds up to 1": (q @ k.mT)
        .masked_fill(~mask, -math.inf)
        .softmax(-2),
        "these are weights with the future set to 0 after the softmax, so rows no"
        " longer add up to 1; set scores to -inf before it": (q @ k.mT).softmax(-1)
        * mask,
    }
    for slip, theirs in slips.items():
        if got.shape == theirs.shape and torch.allclose(got, theirs, atol=1e-5):
            raise Wrong(f"{case}: {slip}")
    expect(got, wanted, case)
    expect(answer(q[0], k[0], mask), wanted[0], "one head, 5 tokens, d = 4")


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -math.inf).softmax(dim=-1)


WHY_SCALE = {
    "a": "a softmax's weights add up to 1 whatever its scores: [0, 1] and [0, 10] both",
    "c": "the mask adds -inf, and no finite score brings that back: exp(-inf) is 0",
    "d": "multiplying all scores by a positive number keeps their order: [1, 2, 3]"
    " becomes [4, 8, 12]",
}


@exercise
def why_scale(answer: Any) -> None:
    """ "b": the spread grows, the order stays."""
    choose(answer, "b", WHY_SCALE)


@exercise
def cache_bytes(answer: Callable[[int, int, int, int, int], int]) -> None:
    """Keys and values of every layer, dream, token and feature."""
    cases = [(3, 5, 7, 8, 4), (2, 1, 170, 128, 4), (10, 64, 340, 256, 4)]
    for layers, dreams, tokens, width, size in cases:
        case = (
            f"{layers} layers, {dreams} dreams, {tokens} tokens, width {width},"
            f" {size} bytes a number"
        )
        wanted = 2 * layers * dreams * tokens * width * size
        got = answer(layers, dreams, tokens, width, size)
        if got == wanted // 2:
            raise Wrong(f"{case}: got {got:,}, half of it; there are keys AND values")
        if got == wanted // size:
            raise Wrong(f"{case}: got {got:,} numbers; each takes {size} bytes")
        if got != wanted:
            raise Wrong(f"{case}: got {got:,}, expected {wanted:,}")
