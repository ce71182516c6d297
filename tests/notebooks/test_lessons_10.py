"""Notebook 10: its rules are the library's."""

import pytest
import torch
from lessons.check import nb10 as check
from solutions import nb10 as solution

from iris_core.config import load_config
from iris_core.dream import DreamEnv
from iris_core.models.agent import Agent


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
