"""Plausible wrong answers to the exercises of notebook 05: name, answer, and what the
check must say."""

from __future__ import annotations

from typing import Any

import torch
from solutions import nb05 as solution


def make_step(
    feed_last: bool = True, feed_back: bool = True, shift: int = 1, again: bool = False
) -> Any:
    """The solution's step, with slips."""

    def step(wm: Any, cache: Any, actions: Any, sample: Any) -> Any:
        output = wm(actions[:, None], cache)
        rewards = sample(output.rewards[:, -1]).float() - shift
        ends = sample(output.ends[:, -1]).bool()
        tokens = []
        for k in range(wm.tokens_per_frame):
            tokens.append(sample(output.observations[:, -1]))
            if not feed_back:
                wm(tokens[-1][:, None], cache)
            elif feed_last or k < wm.tokens_per_frame - 1:
                output = wm(tokens[-1][:, None], cache)
        if again:
            output = wm(actions[:, None], cache)
        return torch.stack(tokens, dim=1), rewards, ends

    return step


def returned(count_end: bool, shift: int) -> Any:
    def dream_return(classes: Any, ends: Any) -> Any:
        before = ends.int().cumsum(1) - (ends.int() if count_end else 0)
        return ((classes - shift) * (before == 0)).sum(1).float()

    return dream_return


WRONG: list[tuple[str, Any, str]] = [
    ("step", make_step(feed_last=False), "last token must be fed"),
    ("step", make_step(feed_back=False), "feed token 0 through the cache"),
    ("step", make_step(shift=0), "classes 0, 1, 2"),
    ("step", make_step(again=True), "expected 33"),
    ("step", lambda wm, cache, actions, sample: actions, "three things"),
    ("step", lambda wm, cache, a, sample: (a, a, a), "expected"),
    ("budget", lambda k, h: ((k + 1) * h, (k + 1) * h), "in one pass"),
    ("budget", lambda k, h: ((k + 1) * h, 1 + (k + 1) * (h - 1)), "a pass as well"),
    ("budget", lambda k, h: (k + (k + 1) * h, 1 + (k + 1) * h), "no next frame"),
    ("budget", lambda k, h: (k * h, 2 + (k + 1) * (h - 1)), "expected 340"),
    (
        "refreshes",
        lambda m, k, n: [s for s in range(1, n + 1) if s % 20 == 0],
        "leaves the current frame",
    ),
    (
        "refreshes",
        lambda m, k, n: [s - 1 for s in solution.refreshes(m, k, n)],
        "numbered from 1",
    ),
    ("refreshes", lambda m, k, n: list(range(m // k, n, m // k)), "a step fits"),
    ("dream_return", returned(True, 0), "less 1"),
    ("dream_return", returned(False, 1), "still counts"),
    ("dream_return", lambda c, e: (c - 1).sum(1).float(), "expected 0"),
    ("dream_return", lambda c, e: (c - 1).sum().float(), "shape"),
    ("frame_right", lambda p, k, t: (p ** (1 / t)) ** k, "sum over both"),
    ("frame_right", lambda p, k, t: p**k, "temperature 0.5"),
    ("frame_right", lambda p, k, t: p * k, "no probability"),
    ("frame_right", lambda p, k, t: p, "16 tokens"),
    ("why_colder", "a", "the same number of tokens"),
    ("why_colder", "C", "temperature 1 in both"),
    ("why_colder", "hotter", "choose one of"),
]
