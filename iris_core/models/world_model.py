"""The world model: a Transformer that predicts frame tokens, rewards and ends.

Section 2.2 of the paper. A frame's K tokens and the action taken on it make a block of
K + 1; a segment is a row of blocks. From what it has seen, the model predicts the next
frame token everywhere, and at the action the reward's sign and the episode's end.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from iris_core.config.schema import WorldModelConfig
from iris_core.models.losses import Losses
from iris_core.models.transformer import (
    KVCache,
    Transformer,
    block_causal_mask,
    causal_mask,
)
from iris_core.replay import Batch

IGNORE = -100  # the label of a position that is not trained on


@dataclass
class WorldModelOutput:
    """Logits, in the order of the sequence.

    observations: (B, n_obs, vocab_size), from the positions that predict a frame token.
    rewards: (B, n_act, 3), classes sign(r) + 1, from the action positions.
    ends: (B, n_act, 2), classes goes on, ends, from the action positions.
    features: of the frame that comes next, where it is drawn from them (parallel).
    """

    observations: Tensor
    rewards: Tensor
    ends: Tensor
    features: Tensor | None = None


@dataclass
class Labels:
    """Targets of a batch, flat, IGNORE where nothing is to be learned (int64).

    observations: (B * n,), rewards and ends: (B * T,).
    """

    observations: Tensor
    rewards: Tensor
    ends: Tensor


@lru_cache(maxsize=1024)
def places(
    start: int, length: int, tokens_per_block: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Indices (int64, from 0) into tokens start ... start + length - 1: the frame
    tokens, the actions, and the positions that predict a frame token."""
    at = torch.arange(start, start + length) % tokens_per_block
    is_action = at == tokens_per_block - 1
    # The action predicts the next frame's first token, so the last frame token has
    # nothing left to predict
    silent = at == tokens_per_block - 2
    frame, action, predicts = (
        mask.nonzero().flatten().to(device) for mask in (~is_action, is_action, ~silent)
    )
    return frame, action, predicts


def head(embed_dim: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(embed_dim, embed_dim), nn.ReLU(), nn.Linear(embed_dim, outputs)
    )


