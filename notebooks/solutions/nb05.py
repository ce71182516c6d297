"""Solutions of notebook 05, Dreaming."""

from __future__ import annotations

import torch
from torch import Tensor

from iris_core.models.agent import Sampler
from iris_core.models.transformer import KVCache
from iris_core.models.world_model import WorldModel


def step(
    world_model: WorldModel, cache: KVCache, actions: Tensor, sample: Sampler
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of B dreams: tokens (B, K), rewards (B,), ends (B,)."""
    output = world_model(actions[:, None], cache)
    rewards = sample(output.rewards[:, -1]).float() - 1
    ends = sample(output.ends[:, -1]).bool()
    tokens: list[Tensor] = []
    for _ in range(world_model.tokens_per_frame):
        tokens.append(sample(output.observations[:, -1]))
        output = world_model(tokens[-1][:, None], cache)
    return torch.stack(tokens, dim=1), rewards, ends


def budget(tokens_per_frame: int, horizon: int) -> tuple[int, int]:
    """Tokens a rollout puts into memory, and passes it takes."""
    whole_steps = horizon - 1  # the last one needs no next frame
    tokens = tokens_per_frame + whole_steps * (tokens_per_frame + 1) + 1
    passes = 1 + whole_steps * (tokens_per_frame + 1) + 1
    return tokens, passes


def refreshes(max_tokens: int, tokens_per_frame: int, steps: int) -> list[int]:
    """The steps, numbered from 1, before which the cache is filled anew."""
    found, held = [], tokens_per_frame
    for number in range(1, steps + 1):
        if held + tokens_per_frame + 1 > max_tokens:
            found.append(number)
            held = tokens_per_frame
        held += tokens_per_frame + 1
    return found


def dream_return(classes: Tensor, ends: Tensor) -> Tensor:
    """Sum of rewards up to and with the first end: (B, H), (B, H) -> (B,)."""
    ended_before = ends.int().cumsum(1) - ends.int()  # ends at earlier steps
    return ((classes.float() - 1) * (ended_before == 0)).sum(1)


def frame_right(p: float, tokens: int, temperature: float) -> float:
    """The chance that none of a frame's tokens slips, with one rival for each."""
    right, rival = p ** (1 / temperature), (1 - p) ** (1 / temperature)
    return float((right / (right + rival)) ** tokens)


why_colder = "b"  # a slip here and there, and every later frame builds on it
