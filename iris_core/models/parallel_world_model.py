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
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from iris_core.config.schema import ConfigError, WorldModelConfig
from iris_core.models.transformer import KVCache, Transformer, block_causal_mask
from iris_core.models.world_model import (
    WorldModel,
    WorldModelOutput,
    head,
    init_weights,
)


class TokenEncoder(nn.Sequential):
    """(N, K) tokens in rows of the grid -> (N, K / side^2, E): every position sees its
    own side x side tokens and those around them."""

    def __init__(self, vocab_size: int, grid: int, side: int, embed_dim: int) -> None:
        narrow = max(embed_dim // 4, 8)
        super().__init__(
            nn.Embedding(vocab_size, narrow),
            Rearrange("n (h w) e -> n e h w", h=grid),
            nn.Conv2d(narrow, embed_dim, side + 2, stride=side, padding=1),
            Rearrange("n e h w -> n (h w) e"),
        )


class TokenHead(nn.Sequential):
    """(N, K / side^2, E) -> logits (N, K, vocab_size), in rows of the grid."""

    def __init__(self, vocab_size: int, grid: int, side: int, embed_dim: int) -> None:
        narrow = max(embed_dim // 2, 8)
        super().__init__(
            Rearrange("n (h w) e -> n e h w", h=grid // side),
            nn.ConvTranspose2d(embed_dim, narrow, side + 2, stride=side, padding=1),
            nn.ReLU(),
            Rearrange("n e h w -> n (h w) e"),
            nn.Linear(narrow, vocab_size),
        )


class ParallelWorldModel(WorldModel):
    """Blocks of K frame tokens and an action, on K / g + 1 positions.

    g = `tokens_per_position` neighbouring tokens (a square of the grid) share one
    position of the Transformer. Small convolutions lead in and out, so that what is
    learned of an object in one place holds in all.
    """

    parallel = True

    def __init__(
        self,
        config: WorldModelConfig,
        vocab_size: int,
        num_actions: int,
        tokens_per_frame: int,
    ) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.tokens_per_frame = tokens_per_frame
        self.unlabelled = tokens_per_frame
        grid = math.isqrt(tokens_per_frame)
        side = math.isqrt(config.tokens_per_position)
        if side**2 != config.tokens_per_position or grid % side:
            raise ConfigError(
                f"world_model.tokens_per_position={config.tokens_per_position} must be "
                f"1, 4, 16 ... and a square that tiles the grid of {grid} x {grid}"
                " tokens."
            )
        self.tokens_per_block = (grid // side) ** 2 + 1  # positions
        self.max_tokens = self.tokens_per_block * config.max_blocks
        width = config.embed_dim
        self.action_embedding = nn.Embedding(num_actions, width)
        self.token_encoder = TokenEncoder(vocab_size, grid, side, width)
        self.place_emb = nn.Embedding(self.tokens_per_block, width)
        self.time_emb = nn.Embedding(config.max_blocks, width)
        self.transformer = Transformer(
            width,
            config.num_layers,
            config.num_heads,
            config.dropout,
            block_causal_mask(self.max_tokens, self.tokens_per_block),
        )
        self.head_observations = TokenHead(vocab_size, grid, side, width)
        self.head_rewards = head(width, 3)
        self.head_ends = head(width, 2)
        self.apply(init_weights)
        # Codes must differ at once, and more than places do: what holds in one place
        # then holds in all, and learning is more than twice as fast
        table = self.token_encoder[0]
        assert isinstance(table, nn.Embedding)
        nn.init.normal_(table.weight)

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        blocks = rearrange(tokens, "b (t k) -> b t k", k=self.tokens_per_frame + 1)
        b, t, _ = blocks.shape
        start = self.first_position(t * self.tokens_per_block, cache)
        first = start // self.tokens_per_block  # block
        seen = self.token_encoder(blocks[..., :-1].flatten(0, 1))  # (B*T, P-1, E)
        acted = self.action_embedding(blocks[..., -1:].flatten(0, 1))  # (B*T, 1, E)
        x = torch.cat([seen, acted], dim=1) + self.place_emb.weight
        x = rearrange(x, "(b t) p e -> b t p e", b=b)
        x = x + self.time_emb.weight[first : first + t, None]
        return self.transformer(rearrange(x, "b t p e -> b (t p) e"), cache)

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> WorldModelOutput:
        """tokens (B, T * (K + 1)) int64: whole blocks, behind the cache's."""
        b = len(tokens)
        x = self.hidden(tokens, cache)
        x = rearrange(x, "b (t p) e -> (b t) p e", p=self.tokens_per_block)
        logits = self.head_observations(x[:, :-1])  # (B*T, K, vocab)
        acted = rearrange(x[:, -1], "(b t) e -> b t e", b=b)
        return WorldModelOutput(
            rearrange(logits, "(b t) k v -> b (t k) v", b=b),
            self.head_rewards(acted),
            self.head_ends(acted),
        )