class WorldModel(nn.Module):
    """GPT over blocks of K frame tokens and one action.

    A frame's tokens are predicted one after another; `unlabelled` is how many of a
    segment's predictions are of the frame behind it, which has no labels.
    """

    parallel = False
    unlabelled = 1

    def __init__(
        self,
        config: WorldModelConfig,
        vocab_size: int,
        num_actions: int,
        tokens_per_frame: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.tokens_per_frame = tokens_per_frame
        self.tokens_per_block = tokens_per_frame + 1
        self.max_tokens = self.tokens_per_block * config.max_blocks
        self.action_embedding = nn.Embedding(num_actions, config.embed_dim)
        self.token_embedding = nn.Embedding(vocab_size, config.embed_dim)
        self.pos_emb = nn.Embedding(self.max_tokens, config.embed_dim)
        self.transformer = Transformer(
            config.embed_dim,
            config.num_layers,
            config.num_heads,
            config.dropout,
            causal_mask(self.max_tokens)
            if config.attention == "causal"
            else block_causal_mask(self.max_tokens, self.tokens_per_block),
        )
        self.head_observations = head(config.embed_dim, vocab_size)
        self.head_rewards = head(config.embed_dim, 3)
        self.head_ends = head(config.embed_dim, 2)
        self.apply(init_weights)

    @property
    def turns(self) -> list[Tensor]:
        """Which of a frame's tokens are drawn together, in their order: int64 (n,)."""
        return list(torch.arange(self.tokens_per_frame).split(1))

    def new_cache(self, batch_size: int) -> KVCache:
        """An empty cache for sequences up to `max_tokens` long."""
        return self.transformer.new_cache(batch_size)

    def first_position(self, length: int, cache: KVCache | None) -> int:
        """Where `length` positions behind the cache's begin; ValueError if they do
        not fit."""
        start = cache.size if cache is not None else 0
        if start + length > self.max_tokens:
            raise ValueError(
                f"{start + length} tokens do not fit a world model of {self.max_tokens}"
            )
        return start

    def embed(
        self, tokens: Tensor, start: int, frame: Tensor, action: Tensor
    ) -> Tensor:
        """tokens (B, L) int64 -> (B, L, E): two tables, plus the position."""
        length = tokens.shape[1]
        table = self.pos_emb.weight[start : start + length]  # (L, E)
        x = table.new_empty(*tokens.shape, table.shape[1])
        x[:, frame] = self.token_embedding(tokens[:, frame])
        x[:, action] = self.action_embedding(tokens[:, action])
        return x + table

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """What the heads read, (B, positions, E): `forward` without its predictions,
        enough to fill a cache."""
        length = tokens.shape[1]
        start = self.first_position(length, cache)
        frame, action, _ = places(start, length, self.tokens_per_block, tokens.device)
        return self.transformer(self.embed(tokens, start, frame, action), cache)

    def forward(
        self, tokens: Tensor, cache: KVCache | None = None, labelled: bool = False
    ) -> WorldModelOutput:
        """tokens (B, L) int64: frame, action, frame, ... behind those of the cache.

        labelled: leave out the predictions of a frame behind a whole segment, which
        has no labels.
        """
        start, length = cache.size if cache is not None else 0, tokens.shape[1]
        x = self.hidden(tokens, cache)
        _, action, predicts = places(
            start, length, self.tokens_per_block, tokens.device
        )
        if labelled:
            predicts = predicts[: -self.unlabelled]
        return WorldModelOutput(
            self.head_observations(x[:, predicts]),
            self.head_rewards(x[:, action]),
            self.head_ends(x[:, action]),
        )

    # Learning

    def code_tables(self) -> list[Tensor]:
        """The weights with a row a code: what a token is embedded by, and scored by."""
        last = self.head_observations[-1]
        assert isinstance(last, nn.Linear)
        return [self.token_embedding.weight, last.weight]

    @torch.no_grad()
    def start_from(self, codes: Tensor) -> None:
        """Begin with the codebook (vocab_size, d): codes that draw alike are alike.

        Each table keeps its own scale. A code's strongest components stand out less
        than in a patch, for much that is small matters.
        """
        codes = codes - codes.mean(dim=0)
        codes = codes / codes.std(dim=0).clamp(min=1e-4).sqrt()
        for table in self.code_tables():
            width = min(table.shape[1], codes.shape[1])
            rows = codes[:, :width]
            table[:, :width] = rows / rows.square().mean().sqrt() * table.std()

    def sequence(self, frame_tokens: Tensor, actions: Tensor) -> Tensor:
        """(B, T, K) and (B, T) -> (B, T * (K + 1)): each frame, then its action."""
        blocks = torch.cat([frame_tokens, actions[..., None]], dim=-1)
        return rearrange(blocks, "b t k -> b (t k)")

    def labels(self, frame_tokens: Tensor, batch: Batch) -> Labels:
        """Targets for a segment: frame_tokens (B, T, K) int64."""
        pad = ~batch.mask
        observations = frame_tokens.masked_fill(pad[..., None], IGNORE)
        # The first unlabelled tokens are in no position's future
        observations = rearrange(observations, "b t k -> b (t k)")[:, self.unlabelled :]
        rewards = (batch.rewards.sign() + 1).long().masked_fill(pad, IGNORE)
        ends = batch.ends.long().masked_fill(pad, IGNORE)
        return Labels(observations.flatten(), rewards.flatten(), ends.flatten())

    def weights(self, frame_tokens: Tensor) -> Tensor:
        """Of the labelled tokens in the loss, flat: 1, more where a token differs from
        the same place in the frame before."""
        changed = torch.zeros_like(frame_tokens, dtype=torch.float32)
        changed[:, 1:] = (frame_tokens[:, 1:] != frame_tokens[:, :-1]).float()
        changed = rearrange(changed, "b t k -> b (t k)")[:, self.unlabelled :]
        return 1 + self.config.changed_weight * changed.flatten()

    def predictions(self, output: WorldModelOutput) -> Tensor:
        """The logits that have a label in `labels`, flat: (B * n, vocab_size)."""
        return output.observations[:, : -self.unlabelled].flatten(0, 1)

    def loss(self, frame_tokens: Tensor, batch: Batch) -> Losses:
        """Three cross-entropies, summed: frame_tokens (B, T, K) int64."""
        output = self(self.sequence(frame_tokens, batch.actions), labelled=True)
        labels = self.labels(frame_tokens, batch)
        nats = token_nats(output.observations.flatten(0, 1), labels.observations)
        weights = self.weights(frame_tokens)
        terms = {
            "observations": labelled_mean(nats, labels.observations, weights),
            "rewards": cross_entropy(output.rewards.flatten(0, 1), labels.rewards),
            "ends": cross_entropy(output.ends.flatten(0, 1), labels.ends),
        }
        return Losses(terms, nats=self.frame_nats(nats, len(frame_tokens)))

    def frame_nats(self, nats: Tensor, batch_size: int) -> Tensor:
        """What was lost on each frame, (B, T), from the labelled tokens' losses, flat:
        of a first frame only what has labels counts."""
        rows = F.pad(nats.detach().view(batch_size, -1), (self.unlabelled, 0))
        return rearrange(rows, "b (t k) -> b t k", k=self.tokens_per_frame).sum(-1)

    def optimizer_groups(self, weight_decay: float) -> list[dict]:
        """AdamW groups: weights of linear layers decay; nothing else does."""
        linear = {id(m.weight) for m in self.modules() if isinstance(m, nn.Linear)}
        decay = [p for p in self.parameters() if id(p) in linear]
        rest = [p for p in self.parameters() if id(p) not in linear]
        return [
            {"params": decay, "weight_decay": weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]


def token_nats(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (N, classes), (N,); 0 where nothing is labelled."""
    return F.cross_entropy(
        logits.float(), labels, ignore_index=IGNORE, reduction="none"
    )


def labelled_mean(nats: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over what is labelled; 0, not NaN, if nothing is. All are (N,)."""
    weights = weights * (labels != IGNORE)
    return (nats * weights).sum() / weights.sum().clamp(min=1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over what is labelled."""
    nats = token_nats(logits, labels)
    return labelled_mean(nats, labels, torch.ones_like(nats))


def init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
