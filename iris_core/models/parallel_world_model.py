"""A world model that predicts a frame's tokens together, in one pass.

A departure from the paper, for small budgets: `world_model.prediction=parallel`, after
REM (Cohen et al., 2024, "Improving Token-Based World Models with Parallel Observation
Prediction"). Attention is block-causal, so every position of a block sees the block's
action, and the position of token i predicts token i of the next frame. A step of a
dream is then one pass, not K + 1. The price: tokens of one frame are sampled apart, in
two halves, the second of which sees the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
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
        narrow = max(embed_dim // 2, 8)
        super().__init__(
            nn.Embedding(vocab_size, narrow),
            Rearrange("n (h w) e -> n e h w", h=grid),
            nn.Conv2d(narrow, embed_dim, side + 2, stride=side, padding=1),
            Rearrange("n e h w -> n (h w) e"),
        )


class TokenHead(nn.Module):
    """(N, K / side^2, E) -> logits (N, K, vocab_size), in rows of the grid.

    The grid is a chessboard. Its black tokens are predicted from the past alone, its
    white ones from their black neighbours as well: a thing on the border of two tokens
    is then neither lost nor seen twice.
    """

    white: Tensor
    first: Tensor
    second: Tensor

    def __init__(self, vocab_size: int, grid: int, side: int, embed_dim: int) -> None:
        super().__init__()
        self.grid, self.side = grid, side
        narrow = max(embed_dim // 2, 8)
        self.grow = nn.ConvTranspose2d(
            embed_dim, narrow, side + 2, stride=side, padding=1
        )
        self.known = nn.Embedding(vocab_size, narrow)
        self.look = nn.Conv2d(narrow, narrow, 3, padding=1, bias=False)
        self.score = nn.Linear(narrow, vocab_size)
        row = torch.arange(grid)
        white = (row[:, None] + row) % 2 == 1
        self.register_buffer("white", white, persistent=False)
        for name, cells in (("first", ~white), ("second", white)):  # turns, as places
            places = cells.flatten().nonzero().flatten()
            self.register_buffer(name, places, persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """What the past says of each token: (N, K / side^2, E) -> (N, narrow, h, w)."""
        x = rearrange(x, "n (h w) e -> n e h w", h=self.grid // self.side)
        return self.grow(x)

    def forward(
        self,
        features: Tensor,
        tokens: Tensor | None = None,
        places: Tensor | slice = slice(None),
    ) -> Tensor:
        """Logits from features; tokens (N, K): of the frame, only black ones are seen
        (None: nothing is known of it yet, and logits of white ones are not final).
        places: where they are wanted, if not everywhere."""
        if tokens is not None:
            known = self.known(rearrange(tokens, "n (h w) -> n h w", h=self.grid))
            known = known * ~self.white[..., None]
            seen = self.look(rearrange(known, "n h w e -> n e h w"))
            features = features + seen * self.white
        x = rearrange(F.relu(features), "n e h w -> n (h w) e")
        return self.score(x[:, places])


class ParallelWorldModel(WorldModel):
    """Blocks of K frame tokens and an action, on K / g + 1 positions.

    g = `tokens_per_position` neighbouring tokens (a square of the grid) share one
    position of the Transformer. Small convolutions lead in and out, so that what is
    learned of an object in one place holds in all. The action shifts and scales what
    every position sees, besides having a position of its own.
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
        self.action_gate = nn.Embedding(num_actions, width)
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
        self.token_head = TokenHead(vocab_size, grid, side, width)
        self.head_rewards = head(width, 3)
        self.head_ends = head(width, 2)
        self.apply(init_weights)
        # Codes must differ at once, and more than places do: what holds in one place
        # then holds in all, and learning is more than twice as fast
        for codes, std in zip(self.code_tables(), (1.0, 1.0, 0.1), strict=True):
            nn.init.normal_(codes, std=std)
        # Actions as well: begun at 0.02 they went unheard for a thousand updates
        for actions in (self.action_embedding, self.action_gate):
            nn.init.normal_(actions.weight, std=0.5)

    @property
    def turns(self) -> list[Tensor]:
        return [self.token_head.first, self.token_head.second]

    def code_tables(self) -> list[Tensor]:
        """The weights with a row a code: two to embed a token, one to score it."""
        table, head = self.token_encoder[0], self.token_head
        assert isinstance(table, nn.Embedding)
        return [table.weight, head.known.weight, head.score.weight]

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        blocks = rearrange(tokens, "b (t k) -> b t k", k=self.tokens_per_frame + 1)
        b, t, _ = blocks.shape
        start = self.first_position(t * self.tokens_per_block, cache)
        first = start // self.tokens_per_block  # block
        seen = self.token_encoder(blocks[..., :-1].flatten(0, 1))  # (B*T, P-1, E)
        actions = blocks[..., -1:].flatten(0, 1)  # (B*T, 1)
        acted = self.action_embedding(actions)  # (B*T, 1, E)
        # Every position is told the action: what it does depends on what is there
        seen = seen * (1 + self.action_gate(actions)) + acted
        x = torch.cat([seen, acted], dim=1) + self.place_emb.weight
        x = rearrange(x, "(b t) p e -> b t p e", b=b)
        x = x + self.time_emb.weight[first : first + t, None]
        return self.transformer(rearrange(x, "b t p e -> b (t p) e"), cache)

    def forward(
        self, tokens: Tensor, cache: KVCache | None = None, labelled: bool = False
    ) -> WorldModelOutput:
        """tokens (B, T * (K + 1)) int64: whole blocks, behind the cache's. labelled:
        leave out the predictions of the frame behind them, which has no labels."""
        blocks = rearrange(tokens, "b (t k) -> b t k", k=self.tokens_per_frame + 1)
        b, t, _ = blocks.shape
        x = rearrange(self.hidden(tokens, cache), "b (t p) e -> b t p e", t=t)
        features = self.token_head.features(x[:, :, :-1].flatten(0, 1))
        features = rearrange(features, "(b t) e h w -> b t e h w", b=b)
        behind = features[:, -1]  # of the frame that comes after the last block
        logits = [] if labelled else [self.token_head(behind)[:, None]]
        if t > 1:
            known = blocks[:, 1:, :-1].flatten(0, 1)
            inside = self.token_head(features[:, :-1].flatten(0, 1), known)
            logits.insert(0, rearrange(inside, "(b t) k v -> b t k v", b=b))
        vocab_size = self.token_head.score.out_features
        none = x.new_empty(b, 0, self.tokens_per_frame, vocab_size)
        # A copy of all logits is worth avoiding
        joined = logits[0] if len(logits) == 1 else torch.cat(logits or [none], dim=1)
        # Rewards and ends happen somewhere on the frame: the most of each feature over
        # its positions tells so in all places at once
        whole = x[:, :, -1] + x[:, :, :-1].amax(dim=2)  # (B, T, E)
        return WorldModelOutput(
            joined.flatten(1, 2),  # (B, T * K, vocab)
            self.head_rewards(whole),
            self.head_ends(whole),
            behind,
        )

    def draw(
        self, output: WorldModelOutput, sample: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """The frame after the last block, (B, K): black tokens, then white ones.

        sample: logits (B, n, vocab_size) -> tokens (B, n).
        """
        assert output.features is not None
        black, white = self.turns
        first = sample(self.token_head(output.features, places=black))  # (B, K / 2)
        tokens = first.new_zeros(len(first), self.tokens_per_frame)
        tokens[:, black] = first
        tokens[:, white] = sample(self.token_head(output.features, tokens, white))
        return tokens
