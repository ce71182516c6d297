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
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from iris_core.config.departures import WorldModelConfig
from iris_core.config.setting import ConfigError
from iris_core.models.base_world_model import NextFrame, Sampler, WorldModelOutput
from iris_core.models.transformer import KVCache, Transformer
from iris_core.models.world_model import head, init_weights
from iris_core.variants.small_world_model import SmallBudget, block_causal_mask


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
        row = torch.arange(grid, device="cpu")  # also where only shapes are asked for
        white = (row[:, None] + row) % 2 == 1
        first, second = (
            cells.flatten().nonzero().flatten() for cells in (~white, white)
        )
        self.register_buffer("white", white, persistent=False)
        self.register_buffer("first", first, persistent=False)  # in the grid's order
        self.register_buffer("second", second, persistent=False)

    def features(self, x: Tensor) -> Tensor:
        """What the past says of each token: (N, K / side^2, E) -> (N, narrow, h, w)."""
        x = rearrange(x, "n (h w) e -> n e h w", h=self.grid // self.side)
        return self.grow(x)

    def forward(
        self,
        features: Tensor,
        tokens: Tensor | None = None,
        cells: Tensor | slice = slice(None),
    ) -> Tensor:
        """Logits from features; tokens (N, K): of the frame, only black ones are seen
        (None: nothing is known of it yet, and logits of white ones are not final).
        cells: where they are wanted, if not everywhere."""
        if tokens is not None:
            known = self.known(rearrange(tokens, "n (h w) -> n h w", h=self.grid))
            known = known * ~self.white[..., None]
            seen = self.look(rearrange(known, "n h w e -> n e h w"))
            features = features + seen * self.white
        x = rearrange(F.relu(features), "n e h w -> n (h w) e")
        return self.score(x[:, cells])


class ParallelWorldModel(SmallBudget):
    """Blocks of K frame tokens and an action, on K / g + 1 positions.

    g = `tokens_per_position` neighbouring tokens (a square of the grid) share one
    position of the Transformer. Small convolutions lead in and out, so that what is
    learned of an object in one place holds in all. The action shifts and scales what
    every position sees, besides having a position of its own.
    """

    def __init__(
        self,
        config: WorldModelConfig,
        vocab_size: int,
        num_actions: int,
        tokens_per_frame: int,
    ) -> None:
        grid = math.isqrt(tokens_per_frame)
        side = math.isqrt(config.tokens_per_position)
        if side**2 != config.tokens_per_position or grid % side:
            raise ConfigError(
                f"world_model.tokens_per_position={config.tokens_per_position} must be "
                f"1, 4, 16 ... and a square that tiles the grid of {grid} x {grid}"
                " tokens."
            )
        k, positions = tokens_per_frame, (grid // side) ** 2 + 1
        super().__init__(config, k, positions, unpredicted=k, passes_per_frame=1)
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

    def code_tables(self) -> list[Tensor]:
        """The weights with a row a code: two to embed a token, one to score it."""
        table, head = self.token_encoder[0], self.token_head
        assert isinstance(table, nn.Embedding)
        return [table.weight, head.known.weight, head.score.weight]

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """(B, T * (K + 1)) int64, whole blocks -> (B, T, positions, E); it also fills
        the cache."""
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
        x = self.transformer(rearrange(x, "b t p e -> b (t p) e"), cache)
        return rearrange(x, "b (t p) e -> b t p e", t=t)

    def read(
        self, tokens: Tensor, cache: KVCache | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What each of T blocks says of the next: features of its frame's tokens
        (B, T, E, h, w), logits of its reward (B, T, 3) and its end (B, T, 2)."""
        x = self.hidden(tokens, cache)
        features = self.token_head.features(x[:, :, :-1].flatten(0, 1))
        features = rearrange(features, "(b t) e h w -> b t e h w", b=len(tokens))
        # Rewards and ends happen somewhere on the frame: the most of each feature over
        # its positions tells so in all places at once
        whole = x[:, :, -1] + x[:, :, :-1].amax(dim=2)  # (B, T, E)
        return features, self.head_rewards(whole), self.head_ends(whole)

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> WorldModelOutput:
        """tokens (B, T * (K + 1)) int64: whole blocks, behind those of the cache.

        Observations (B, T * K, vocab_size): of the frame after each block. Of the last
        one nothing is known yet, so that the logits of its white tokens are not final.
        """
        features, rewards, ends = self.read(tokens, cache)
        blocks = rearrange(tokens, "b (t k) -> b t k", k=self.tokens_per_frame + 1)
        inside = self.inside(features, blocks[..., :-1])
        last = self.token_head(features[:, -1])[:, None]
        return WorldModelOutput(
            torch.cat([inside, last], dim=1).flatten(1, 2), rewards, ends
        )

    def predict(self, frame_tokens: Tensor, actions: Tensor) -> WorldModelOutput:
        features, rewards, ends = self.read(self.sequence(frame_tokens, actions))
        logits = self.inside(features, frame_tokens)
        return WorldModelOutput(logits.flatten(1, 2), rewards, ends)

    def inside(self, features: Tensor, frame_tokens: Tensor) -> Tensor:
        """Logits (B, T - 1, K, vocab_size) of the frames behind the first, each from
        the block before it and its own black tokens; frame_tokens: (B, T, K)."""
        known = frame_tokens[:, 1:].flatten(0, 1)
        logits = self.token_head(features[:, :-1].flatten(0, 1), known)
        return rearrange(logits, "(b t) k v -> b t k v", b=len(frame_tokens))

    def prefill(self, past: Sequence[Tensor], tokens: Tensor, cache: KVCache) -> None:
        # The current frame passes together with its action
        cache.clear()
        if past:
            self.hidden(torch.cat([*past], dim=1), cache)

    @torch.no_grad()
    def generate(
        self,
        block: Tensor,
        cache: KVCache,
        sample: Sampler,
        temperature: float = 1.0,
        predict_frame: bool = True,
        tokens: Tensor | None = None,
    ) -> NextFrame:
        """One pass; then black tokens are sampled together, and white ones."""
        features, rewards, ends = self.read(block, cache)
        features, outcome = features[:, 0], (rewards[:, 0], ends[:, 0])
        sampled = sample(outcome[0]).float() - 1, sample(outcome[1]).bool()
        vocab_size = self.token_head.score.out_features
        if not predict_frame:
            nothing = features.new_empty((len(block), 0, vocab_size))
            none = WorldModelOutput(nothing, *outcome)
            return NextFrame(block[:, :-1], *sampled, lambda: none)
        frame, known = torch.zeros_like(block[:, :-1]), None
        scores: list[tuple[Tensor, Tensor]] = []
        for half in (self.token_head.first, self.token_head.second):
            found = self.token_head(features, known, half) / temperature
            scores.append((half, found))  # (B, K / 2, vocab_size)
            frame[:, half] = sample(found) if tokens is None else tokens[:, half]
            known = frame

        def logits() -> WorldModelOutput:
            whole = features.new_empty((*frame.shape, vocab_size))
            for half, found in scores:
                whole[:, half] = found.to(whole.dtype)
            return WorldModelOutput(whole, *outcome)

        return NextFrame(frame, *sampled, logits)

    def where_predicted(
        self, past: Sequence[Tensor], tokens: Tensor, at: int
    ) -> tuple[Tensor, int]:
        # A position of the block before the frame predicts a square of its tokens
        grid, side = self.token_head.grid, self.token_head.side
        row, column = divmod(at, grid)
        position = row // side * (grid // side) + column // side
        block = (len(past) - 1) * self.tokens_per_block
        return torch.cat([*past], dim=1), block + position
