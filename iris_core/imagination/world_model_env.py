"""The world model as an environment.

Section 2.3 of the paper. A dream starts from a real frame. A step feeds the action to
the Transformer, samples reward and end, then the next frame's tokens, and decodes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from iris_core.agent import Agent, Sampler, categorical
from iris_core.models.base_world_model import BaseWorldModel, NextFrame
from iris_core.models.tokenizer import Tokenizer


class WorldModelEnv:
    """B dreams side by side, without gradients.

    tokens: (B, K) int64, the current frame. past: the blocks before it, (B, K + 1)
    each, oldest first. The cache holds them; when it cannot hold another step it is
    filled again with the last `context` frames alone (1 in the paper: the current
    frame). temperature is that of the frame tokens' sampling (1 in the paper).
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        world_model: BaseWorldModel,
        sample: Sampler = categorical,
        context: int = 1,
        temperature: float = 1.0,
    ) -> None:
        self.tokenizer = tokenizer
        self.decode: Callable[[Tensor], Tensor] = tokenizer.decode
        self.world_model = world_model
        self.sample = sample
        self.context = context
        self.temperature = temperature
        self.tokens = torch.empty(0, dtype=torch.int64)
        self.past: list[Tensor] = []
        self.cache = world_model.new_cache(0)

    @classmethod
    def of(cls, agent: Agent, sample: Sampler = categorical) -> WorldModelEnv:
        """The dream that an agent's configuration asks for."""
        config = agent.config.world_model
        parts = agent.tokenizer, agent.world_model
        return cls(*parts, sample, config.dream_context, config.dream_temperature)

    def sync_weights(self, world_model: BaseWorldModel, version: int) -> None:
        """Dream in this world model, whose version tells when it has changed."""
        self.world_model = world_model

    @torch.no_grad()
    def reset(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """Start from frames (B, 3, 64, 64), or from a short past (B, C, 3, 64, 64) and
        the actions (B, C - 1) between, float in [0, 1].

        Returns the current frames as the tokenizer shows them, (B, 3, 64, 64).
        """
        if frames.ndim == 4:
            frames = frames[:, None]
        tokens = self.tokenizer.tokenize(frames)  # (B, C, K)
        if actions is None:
            actions = tokens.new_zeros(len(tokens), frames.shape[1] - 1)
        return self.start(tokens, actions)

    def start(
        self, tokens: Tensor, actions: Tensor, frames: Tensor | None = None
    ) -> Tensor:
        """`reset`, from tokens (B, C, K) and actions (B, C - 1), int64; frames: what
        the last of the tokens decode to, if that is known."""
        blocks = torch.cat([tokens[:, :-1], actions[..., None]], dim=-1)
        return self.restore(tokens[:, -1], self.recent(blocks.unbind(1)), frames)

    @torch.no_grad()
    def restore(
        self, tokens: Tensor, past: Sequence[Tensor], frames: Tensor | None = None
    ) -> Tensor:
        """Go on from an earlier moment: its `tokens` (B, K) and `past`.

        Other tokens than it had make another frame of the same past. Returns the
        current frames, (B, 3, 64, 64).
        """
        if self.cache.batch_size != len(tokens):
            self.cache = self.world_model.new_cache(len(tokens))
        self.tokens, self.past = tokens, list(past)
        self.world_model.prefill(self.past, tokens, self.cache)
        self.frames = self.decode(tokens) if frames is None else frames
        return self.frames

    def recent(self, past: Sequence[Tensor]) -> list[Tensor]:
        """What a filled cache begins with: the blocks of `context` frames."""
        return list(past[max(len(past) + 1 - self.context, 0) :])

    def refresh(self) -> None:
        """Fill the cache again with the last `context` frames."""
        self.past = self.recent(self.past)
        self.world_model.prefill(self.past, self.tokens, self.cache)

    @torch.no_grad()
    def step(
        self,
        actions: Tensor,
        predict_frame: bool = True,
        tokens: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        """Take actions (B,) int64.

        Returns frames (B, 3, 64, 64) float in [0, 1], rewards (B,) float in {-1, 0, 1},
        ends (B,) bool, and info: `logits()` gives those of all three (see `NextFrame`),
        and `refreshed` tells whether the cache had to be. Without predict_frame the
        frame stays (a rollout's last step). tokens: (B, K), a frame that really came,
        to be taken instead of a sampled one.
        """
        full = not self.world_model.fits(self.cache, predict_frame)
        if full:
            self.refresh()
        block = torch.cat([self.tokens, actions[:, None]], dim=1)
        made = self.generate(block, predict_frame, tokens)
        if predict_frame:
            self.past.append(block)
            self.tokens = made.tokens
            self.frames = self.decode(made.tokens)
        info = {"logits": made.logits, "refreshed": full}
        return self.frames, made.rewards, made.ends, info

    def generate(
        self, block: Tensor, predict_frame: bool, tokens: Tensor | None
    ) -> NextFrame:
        """What follows a block (B, K + 1) of frame tokens and action."""
        return self.world_model.generate(
            block, self.cache, self.sample, self.temperature, predict_frame, tokens
        )
