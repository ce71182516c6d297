"""Small agents that dream, the starts of dreams, and a sampler that keeps logits."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from torch import Tensor

from iris_core.agent import Agent, categorical
from iris_core.config import Config, load_config
from iris_core.data.batch import Batch

BLOCKS = 4  # of a world model's context in these tests
K = 16  # tokens of a frame
WHITE = torch.arange(K) // 4 % 2 != torch.arange(K) % 2  # drawn last, in parallel
MODES = {
    "autoregressive": ["world_model.prediction=autoregressive"],
    "parallel": ["world_model.prediction=parallel"],
    "grouped": [
        "world_model.prediction=parallel",
        "world_model.tokens_per_position=4",
    ],
}
modes = pytest.mark.parametrize("mode", MODES)
contexts = pytest.mark.parametrize("context", [1, 3])


@cache
def load(mode: str, *overrides: str) -> Config:
    """Cached, for Hydra takes its time."""
    blocks = f"world_model.max_blocks={BLOCKS}"
    return load_config("smoke", [blocks, *MODES[mode], *overrides])


def make_agent(mode: str, *overrides: str) -> Agent:
    agent = Agent(deepcopy(load(mode, *overrides)), ["NOOP", "LEFT", "RIGHT"]).eval()
    with torch.no_grad():  # codes that decode to different frames, sharper predictions
        agent.tokenizer.embedding.weight.mul_(20)
        for p in agent.world_model.parameters():
            p.mul_(3)
    return agent


class Recorder:
    """Samples, and keeps the logits that it was shown."""

    def __init__(self, sample=categorical) -> None:
        self.sample = sample
        self.seen: list[Tensor] = []

    def __call__(self, logits: Tensor) -> Tensor:
        self.seen.append(logits)
        return self.sample(logits)


def make_starts(rows: int, steps: int, real: list[int] | None = None) -> Batch:
    """Real steps before a dream; row i has `real[i]` of them, padded on the left."""
    mask = torch.arange(steps) >= steps - torch.tensor(real or [steps] * rows)[:, None]
    return Batch(
        torch.randint(256, (rows, steps, 3, 64, 64), dtype=torch.uint8)
        * mask[..., None, None, None],
        torch.randint(3, (rows, steps)) * mask,
        torch.zeros(rows, steps),
        torch.zeros(rows, steps, dtype=torch.bool),
        mask,
    )
