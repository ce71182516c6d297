"""The world model, stepped one dream at a time and asked what it had expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from iris_core.dream import DreamEnv
from iris_core.models.agent import Agent
from iris_core.models.transformer import Block, SelfAttention


@dataclass(frozen=True)
class Foresight:
    """What the world model expected of a frame before it came.

    chances: float32 (K,), of each token that came. reward: float32 (3,), chances of -1,
    0 and +1. end: the chance that the episode was over.
    """

    chances: np.ndarray
    reward: np.ndarray
    end: float

    @property
    def nats(self) -> np.ndarray:
        """How surprising each token was: float32 (K,)."""
        return np.abs(np.log(self.chances.clip(1e-12, 1)))


class Dice:
    """Samples by a seed of its own, and keeps the logits that it was asked about.

    turns: which tokens are asked for together. forced: tokens (1, K) that are to come
    instead of sampled ones.
    """

    def __init__(self, device: torch.device, turns: Sequence[Tensor]) -> None:
        self.turns = turns
        self.generator = torch.Generator(device)
        self.asked: list[Tensor] = []
        self.forced: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        logits = logits.float()
        self.asked.append(logits)
        turn = len(self.asked) - 3  # a step asks for the reward and the end first
        if self.forced is not None and turn >= 0:
            return self.forced[:, self.turns[turn]].reshape(logits.shape[:-1])
        chances = logits.softmax(-1)
        rows = chances.flatten(0, -2)
        found = torch.multinomial(rows, 1, generator=self.generator)
        return found.view(chances.shape[:-1])


class Imagination:
    """A single dream that tells what it expected of every frame."""

    def __init__(self, agent: Agent) -> None:
        self.device = agent.device
        self.dice = Dice(agent.device, agent.world_model.turns)
        self.dream = DreamEnv.of(agent, self.dice)
        self.refreshed = False

    def seed(self, seed: int) -> None:
        """What is sampled from here on depends on this number alone."""
        self.dice.generator.manual_seed(seed)

    def start(self, tokens: Tensor, actions: Tensor) -> None:
        """Tokens (1, C, K) of the last frames, actions (1, C - 1) between them."""
        self.dream.start(tokens, actions)

    def step(
        self, action: int, tokens: Tensor | None = None
    ) -> tuple[float, bool, Foresight]:
        """Dream a step, or foresee one whose frame's tokens (1, K) are known.

        Returns reward, end, and what was expected of the frame that came.
        """
        self.dice.asked, self.dice.forced = [], tokens
        before = len(self.dream.past)
        _, reward, end = self.dream.step(torch.tensor([action], device=self.device))
        self.refreshed = len(self.dream.past) <= before
        rewards, ends, *frame = self.dice.asked
        # (K, vocab), in the order of the turns
        logits = torch.cat([each.flatten(0, -2) for each in frame])
        order = torch.cat(list(self.dice.turns))
        came = self.dream.tokens[0, order][:, None]
        chances = torch.empty(len(order), device=self.device)
        chances[order] = logits.softmax(-1).gather(1, came)[:, 0]
        foresight = Foresight(
            chances.cpu().numpy(),
            rewards[0].softmax(-1).cpu().numpy(),
            float(ends[0].softmax(-1)[1]),
        )
        return float(reward[0]), bool(end[0]), foresight

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
    Returns float32 (n, P): weights over n blocks of P positions, the action last.
    Without parallel prediction the frame itself is the last block, as far as it was
    known.
    """
    wm = agent.world_model
    found: list[Tensor] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, SelfAttention)
        found.append(module.weights(inputs[0], inputs[1]))  # (1, H, L, L)

    block = wm.transformer.blocks[layer]
    assert isinstance(block, Block)
    hook = block.attn.register_forward_pre_hook(look)
    try:
        wm(torch.cat([*past] if wm.parallel else [*past, tokens], dim=1))
    finally:
        hook.remove()
    weights = found[0][0, head].float()  # (L, L)
    length = wm.tokens_per_block
    if wm.parallel:
        row = len(past) * length - length + position(agent, at)
    else:  # the action predicts the first token, a token the one after it
        row = len(past) * length - 1 + at
    known = nn.functional.pad(weights[row], (0, -len(weights) % length))
    return rearrange(known, "(n p) -> n p", p=length).cpu().numpy()


def position(agent: Agent, token: int) -> int:
    """The Transformer's position that stands for a frame's token, in its block."""
    wm, grid = agent.world_model, agent.tokenizer.grid_size
    side = round(((wm.tokens_per_frame) / (wm.tokens_per_block - 1)) ** 0.5)
    row, column = divmod(token, grid)
    return row // side * (grid // side) + column // side
