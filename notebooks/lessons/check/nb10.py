"""Checks of notebook 10."""

from __future__ import annotations

from collections.abc import Callable

from lessons.exercise import Wrong, exercise


def count_passes(horizon: int, tokens_per_frame: int, max_blocks: int) -> list[int]:
    """Passes up to and with each step: what `DreamEnv` does, step by step."""
    room, held, passed, counts = max_blocks * (tokens_per_frame + 1), 0, 0, []
    held, passed = tokens_per_frame, 1  # the real frame
    for step in range(horizon):
        last = step == horizon - 1
        needed = 1 if last else tokens_per_frame + 1
        if held + needed > room:
            held, passed = tokens_per_frame, passed + 1
        held, passed = held + needed, passed + needed
        counts.append(passed)
    return counts


@exercise
def passes(answer: Callable[[int, int, int], int]) -> None:
    """Exercise 10.1: passes of a rollout, one after another."""
    cases = [  # horizon, tokens a frame, blocks, why
        (1, 2, 4, "fill the cache, then one pass for the only action: 1 + 1"),
        (2, 2, 4, "fill (1), action and 2 tokens (3), last action (1)"),
        (20, 16, 20, "fill (1), 19 steps of 17, last action (1): all fits exactly"),
        (21, 16, 20, "before step 20 the cache is full: one pass to fill it again"),
        (22, 16, 20, "one more full step than with a horizon of 21"),
        (9, 2, 4, "room for 12 tokens: 2 and three steps of 3, then fill again"),
        (5, 4, 2, "room for 10 tokens: 4 and one step of 5, then fill again"),
    ]
    for horizon, tokens, blocks, why in cases:
        got, expected = answer(horizon, tokens, blocks), None
        expected = count_passes(horizon, tokens, blocks)[-1]
        if got != expected:
            raise Wrong(
                f"horizon={horizon}, tokens_per_frame={tokens}, max_blocks={blocks}: "
                f"got {got}, expected {expected} ({why})"
            )


@exercise
def replay_bytes(answer: Callable[[int, str], int]) -> None:
    """Exercise 10.2: frames as bytes, as floats and as tokens."""
    pixels = 3 * 64 * 64
    cases = [
        (1, "bytes", pixels, "3 colours of 64 x 64 pixels"),
        (1, "floats", 4 * pixels, "a float32 has 4 bytes"),
        (1, "tokens", 32, "512 codes do not fit 8 bits, so a token takes 2 bytes"),
        (100_000, "bytes", 100_000 * pixels, "100,000 times one frame"),
        (100_000, "floats", 400_000 * pixels, "100,000 times one frame"),
        (100_000, "tokens", 3_200_000, "100,000 times 16 tokens of 2 bytes"),
    ]
    for frames, kept_as, expected, why in cases:
        got = answer(frames, kept_as)
        if got != expected:
            raise Wrong(
                f"{frames:,} frames as {kept_as}: got {got:,}, expected {expected:,} "
                f"({why})"
            )


@exercise
def cache_is_stale_after(answer: str) -> None:
    """Exercise 10.3: what makes kept tokens wrong."""
    if not isinstance(answer, str):
        raise Wrong(f"answer with letters in quotes, like 'ac'; got {answer!r}")
    chosen = {letter for letter in answer.lower() if letter.isalpha()}
    if not chosen or chosen - set("abcdef"):
        raise Wrong(f"there are the letters a to f; got {answer!r}")
    too_many = {
        "a": "the world model reads tokens, it does not make them",
        "c": "new frames are missing from the cache; what is in it stays right",
        "e": "the policy has no part in encoding",
        "f": "a resumed run has the very same tokenizer",
    }
    for letter in sorted(chosen):
        if letter in too_many:
            raise Wrong(f"not {letter}: {too_many[letter]}")
    if "b" not in chosen:
        raise Wrong("b is missing: it moves the encoder and the codes themselves")
    if "d" not in chosen:
        raise Wrong(
            "d is missing: a code that moves may now be the nearest one for a frame "
            "that had another token, and the old index may draw another patch"
        )
