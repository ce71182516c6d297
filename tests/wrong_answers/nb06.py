"""Plausible wrong answers to the exercises of notebook 06: name, answer, and what the
check must say."""

from __future__ import annotations

from typing import Any

import torch

WRONG: list[tuple[str, Any, str]] = [
    ("one_step", lambda r, v, e, g: (r + g * ~e * v)[:, :-1], "the next one"),
    ("one_step", lambda r, v, e, g: r[:, :-1] + g * v[:, 1:], "did not cut"),
    ("one_step", lambda r, v, e, g: r[:, :-1] + ~e[:, :-1] * v[:, 1:], "gamma"),
    ("one_step", lambda r, v, e, g: r + g * ~e * v.roll(-1, 1), "the last step"),
    ("live", lambda e: 1.0 - e.int().cumsum(1).clamp(max=1), "lived through"),
    ("live", lambda e: (~e.roll(1, 1) | (torch.arange(5) == 0)).float(), "one step"),
    ("live", lambda e: (~e).float(), "only the ends"),
    ("live", lambda e: e.float(), "expected 1"),
    ("best_policy", lambda a, eta: a.softmax(0), "no effect"),
    ("best_policy", lambda a, eta: (a * eta).softmax(0), "flatter"),
    ("best_policy", lambda a, eta: (a == a.max()).float(), "no action dies out"),
    ("best_policy", lambda a, eta: (a / eta).exp(), "add up to"),
    ("horizon_one", (16, "b"), "dropped"),
    ("horizon_one", (0, "a"), "one by one"),
    ("horizon_one", (0, "c"), "what was printed"),
    ("horizon_one", (0, "d"), "one of"),
    ("horizon_one", "b", "a pair"),
]
