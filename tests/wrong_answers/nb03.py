"""Plausible wrong answers to the exercises of notebook 03: name, answer, and what the
check must say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from iris_core.models.transformer import causal_mask


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
