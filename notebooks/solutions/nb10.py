"""Solutions of notebook 10's exercises."""

from __future__ import annotations


def passes(horizon: int, tokens_per_frame: int, max_blocks: int) -> int:
    """10.1. Walk through the steps with the cache's size in hand."""
    room = max_blocks * (tokens_per_frame + 1)
    held, passed = tokens_per_frame, 1
    for step in range(horizon):
        needed = 1 if step == horizon - 1 else tokens_per_frame + 1
        if held + needed > room:
            held = tokens_per_frame
            passed += 1
        held += needed
        passed += needed
    return passed


def replay_bytes(frames: int, kept_as: str) -> int:
    """10.2. 512 codes need 9 bits, so a token takes two bytes."""
    each = {"bytes": 3 * 64 * 64, "floats": 4 * 3 * 64 * 64, "tokens": 16 * 2}
    return frames * each[kept_as]


# 10.3. A token depends on the encoder and the codebook, and on nothing else.
cache_is_stale_after = "bd"
