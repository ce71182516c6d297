"""What all world models share: blocks of tokens and actions, labels, loss, generating.

Section 2.2 of the paper. A frame's K tokens and the action taken on it make a block of
K + 1; a segment is a row of blocks. `WorldModel` is the paper's network for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from iris_core.config.paper import WorldModelConfig
from iris_core.data.batch import Batch
from iris_core.models.losses import Losses
from iris_core.models.transformer import KVCache, Transformer

IGNORE = -100  # the label of a position that is not trained on

Sampler = Callable[[Tensor], Tensor]  # logits (..., n) -> int64 (...)


@dataclass
class WorldModelOutput:
    """Logits, in the order of the sequence.

    observations: (B, n_obs, vocab_size), from the positions that predict a frame token.
    rewards: (B, n_act, 3), classes sign(r) + 1, from the action positions.
    ends: (B, n_act, 2), classes goes on, ends, from the action positions.
    """

    observations: Tensor
    rewards: Tensor
    ends: Tensor


class NextFrame(NamedTuple):
    """One generated step.

    tokens: (B, K) int64. rewards: (B,) float in {-1, 0, 1}. ends: (B,) bool. logits():
    what these were sampled from, put together when it is asked for, before the next
    step; observations (B, K, vocab_size), none of them if no frame was predicted, are
    divided by the temperature, rewards (B, 3), ends (B, 2).
    """

    tokens: Tensor
    rewards: Tensor
    ends: Tensor
    logits: Callable[[], WorldModelOutput]


@dataclass
class Labels:
    """Targets of a batch, flat, IGNORE where nothing is to be learned (int64).

    observations: (B * n,), rewards and ends: (B * T,).
    """

    observations: Tensor
    rewards: Tensor
    ends: Tensor


class BaseWorldModel(nn.Module, ABC):
    """What imagination asks of a world model, and how one is trained.

    tokens_per_block: positions of the Transformer that a block takes up. unpredicted:
    how many tokens at the start of a segment nothing predicts. passes_per_frame: of the
    Transformer, in a `generate`.
    """

    transformer: Transformer
    head_rewards: nn.Sequential
    head_ends: nn.Sequential

    def __init__(
        self,
        config: WorldModelConfig,
        tokens_per_frame: int,
        tokens_per_block: int,
        unpredicted: int,
        passes_per_frame: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.tokens_per_frame = tokens_per_frame
        self.tokens_per_block = tokens_per_block
        self.max_tokens = tokens_per_block * config.max_blocks
        self.unpredicted = unpredicted
        self.passes_per_frame = passes_per_frame

    # Learning

    @abstractmethod
    def predict(self, frame_tokens: Tensor, actions: Tensor) -> WorldModelOutput:
        """Logits of a real segment, each given what comes before it.

        frame_tokens (B, T, K) and actions (B, T) int64. Observations are those of the
        last n = T * K - unpredicted frame tokens: (B, n, vocab_size).
        """

    def sequence(self, frame_tokens: Tensor, actions: Tensor) -> Tensor:
        """(B, T, K) and (B, T) -> (B, T * (K + 1)): each frame, then its action."""
        blocks = torch.cat([frame_tokens, actions[..., None]], dim=-1)
        return rearrange(blocks, "b t k -> b (t k)")

    def labels(self, frame_tokens: Tensor, batch: Batch) -> Labels:
        """What `predict` should say of frame_tokens (B, T, K) int64."""
        pad = ~batch.mask
        observations = frame_tokens.masked_fill(pad[..., None], IGNORE)
        observations = observations.flatten(1)[:, self.unpredicted :]
        rewards = (batch.rewards.sign() + 1).long().masked_fill(pad, IGNORE)
        ends = batch.ends.long().masked_fill(pad, IGNORE)
        return Labels(observations.flatten(), rewards.flatten(), ends.flatten())

    def loss(self, frame_tokens: Tensor, batch: Batch) -> Losses:
        """Three cross-entropies, summed: frame_tokens (B, T, K) int64."""
        output = self.predict(frame_tokens, batch.actions)
        labels = self.labels(frame_tokens, batch)
        terms = {
            "observations": cross_entropy(output.observations, labels.observations),
            "rewards": cross_entropy(output.rewards, labels.rewards),
            "ends": cross_entropy(output.ends, labels.ends),
        }
        return Losses(terms)

    def optimizer_groups(self, weight_decay: float) -> list[dict]:
        """AdamW groups: weights of linear layers decay; nothing else does."""
        linear = {id(m.weight) for m in self.modules() if isinstance(m, nn.Linear)}
        decay = [p for p in self.parameters() if id(p) in linear]
        rest = [p for p in self.parameters() if id(p) not in linear]
        return [
            {"params": decay, "weight_decay": weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]

    def start_from(self, codes: Tensor) -> None:
        """Take the codebook (vocab_size, d) before the first update, where it is used:
        the paper's tables start at random."""

    # Generating

    def new_cache(self, batch_size: int) -> KVCache:
        """An empty cache for sequences up to `max_tokens` long."""
        return self.transformer.new_cache(batch_size)

    @abstractmethod
    def prefill(self, past: Sequence[Tensor], tokens: Tensor, cache: KVCache) -> None:
        """Empty the cache and fill it, so that `generate` can follow.

        past: earlier blocks, (B, K + 1) each, oldest first. tokens: (B, K), the current
        frame's.
        """

    def fits(self, cache: KVCache, predict_frame: bool = True) -> bool:
        """Whether the cache has room for another `generate`."""
        return cache.size + self.tokens_per_block <= self.max_tokens

    @abstractmethod
    def generate(
        self,
        block: Tensor,
        cache: KVCache,
        sample: Sampler,
        temperature: float = 1.0,
        predict_frame: bool = True,
        tokens: Tensor | None = None,
    ) -> NextFrame:
        """Sample reward, end and the next frame, without gradients.

        block: (B, K + 1) int64, the current frame's tokens and the action. cache: what
        came before, from `prefill` or the last `generate`. temperature: of the frame
        tokens. Without predict_frame the frame stays. tokens: (B, K), the frame that
        really came; it is scored and taken instead of a sampled one.
        """

    @abstractmethod
    def where_predicted(
        self, past: Sequence[Tensor], tokens: Tensor, at: int
    ) -> tuple[Tensor, int]:
        """A sequence (B, L), and the position of the Transformer that predicts token
        `at` of the frame `tokens` (B, K) in it. past: the blocks before that frame."""

    def first_position(self, length: int, cache: KVCache | None) -> int:
        """Where `length` positions behind the cache's begin; ValueError if they do
        not fit."""
        start = cache.size if cache is not None else 0
        if start + length > self.max_tokens:
            raise ValueError(
                f"{start + length} tokens do not fit a world model of {self.max_tokens}"
            )
        return start


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B, n, classes), (B * n,); 0 where there is no label."""
    return F.cross_entropy(
        logits.flatten(0, 1).float(), labels, ignore_index=IGNORE, reduction="none"
    )


def labelled_mean(losses: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over what is labelled; 0, not NaN, if nothing is. All are (N,)."""
    weights = weights * (labels != IGNORE)
    return (losses * weights).sum() / weights.sum().clamp(min=1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over what is labelled: logits (B, n, classes), labels (B * n,)."""
    losses = token_losses(logits, labels)
    return labelled_mean(losses, labels, torch.ones_like(losses))
