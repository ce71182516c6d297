"""A world model that predicts a frame's tokens together, in one pass.

A departure from the paper, for small budgets: `world_model.prediction=parallel`, after
REM (Cohen et al., 2024, "Improving Token-Based World Models with Parallel Observation
Prediction"). Attention is block-causal, so every position of a block sees the block's
action, and the position of token i predicts token i of the next frame. A step of a
dream is then one pass, not K + 1. The price: tokens of one frame are sampled
independently, given what came before.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from iris_core.config.schema import ConfigError, WorldModelConfig
from iris_core.models.transformer import KVCache, Transformer, block_causal_mask
from iris_core.models.world_model import (
    WorldModel,
    WorldModelOutput,
    head,
    init_weights,
)


class ParallelWorldModel(WorldModel):
    """Blocks of K frame tokens and an action, on K / g + 1 positions.

    g = `tokens_per_position` neighbouring tokens (a square of the grid) share one
    position of the Transformer: their embeddings are added, and its head predicts all
    g of the next frame.
    """

    parallel = True
    tables: Tensor

    def __init__(
        self,
        config: WorldModelConfig,
        vocab_size: int,
        num_actions: int,
        tokens_per_frame: int,
    ) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.vocab_size = vocab_size
        self.tokens_per_frame = tokens_per_frame
        self.unlabelled = tokens_per_frame
        self.group = config.tokens_per_position
        self.grid = math.isqrt(tokens_per_frame)
        self.side = math.isqrt(self.group)
        if self.side**2 != self.group or self.grid % self.side:
            raise ConfigError(
                f"world_model.tokens_per_position={self.group} must be 1, 4, 16 ... and "
                f"a square that tiles the grid of {self.grid} x {self.grid} tokens."
            )
        self.tokens_per_block = tokens_per_frame // self.group + 1  # positions
        self.max_tokens = self.tokens_per_block * config.max_blocks
        width = config.embed_dim
        self.action_embedding = nn.Embedding(num_actions, width)
        self.token_embedding = nn.Embedding(self.group * vocab_size, width)
        self.pos_emb = nn.Embedding(self.max_tokens, width)
        self.transformer = Transformer(
            width,
            config.num_layers,
            config.num_heads,
            config.dropout,
            block_causal_mask(self.max_tokens, self.tokens_per_block),
        )
        self.head_observations = head(width, self.group * vocab_size)
        self.head_rewards = head(width, 3)
        self.head_ends = head(width, 2)
        self.apply(init_weights)
        tables = torch.arange(self.group) * vocab_size  # each place has its own
        self.register_buffer("tables", tables, persistent=False)

    def grouped(self, tokens: Tensor) -> Tensor:
        """(B, T, K) in rows of the grid -> (B, T, K / g, g)."""
        return rearrange(
            tokens,
            "b t (h i w j) -> b t (h w) (i j)",
            i=self.side,
            w=self.grid // self.side,
            j=self.side,
        )

    def ungrouped(self, logits: Tensor) -> Tensor:
        """(B, T, K / g, g * vocab) -> (B, T * K, vocab), in rows of the grid."""
        return rearrange(
            logits,
            "b t (h w) (i j v) -> b (t h i w j) v",
            w=self.grid // self.side,
            i=self.side,
            j=self.side,
        )

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> WorldModelOutput:
        """tokens (B, T * (K + 1)) int64: whole blocks, behind the cache's."""
        blocks = rearrange(tokens, "b (t k) -> b t k", k=self.tokens_per_frame + 1)
        frames, actions = blocks[..., :-1], blocks[..., -1:]
        start = cache.size if cache is not None else 0
        stop = start + blocks.shape[1] * self.tokens_per_block
        seen = self.token_embedding(self.grouped(frames) + self.tables).sum(-2)
        x = torch.cat([seen, self.action_embedding(actions)], dim=2)  # (B, T, P, E)
        x = rearrange(x, "b t p e -> b (t p) e") + self.pos_emb.weight[start:stop]
        x = self.transformer(x, cache)
        x = rearrange(x, "b (t p) e -> b t p e", p=self.tokens_per_block)
        return WorldModelOutput(
            self.ungrouped(self.head_observations(x[:, :, :-1])),
            self.head_rewards(x[:, :, -1]),
            self.head_ends(x[:, :, -1]),
        )
