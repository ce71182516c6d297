"""The world model: a Transformer that predicts frame tokens, rewards and ends.

Section 2.2 of the paper. From the blocks of tokens and actions that it has seen, the
model predicts the next frame token everywhere, and at the action the reward's sign and
the episode's end. `base_world_model` has its labels and its loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from iris_core.config.paper import WorldModelConfig
from iris_core.models.base_world_model import (
    BaseWorldModel,
    NextFrame,
    Sampler,
    WorldModelOutput,
)
from iris_core.models.transformer import KVCache, Transformer, causal_mask


class WorldModel(BaseWorldModel):
    """The paper's: a GPT over frame tokens and actions, one position each."""

    def __init__(
        self,
        config: WorldModelConfig,
        vocab_size: int,
        num_actions: int,
        tokens_per_frame: int,
    ) -> None:
        k = tokens_per_frame
        super().__init__(config, k, k + 1, unpredicted=1, passes_per_frame=k)
        self.action_embedding = nn.Embedding(num_actions, config.embed_dim)
        self.token_embedding = nn.Embedding(vocab_size, config.embed_dim)
        self.pos_emb = nn.Embedding(self.max_tokens, config.embed_dim)
        self.transformer = Transformer(
            config.embed_dim,
            config.num_layers,
            config.num_heads,
            config.dropout,
            causal_mask(self.max_tokens),
        )
        self.head_observations = head(config.embed_dim, vocab_size)
        self.head_rewards = head(config.embed_dim, 3)
        self.head_ends = head(config.embed_dim, 2)
        self.apply(init_weights)

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> WorldModelOutput:
        """tokens (B, L) int64: frame, action, frame, ... behind those of the cache."""
        start = cache.size if cache is not None else 0
        x = self.hidden(tokens, cache)  # (B, L, E)
        _, action, predicts = self.positions(start, tokens)
        return self.heads(x, action, predicts)

    def predict(self, frame_tokens: Tensor, actions: Tensor) -> WorldModelOutput:
        tokens = self.sequence(frame_tokens, actions)  # (B, T * (K + 1))
        _, action, predicts = self.positions(0, tokens)
        # The last action predicts a frame that is not in the segment
        return self.heads(self.hidden(tokens), action, predicts[:-1])

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """What the heads read: (B, L) int64 -> (B, L, E); it also fills the cache."""
        start = self.first_position(tokens.shape[1], cache)
        return self.transformer(self.embed(tokens, start), cache)

    def embed(self, tokens: Tensor, start: int = 0) -> Tensor:
        """tokens (B, L) int64 -> (B, L, E): two tables, plus the position."""
        frame, action, _ = self.positions(start, tokens)
        positions = self.position_embeddings(start, start + tokens.shape[1])
        x = positions.new_empty(*tokens.shape, positions.shape[1])
        x[:, frame] = self.token_embedding(tokens[:, frame])
        x[:, action] = self.action_embedding(tokens[:, action])
        return x + positions

    def position_embeddings(self, start: int, stop: int) -> Tensor:
        """Those of positions start ... stop - 1: (L, E)."""
        return self.pos_emb.weight[start:stop]

    def heads(self, x: Tensor, action: Tensor, predicts: Tensor) -> WorldModelOutput:
        """Logits from x (B, L, E) at these positions."""
        return WorldModelOutput(
            self.head_observations(x[:, predicts]),
            self.head_rewards(x[:, action]),
            self.head_ends(x[:, action]),
        )

    def positions(self, start: int, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`token_positions` of tokens (B, L) that follow `start` others."""
        find = token_positions
        if torch.compiler.is_exporting():  # lengths that vary can't be looked up
            find = token_positions.__wrapped__  # type: ignore[assignment]
        return find(start, tokens.shape[1], self.tokens_per_block, tokens.device)

    def prefill(self, past: Sequence[Tensor], tokens: Tensor, cache: KVCache) -> None:
        # The last token waits for the action and passes together with it: K passes a
        # step, not K + 1
        cache.clear()
        self.hidden(torch.cat([*past, tokens[:, :-1]], dim=1), cache)

    def fits(self, cache: KVCache, predict_frame: bool = True) -> bool:
        new = self.tokens_per_block if predict_frame else 1  # behind the waiting token
        return cache.size + 1 + new <= self.max_tokens

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
        """One token after another, each given those before it: K passes."""
        output = self(block[:, -2:], cache)  # the last token and the action
        outcome = output.rewards[:, -1], output.ends[:, -1]
        rewards, ends = sample(outcome[0]).float() - 1, sample(outcome[1]).bool()
        if not predict_frame:
            none = WorldModelOutput(output.observations[:, :0], *outcome)
            return NextFrame(block[:, :-1], rewards, ends, lambda: none)
        frame: list[Tensor] = []
        scores: list[Tensor] = []
        for i in range(self.tokens_per_frame):
            if i > 0:
                output = self(frame[-1][:, None], cache)
            scores.append(output.observations[:, -1] / temperature)  # (B, vocab_size)
            frame.append(sample(scores[-1]) if tokens is None else tokens[:, i])
        return NextFrame(
            torch.stack(frame, dim=1),
            rewards,
            ends,
            lambda: WorldModelOutput(torch.stack(scores, dim=1), *outcome),
        )

    def where_predicted(
        self, past: Sequence[Tensor], tokens: Tensor, at: int
    ) -> tuple[Tensor, int]:
        # The action predicts the first token, a token the one after it
        action = len(past) * self.tokens_per_block - 1
        return torch.cat([*past, tokens], dim=1), action + at


@lru_cache(maxsize=1024)
def token_positions(
    start: int, length: int, tokens_per_block: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Indices (int64, from 0) into tokens start ... start + length - 1: the frame
    tokens, the actions, and the positions that predict a frame token."""
    k, stop = tokens_per_block - 1, start + length

    def frame_tokens(start: int, stop: int) -> Tensor:
        # Of the n positions before one, n // tokens_per_block are actions
        nth = torch.arange(start - start // (k + 1), stop - stop // (k + 1))
        return nth + nth // k - start

    blocks = torch.arange(start // (k + 1), stop // (k + 1))
    # A position predicts what comes next, if that is a frame token
    frame, predicts = frame_tokens(start, stop), frame_tokens(start + 1, stop + 1)
    action = blocks * (k + 1) + k - start
    return frame.to(device), action.to(device), predicts.to(device)


def head(embed_dim: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(embed_dim, embed_dim), nn.ReLU(), nn.Linear(embed_dim, outputs)
    )


def init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
