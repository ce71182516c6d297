"""What the paper says, computed as it says it: a frame and a token at a time.

Each class stands beside a fast one of the library, extends it, and computes the same
from the same weights; ablation.py puts it in the other's place, compares and times.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor
from torch.optim import Optimizer

from iris_core.data.batch import Batch
from iris_core.models.actor_critic import ActorCritic, State, masked
from iris_core.models.base_world_model import WorldModelOutput
from iris_core.models.transformer import Dropout, KVCache, SelfAttention, Transformer
from iris_core.models.vqgan import SpatialAttention
from iris_core.models.world_model import WorldModel
from iris_core.training.token_cache import TokenCache


class EncodeEveryTime(TokenCache):
    """Frames are encoded whenever they are drawn, and decoded for every burn-in."""

    @torch.no_grad()
    def tokens(self, batch: Batch) -> Tensor:
        whole = self.replay.batch(batch.segment_ids, batch.mask.shape[1])
        whole = whole.to(self.table.device)  # with its pixels
        tokens = self.tokenizer.tokenize(whole.frames)  # (B, T, K)
        return tokens.masked_fill(~whole.mask[..., None], 0)

    @torch.no_grad()
    def reconstructions(self, batch: Batch, tokens: Tensor) -> Tensor:
        return self.tokenizer.decode(tokens)


class BurnInFrameByFrame(ActorCritic):
    """The LSTM's state after a burn-in, a frame at a time (appendix A)."""

    @torch.no_grad()
    def burn_in(self, frames: Tensor, mask: Tensor) -> State:
        state = self.new_state(len(frames))
        for t in range(frames.shape[1]):
            _, _, new = self(frames[:, t], state)
            state = masked(new, state, mask[:, t])
        return state


class AttentionByHand(SelfAttention):
    """softmax(Q K^T / sqrt(d)) V, with a product each for queries, keys and values."""

    def forward(
        self, x: Tensor, mask: Tensor, cache: KVCache | None = None, layer: int = 0
    ) -> Tensor:
        # (3E, E) and (3E,) are three of (E, E) and (E,)
        weights = zip(self.qkv.weight.chunk(3), self.qkv.bias.chunk(3), strict=True)
        q, k, v = (
            rearrange(F.linear(x, w, b), "b l (h d) -> b h l d", h=self.num_heads)
            for w, b in weights
        )
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        scores = q @ k.mT / math.sqrt(q.shape[-1])  # (B, H, L, M)
        shares = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
        y = self.drop(shares).to(v.dtype) @ v
        return self.proj(rearrange(y, "b h l d -> b l (h d)"))


class SpatialAttentionByHand(SpatialAttention):
    """The same over the cells of a feature map, with one head."""

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> same
        h = self.norm(x)
        q, k, v = (f(h).flatten(2) for f in (self.q, self.k, self.v))  # (B, C, H*W)
        shares = (q.mT @ k / math.sqrt(q.shape[1])).softmax(dim=-1)
        h = rearrange(v @ shares.mT, "b c (h w) -> b c h w", h=x.shape[-2])
        return x + self.proj_out(h)


class DrawForEach(Dropout):
    """A random number for each number that may be dropped."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)


class GrowingCache(KVCache):
    """Keys and values that are copied whole for every token."""

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = super().extend(layer, k, v)
        return keys.clone(), values.clone()


class CacheGrows(Transformer):
    """A Transformer whose caches grow."""

    def new_cache(self, batch_size: int) -> KVCache:
        keys = super().new_cache(batch_size).keys
        return GrowingCache(keys.shape, keys)  # type: ignore[arg-type]


class ActionAlone(WorldModel):
    """A step of a dream token by token (section 2.3): K + 1 passes.

    In the library a frame's last token waits, and passes together with the action.
    """

    def forward(self, tokens: Tensor, cache: KVCache | None = None) -> WorldModelOutput:
        if cache is not None and tokens.shape[1] == 2:
            self.hidden(tokens[:, :1], cache)
            tokens = tokens[:, 1:]
        return super().forward(tokens, cache)


def plain_optimizer(fused: Optimizer) -> Optimizer:
    """An optimizer of the same kind and weights, one weight after another."""
    keep = ("params", "weight_decay")
    groups = [{name: group[name] for name in keep} for group in fused.param_groups]
    return type(fused)(groups, foreach=False, fused=False)  # type: ignore[call-arg]
