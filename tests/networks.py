"""Small networks with random weights, and what they read."""

from copy import deepcopy
from functools import cache

import torch
from torch import Tensor

from iris_core.agent import Agent, make_actor_critic, make_tokenizer
from iris_core.config import Config, load_config
from iris_core.data.batch import Batch
from iris_core.models.actor_critic import ActorCritic, Rollout
from iris_core.models.base_world_model import BaseWorldModel
from iris_core.models.tokenizer import Tokenizer

PATCH = ["tokenizer.architecture=patch"]
VQGAN = [  # 16 tokens of 16 pixels, or 64 of 8
    "tokenizer.architecture=vqgan",
    "tokenizer.channels=32",
    "tokenizer.attention_resolutions=[8]",
    "tokenizer.subtract_background=false",
    "tokenizer.kmeans_start=false",
]
PAPER_ORDER = "autoregressive"
MODES = [  # a world model's prediction, attention, and tokens on one position
    (PAPER_ORDER, "causal", 1),
    (PAPER_ORDER, "block_causal", 1),
    ("parallel", "causal", 1),
    ("parallel", "causal", 4),
]
STRIDED = ["actor_critic.strided=true", "actor_critic.channels=[8,8,16]"]
EXTRAS = [
    "actor_critic.subtract_background=true",
    "actor_critic.normalise_features=true",
]


@cache
def load(*overrides: str) -> Config:
    """Cached, for Hydra takes its time."""
    return load_config("smoke", list(overrides))


def make_config(*overrides: str) -> Config:
    return deepcopy(load(*overrides))


def new_tokenizer(*overrides: str) -> Tokenizer:
    return make_tokenizer(make_config(*overrides).tokenizer)


def make_agent(*overrides: str) -> Agent:
    config = make_config("world_model.dropout=0", *overrides)
    return Agent(config, ["NOOP", "LEFT", "RIGHT"]).eval()


def make_batch(rows: int, steps: int, real: list[int] | None = None) -> Batch:
    """Random steps; row i has `real[i]` of them, padded on the right."""
    mask = torch.arange(steps) < torch.tensor(real or [steps] * rows)[:, None]
    return Batch(
        torch.randint(256, (rows, steps, 3, 64, 64), dtype=torch.uint8),
        torch.randint(3, (rows, steps)),
        torch.randint(-2, 3, (rows, steps)).float() * mask,
        (torch.rand(rows, steps) < 0.3) & mask,
        mask,
    )


def make_world_model(
    prediction: str,
    attention: str,
    group: int,
    *overrides: str,
    blocks: int = 5,
) -> BaseWorldModel:
    agent = make_agent(
        *(f"world_model.{setting}" for setting in overrides),
        f"world_model.prediction={prediction}",
        f"world_model.attention={attention}",
        f"world_model.tokens_per_position={group}",
        f"world_model.max_blocks={blocks}",
    )
    return agent.world_model


def make_tokens(rows: int, steps: int) -> Tensor:
    return torch.randint(32, (rows, steps, 16))


def is_white(i: int) -> bool:
    """Whether token i of a 4x4 grid lies on a white field of the chessboard."""
    return (i // 4 + i % 4) % 2 == 1


def new_actor_critic(*overrides: str) -> ActorCritic:
    return make_actor_critic(make_config(*overrides).actor_critic, 3)


def make_rollout(rows: int, steps: int, ends: Tensor | None = None) -> Rollout:
    values = torch.randn(rows, steps, requires_grad=True)
    return Rollout(
        frames=torch.zeros(rows, steps, 3, 1, 1),
        actions=torch.randint(3, (rows, steps)),
        logits=torch.randn(rows, steps, 3, requires_grad=True),
        values=values,
        rewards=torch.randint(-1, 2, (rows, steps)).float(),
        ends=torch.zeros(rows, steps, dtype=torch.bool) if ends is None else ends,
        bootstrap=values.detach().clone(),
        lstm_state=(torch.zeros(rows, 1), torch.zeros(rows, 1)),
        burn_in=(torch.zeros(rows, 0, 3, 1, 1), torch.zeros(rows, 0)),
    )
