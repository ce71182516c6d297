"""Plausible wrong answers to the exercises of notebook 00: name, answer, and what the
check must say."""

from __future__ import annotations

WRONG = [
    ("strips", ["upper", "upper", "lower"], "pair 1"),
    ("strips", ["lower", "upper", "upper"], "chicken"),
    ("strips", ["lower", "upper"], "3 pairs"),
    ("strips", ["lower", "top", "lower"], "'top'"),
    ("held", ([9, 0, 0], "a"), "NOOP 9, UP 0"),
    ("held", ([0, 9], "a"), "three counts"),
    ("held", ([0, 9, 0], "c"), "under DOWN"),
    ("held", ([0, 9, 0], "b"), "three counts"),
    ("held", ([0, 9, 0], "d"), "you held the action"),
    ("held", ([0, 9, 0], "x"), "'x'"),
    ("passes", lambda k, h: h * (1 + k), "got 15, expected 12"),
    ("passes", lambda k, h: 1 + h * (1 + k), "the last step needs no next frame"),
    ("passes", lambda k, h: 2 + (h - 1) * k, "reads its action too"),
    ("passes", lambda k, h: (h - 1) * (1 + k) + 1, "start frame must be read"),
    ("passes", lambda k, h: h, "got 3, expected 12"),
    ("passes", lambda k: k, "TypeError"),
]
STUBS = [
    ("strips", ...),
    ("strips", [..., ..., ...]),
    ("held", ([..., ..., ...], ...)),
    ("held", ([0, 7, 0], ...)),
    ("passes", lambda tokens, horizon: ...),
    ("passes", lambda tokens, horizon: None),
]
