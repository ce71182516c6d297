"""How a world model learns on a small budget: five departures, each off in the paper.

`world_model.changed_weight`: tokens that change from one frame to the next weigh more
in the loss. `world_model.codebook_start`: the tables of codes begin with the codebook.
`world_model.attention=block_causal`: a token sees the whole of its own frame.
`world_model.positions=place_and_time`: frames share their positions' embeddings.
`world_model.qk_norm`: queries and keys have one length. The loss also tells what was
lost on each frame, for `surprise_share` (prioritised replay).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from iris_core.config.departures import WorldModelConfig
from iris_core.data.batch import Batch
from iris_core.models.base_world_model import (
    BaseWorldModel,
    cross_entropy,
    labelled_mean,
    token_losses,
)
from iris_core.models.losses import Losses
from iris_core.models.transformer import SelfAttention
from iris_core.models.world_model import WorldModel, init_weights


@dataclass(kw_only=True)
class FrameLosses(Losses):
    """loss_per_frame: (B, T) float, detached, nats lost on each frame of a batch."""

    loss_per_frame: Tensor


class SmallBudget(BaseWorldModel):
    """The departures that do not depend on the network."""

    config: WorldModelConfig

    @abstractmethod
    def code_tables(self) -> list[Tensor]:
        """The weights with a row a code: what a token is embedded by, and scored by."""

    @torch.no_grad()
    def start_from(self, codes: Tensor) -> None:
        """Begin with the codebook (vocab_size, d): codes that draw alike are alike.

        Each table keeps its own scale. A code's strongest components stand out less
        than in a patch, for much that is small matters.
        """
        if not self.config.codebook_start:
            return
        codes = codes - codes.mean(dim=0)
        codes = codes / codes.std(dim=0).clamp(min=1e-4).sqrt()
        for table in self.code_tables():
            width = min(table.shape[1], codes.shape[1])
            rows = codes[:, :width]
            table[:, :width] = rows / rows.square().mean().sqrt() * table.std()

    def loss(self, frame_tokens: Tensor, batch: Batch) -> FrameLosses:
        """The paper's three terms, with weights on the tokens: (B, T, K) int64."""
        output = self.predict(frame_tokens, batch.actions)
        labels = self.labels(frame_tokens, batch)
        losses = token_losses(output.observations, labels.observations)
        weights = self.weights(frame_tokens)
        terms = {
            "observations": labelled_mean(losses, labels.observations, weights),
            "rewards": cross_entropy(output.rewards, labels.rewards),
            "ends": cross_entropy(output.ends, labels.ends),
        }
        return FrameLosses(
            terms, loss_per_frame=self.by_frame(losses, len(frame_tokens))
        )

    def weights(self, frame_tokens: Tensor) -> Tensor:
        """Of the labelled tokens, flat: 1, more where a token differs from the one at
        its place in the frame before."""
        changed = torch.zeros_like(frame_tokens, dtype=torch.float32)
        changed[:, 1:] = (frame_tokens[:, 1:] != frame_tokens[:, :-1]).float()
        changed = changed.flatten(1)[:, self.unpredicted :]
        return 1 + self.config.changed_weight * changed.flatten()

    def by_frame(self, losses: Tensor, batch_size: int) -> Tensor:
        """The labelled tokens' losses, flat, summed over each frame: (B, T)."""
        rows = F.pad(losses.detach().view(batch_size, -1), (self.unpredicted, 0))
        return rearrange(rows, "b (t k) -> b t k", k=self.tokens_per_frame).sum(-1)


class SmallWorldModel(SmallBudget, WorldModel):
    """The paper's network, with these departures."""

    def __init__(
        self,
        config: WorldModelConfig,
        vocab_size: int,
        num_actions: int,
        tokens_per_frame: int,
    ) -> None:
        super().__init__(config, vocab_size, num_actions, tokens_per_frame)
        if config.attention == "block_causal":
            mask = block_causal_mask(self.max_tokens, self.tokens_per_block)
            self.transformer.mask = mask
        if config.positions == "place_and_time":
            place = nn.Embedding(self.tokens_per_block, config.embed_dim)
            time = nn.Embedding(config.max_blocks, config.embed_dim)
            self.pos_emb = nn.ModuleDict(  # type: ignore[assignment]
                {"place": place, "time": time}
            ).apply(init_weights)
        if config.qk_norm:
            for block in self.transformer.blocks:
                sizes = config.embed_dim, config.num_heads, config.dropout
                block.attn = NormalisedAttention(*sizes).apply(init_weights)

    def position_embeddings(self, start: int, stop: int) -> Tensor:
        if not isinstance(self.pos_emb, nn.ModuleDict):
            return super().position_embeddings(start, stop)
        at = torch.arange(start, stop, device=self.token_embedding.weight.device)
        place, time = at % self.tokens_per_block, at // self.tokens_per_block
        return self.pos_emb["place"](place) + self.pos_emb["time"](time)

    def code_tables(self) -> list[Tensor]:
        last = self.head_observations[-1]
        assert isinstance(last, nn.Linear)
        return [self.token_embedding.weight, last.weight]


class NormalisedAttention(SelfAttention):
    """Queries and keys of length sqrt(D) (Henry et al., 2020): scores stay within
    +-sqrt(D), however large the weights become."""

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().project(x)
        return F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:]), v


def block_causal_mask(length: int, tokens_per_block: int) -> Tensor:
    """(L, L) bool: causal, and every token sees the whole of its own block."""
    block = torch.arange(length) // tokens_per_block
    return block[:, None] >= block[None, :]
