"""Plausible wrong answers to the exercises of notebook 10: name, answer, and what the
check must say."""

from __future__ import annotations

from typing import Any

from solutions import nb10 as solution


def no_last_step(horizon, tokens, blocks):
    return 1 + horizon * (tokens + 1)


def no_fill(horizon, tokens, blocks):
    return solution.passes(horizon, tokens, blocks) - 1


def no_refresh(horizon, tokens, blocks):
    return 1 + (horizon - 1) * (tokens + 1) + 1


def eager_refresh(horizon, tokens, blocks):
    """Makes room for a whole step before the last one too."""
    room, held, passed = blocks * (tokens + 1), tokens, 1
    for step in range(horizon):
        if held + tokens + 1 > room:
            held, passed = tokens, passed + 1
        needed = 1 if step == horizon - 1 else tokens + 1
        held, passed = held + needed, passed + needed
    return passed


def byte_tokens(frames, kept_as):
    return frames * {"bytes": 12288, "floats": 49152, "tokens": 16}[kept_as]


def wide_tokens(frames, kept_as):
    return frames * {"bytes": 12288, "floats": 49152, "tokens": 128}[kept_as]


def grey(frames, kept_as):
    return frames * {"bytes": 4096, "floats": 16384, "tokens": 32}[kept_as]


def doubles(frames, kept_as):
    return frames * {"bytes": 12288, "floats": 98304, "tokens": 32}[kept_as]


WRONG: list[tuple[str, Any, str]] = [
    ("passes", no_last_step, "expected 2"),
    ("passes", no_fill, "got 1, expected 2"),
    ("passes", no_refresh, "fill it again"),
    ("passes", eager_refresh, "fits exactly"),
    ("replay_bytes", byte_tokens, "do not fit 8 bits"),
    ("replay_bytes", wide_tokens, "2 bytes"),
    ("replay_bytes", grey, "3 colours"),
    ("replay_bytes", doubles, "float32 has 4 bytes"),
    ("cache_is_stale_after", "b", "d is missing"),
    ("cache_is_stale_after", "d", "b is missing"),
    ("cache_is_stale_after", "bcd", "missing from the cache"),
    ("cache_is_stale_after", "abd", "not a"),
    ("cache_is_stale_after", "bdf", "same tokenizer"),
    ("cache_is_stale_after", "xyz", "a to f"),
    ("cache_is_stale_after", 3, "letters in quotes"),
]
