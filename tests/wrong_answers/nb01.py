"""Plausible wrong answers to the exercises of notebook 01: name, answer, and what the
check must say."""

from __future__ import annotations

from typing import Any

import numpy as np
from lessons.check.nb01 import shrink


def previous(lives: np.ndarray, before: int) -> np.ndarray:
    return np.concatenate([[before], lives[:-1]])


WRONG: list[tuple[str, Any, str]] = [
    ("observe_four", lambda s: np.stack([shrink(x) for x in s[2:]]).max(0), "last two"),
    ("observe_four", lambda s: shrink(s.max(0)), "maximum came first"),
    ("observe_four", lambda s: np.stack([shrink(x) for x in s]).mean(0), "mean"),
    ("observe_four", lambda s: s.max(0), "shape"),
    ("dark_ball", "a", "NO screen"),
    ("dark_ball", "c", "bright ball"),
    ("dark_ball", "vanishes", "choose one of"),
    ("life_ends", lambda x, b: x < previous(x, b), "drop to 0"),
    ("life_ends", lambda x, b: (x > 0) & (x != previous(x, b)), "a life won"),
    ("life_ends", lambda x, b: np.diff(x) < 0, "shape"),
    ("life_ends", lambda x, b: np.append(False, np.diff(x) < 0) & (x > 0), "`before`"),
    ("longest_episode", lambda n, limit, skip: (limit - n) // skip, "cut short"),
    ("longest_episode", lambda n, limit, skip: -(-limit // skip), "got 5"),
    ("longest_episode", lambda n, limit, skip: -(-(limit - n) // 4), "frame skip"),
    ("real_share", lambda length, size: min(1.0, length / size), "expected 0.875"),
    ("real_share", lambda length, size: 1.0, "expected 0.05"),
    (
        "real_share",
        lambda n, size: float(np.mean([min(size, n - t) for t in range(n)])),
        "expected 0.05",
    ),
]
