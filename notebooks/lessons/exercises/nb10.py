"""Exercises of notebook 10: making it fast, making it big."""

from __future__ import annotations

from itertools import product

from lessons.exercises.exercise import exercise
from lessons.exercises.question import Letters


@exercise(
    cases={
        "fill the cache, then one pass for the only action: 1 + 1": (1, 2, 4),
        "fill (1), action and 2 tokens (3), last action (1)": (2, 2, 4),
        "fill (1), 19 steps of 17, last action (1): all fits exactly": (20, 16, 20),
        "before step 20 the cache is full: one pass to fill it again": (21, 16, 20),
        "one more full step than with a horizon of 21": (22, 16, 20),
        "room for 12 tokens: 2 and three steps of 3, then fill again": (9, 2, 4),
        "room for 10 tokens: 4 and one step of 5, then fill again": (5, 4, 2),
    },
    slips={
        "the last step predicts no frame: one pass": "step == horizon - 1 -> False",
        "filling the cache with the real frame is a pass too": "frame, 1 -> frame, 0",
        "if a step does not fit, filling the cache again is one"
        " more pass": "passed += 1 -> pass",
        "filling the cache again leaves the current frame"
        " in it": "held = tokens_per_frame -> held = 0",
        "the last step needs room for its"
        " action alone": "held + needed > room -> held + tokens_per_frame + 1 > room",
    },
)
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


@exercise(
    case="{0:,} frames as {1}",
    cases=[*product((1, 100_000), ("bytes", "floats", "tokens"))],
    slips={
        "512 codes do not fit 8 bits, so a token takes 2 bytes": "16 * 2 -> 16",
        "512 codes fit 16 bits; 32 are more than a token needs": "16 * 2 -> 16 * 4",
        "512 codes fit 16 bits; 64 are more than a token needs": "16 * 2 -> 16 * 8",
        "a pixel has 3 colours": "3 * 64 -> 64",
        "a float32 has 4 bytes": "4 * 3 -> 8 * 3",
    },
)
def replay_bytes(frames: int, kept_as: str) -> int:
    """10.2. 512 codes need 9 bits, so a token takes two bytes."""
    each = {"bytes": 3 * 64 * 64, "floats": 4 * 3 * 64 * 64, "tokens": 16 * 2}
    return frames * each[kept_as]


cache_is_stale_after = Letters(
    "cache_is_stale_after",
    "bd",  # a token depends on the encoder and the codebook, and on nothing else
    a="the world model reads tokens, it does not make them",
    b="it moves the encoder and the codes themselves",
    c="new frames are missing from the cache; what is in it stays right",
    d="a code that moves may now be the nearest one for a frame that had another token,"
    " and the old index may draw another patch",
    e="the policy has no part in encoding",
    f="a resumed run has the very same tokenizer",
)
