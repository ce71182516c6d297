"""Notebook 10: its checks, and that its rules are the library's."""

import re

import pytest
import torch
from lessons.check import nb10 as check
from solutions import nb10 as solution

from iris_core.config import load_config
from iris_core.dream import DreamEnv
from iris_core.models.agent import Agent


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


SOLUTIONS = [
    (check.passes, solution.passes),
    (check.replay_bytes, solution.replay_bytes),
    (check.cache_is_stale_after, solution.cache_is_stale_after()),
]


@pytest.mark.parametrize(("verify", "answer"), SOLUTIONS)
def test_solutions_pass(verify, answer):
    assert verify(answer).state == "passed", verify(answer)


@pytest.mark.parametrize("verify", [verify for verify, _ in SOLUTIONS])
@pytest.mark.parametrize("stub", [..., None])
def test_stubs_are_not_attempted(verify, stub):
    assert verify(stub).state == "not attempted"


@pytest.mark.parametrize("verify", [check.passes, check.replay_bytes])
def test_a_function_without_a_body_is_not_attempted(verify):
    assert verify(lambda *arguments: ...).state == "not attempted"


@pytest.mark.parametrize(
    ("verify", "answer", "told"),
    [
        (check.passes, no_last_step, "expected 2"),
        (check.passes, no_fill, "got 1, expected 2"),
        (check.passes, no_refresh, "fill it again"),
        (check.passes, eager_refresh, "fits exactly"),
        (check.replay_bytes, byte_tokens, "do not fit 8 bits"),
        (check.replay_bytes, wide_tokens, "2 bytes"),
        (check.replay_bytes, grey, "3 colours"),
        (check.replay_bytes, doubles, "float32 has 4 bytes"),
        (check.cache_is_stale_after, "b", "d is missing"),
        (check.cache_is_stale_after, "d", "b is missing"),
        (check.cache_is_stale_after, "bcd", "missing from the cache"),
        (check.cache_is_stale_after, "abd", "not a"),
        (check.cache_is_stale_after, "bdf", "same tokenizer"),
        (check.cache_is_stale_after, "xyz", "a to f"),
        (check.cache_is_stale_after, 3, "letters in quotes"),
    ],
)
def test_wrong_answers_are_told_why(verify, answer, told):
    verdict = verify(answer)
    assert verdict.state == "wrong"
    assert re.search(told, verdict.message), verdict.message


@pytest.mark.parametrize("answer", ["bd", "D, b", "db"])
def test_letters_in_any_order(answer):
    assert check.cache_is_stale_after(answer).state == "passed"


@pytest.mark.parametrize("horizon", [1, 2, 5, 12])
@pytest.mark.parametrize("blocks", [2, 4])
def test_passes_are_those_of_a_real_dream(horizon, blocks):
    config = load_config("smoke", [f"world_model.max_blocks={blocks}"])
    agent = Agent.from_config(config, num_actions=3).eval()
    wm, count = agent.world_model, 0
    forward = wm.transformer.forward

    def counted(*arguments):
        nonlocal count
        count += 1
        return forward(*arguments)

    wm.transformer.forward = counted
    dream = DreamEnv(agent.tokenizer, wm)
    dream.reset(torch.zeros(1, 3, 64, 64))
    for step in range(horizon):
        action = torch.zeros(1, dtype=torch.int64)
        dream.step(action, predict_frame=step < horizon - 1)
    assert count == solution.passes(horizon, wm.tokens_per_frame, blocks)
