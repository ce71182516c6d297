"""Notebook 10: its rules are the library's."""

import pytest
import torch
from lessons.exercises import nb10 as exercises

from iris_core.agent import Agent
from iris_core.config import load_config
from iris_core.imagination.world_model_env import WorldModelEnv


@pytest.mark.parametrize("horizon", [1, 2, 5, 12])
@pytest.mark.parametrize("blocks", [2, 4])
def test_passes_are_those_of_a_real_dream(horizon, blocks):
    config = load_config("smoke", [f"world_model.max_blocks={blocks}"])
    agent = Agent(config, ["NOOP", "LEFT", "RIGHT"]).eval()
    wm, count = agent.world_model, 0
    forward = wm.transformer.forward

    def counted(*arguments):
        nonlocal count
        count += 1
        return forward(*arguments)

    wm.transformer.forward = counted
    dream = WorldModelEnv(agent.tokenizer, wm)
    dream.reset(torch.zeros(1, 3, 64, 64))
    for step in range(horizon):
        action = torch.zeros(1, dtype=torch.int64)
        dream.step(action, predict_frame=step < horizon - 1)
    # The library saves a pass for each frame: its last token waits for the next action
    saved = horizon - 1
    expected = exercises.passes.solution(horizon, wm.tokens_per_frame, blocks)
    assert count + saved == expected
