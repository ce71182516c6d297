"""The world model, stepped one dream at a time and asked what it had expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from iris_core.agent import Agent
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.base_world_model import WorldModelOutput
from iris_core.models.transformer import Block, SelfAttention


@dataclass(frozen=True)
class Prediction:
    """What the world model expected of a frame before it came.

    probs: float32 (K,), of each token that came. reward: float32 (3,), probs of -1,
    0 and +1. end: the chance that the episode was over.
    """

    probs: np.ndarray
    reward: np.ndarray
    end: float

    @classmethod
    def of(cls, logits: WorldModelOutput, tokens: Tensor) -> Prediction:
        """Of a single dream's step: what its logits say of the tokens (1, K)."""
        probs = logits.observations[0].float().softmax(-1)
        probs = probs.gather(1, tokens[0, :, None])
        return cls(
            probs[:, 0].cpu().numpy(),
            logits.rewards[0].float().softmax(-1).cpu().numpy(),
            float(logits.ends[0].float().softmax(-1)[1]),
        )

    @property
    def surprisal(self) -> np.ndarray:
        """Of each token, in nats: float32 (K,)."""
        return np.abs(np.log(self.probs.clip(1e-12, 1)))


class SeededSampler:
    """Samples from softmax(logits) by random numbers of its own."""

    def __init__(self, device: torch.device) -> None:
        self.generator = torch.Generator(device)

    def seed(self, seed: int) -> None:
        """What is sampled from here on depends on this number alone."""
        self.generator.manual_seed(seed)

    def __call__(self, logits: Tensor) -> Tensor:
        """(..., n) -> int64 (...)."""
        probs = logits.float().softmax(-1)
        rows = probs.flatten(0, -2)
        found = torch.multinomial(rows, 1, generator=self.generator)
        return found.view(probs.shape[:-1])


class Imagination:
    """A single dream that tells what it expected of every frame."""

    def __init__(self, agent: Agent) -> None:
        self.device = agent.device
        self.sampler = SeededSampler(agent.device)
        self.dream = WorldModelEnv.of(agent, self.sampler)

    def seed(self, seed: int) -> None:
        """What is sampled from here on depends on this number alone."""
        self.sampler.seed(seed)

    def start(self, tokens: Tensor, actions: Tensor) -> None:
        """Tokens (1, C, K) of the last frames, actions (1, C - 1) between them."""
        self.dream.start(tokens, actions)

    def step(
        self, action: int, tokens: Tensor | None = None
    ) -> tuple[float, bool, Prediction]:
        """Dream a step, or predict one whose frame's tokens (1, K) are known.

        Returns reward, end, and what was expected of the frame that came.
        """
        actions = torch.tensor([action], device=self.device)
        _, reward, end, info = self.dream.step(actions, tokens=tokens)
        prediction = Prediction.of(info["logits"](), self.dream.tokens)
        return float(reward[0]), bool(end[0]), prediction

    @property
    def filled(self) -> tuple[int, int]:
        """How many blocks the Transformer remembers, and the most it can."""
        wm = self.dream.world_model
        return self.dream.cache.size // wm.tokens_per_block, wm.config.max_blocks


@torch.no_grad()
def attention(
    agent: Agent, past: Sequence[Tensor], tokens: Tensor, layer: int, head: int, at: int
) -> np.ndarray:
    """Where a head looked while token `at` of a frame was predicted.

    past: blocks (1, K + 1) that led to the frame. tokens: the frame's, (1, K).
    Returns float32 (n, P): weights over n blocks of P positions, the action last. If
    tokens are predicted one by one, the frame itself is the last block, as far as it
    was known.
    """
    wm = agent.world_model
    found: list[Tensor] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, SelfAttention)
        found.append(module.weights(inputs[0], inputs[1]))  # (1, H, L, L)

    sequence, row = wm.where_predicted(past, tokens, at)
    block = wm.transformer.blocks[layer]
    assert isinstance(block, Block)
    hook = block.attn.register_forward_pre_hook(look)
    try:
        wm(sequence)
    finally:
        hook.remove()
    weights = found[0][0, head, row].float()  # (L,)
    missing = -len(weights) % wm.tokens_per_block
    whole = nn.functional.pad(weights, (0, missing))
    return rearrange(whole, "(n p) -> n p", p=wm.tokens_per_block).cpu().numpy()
