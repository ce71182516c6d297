"""A GPT with a key-value cache (Vaswani et al., 2017; Radford et al., 2019).

Pre-norm blocks over a sequence of embeddings. The cache is allocated once and filled in
place, so a token costs one pass over itself and a look at what came before.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


class KVCache:
    """Keys and values of every layer for the tokens seen so far.

    Storage is (layers, batch, heads, max_tokens, head_dim), allocated at construction;
    `size` tokens of it are filled.
    """

    def __init__(self, shape: tuple[int, int, int, int, int], like: Tensor) -> None:
        self.keys = like.new_empty(shape)
        self.values = like.new_empty(shape)
        self.size = 0

    @property
    def batch_size(self) -> int:
        return self.keys.shape[1]

    @property
    def max_tokens(self) -> int:
        return self.keys.shape[3]

    def clear(self) -> None:
        """Forget every token; the storage stays."""
        self.size = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write new k, v (B, H, L, D) behind the filled part; return all of them."""
        end = self.size + k.shape[2]
        self.keys[layer, :, :, self.size : end] = k
        self.values[layer, :, :, self.size : end] = v
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


def causal_mask(length: int) -> Tensor:
    """(L, L) bool: True where row i may look at column j, j <= i."""
    return torch.ones(length, length, dtype=torch.bool).tril()


class Dropout(nn.Module):
    """Zeros with chance p while training; the rest grows by 1 / (1 - p).

    On a CPU 16 random bits decide on a number, four numbers a draw (p is met to a
    hundred-thousandth): PyTorch's own, a draw each, takes twice as long.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return F.dropout(x, self.p, self.training)
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64)
        bits = draws.random_(-(2**63), None).view(torch.int16)[: x.numel()]
        kept = bits.view(x.shape) >= round(2**16 * self.p) - 2**15
        return x * (kept * (1 / (1 - self.p))).to(x.dtype)


class SelfAttention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V over several heads."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.drop = Dropout(dropout)
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)  # query, key, value
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(
        self, x: Tensor, mask: Tensor, cache: KVCache | None = None, layer: int = 0
    ) -> Tensor:
        """x (B, L, E), mask (L, L_all) bool -> (B, L, E)."""
        q, k, v = self.project(x)
        if cache is not None:
            k, v = cache.extend(layer, k, v)
        y = self.attend(q, k.to(q.dtype), v.to(q.dtype), mask)
        return self.proj(rearrange(y, "b h l d -> b l (h d)"))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, L, E) -> queries, keys and values, each (B, H, L, D)."""
        qkv = rearrange(self.qkv(x), "b l (n h d) -> n b h l d", n=3, h=self.num_heads)
        return qkv[0], qkv[1], qkv[2]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """(B, H, L, D), (B, H, M, D) twice -> (B, H, L, D)."""
        p = self.drop.p if self.training else 0.0
        if q.device.type != "cpu" or not q.requires_grad:
            some = None if q.shape[2] == 1 else mask  # one token sees all of the cache
            return F.scaled_dot_product_attention(q, k, v, attn_mask=some, dropout_p=p)
        # Training on a CPU: the fused kernel's backward pass is several times slower
        # in bf16 than these lines
        hidden = torch.zeros(mask.shape, dtype=q.dtype).masked_fill_(~mask, -math.inf)
        q = q / math.sqrt(q.shape[-1])
        scores = torch.baddbmm(hidden, q.flatten(0, 1), k.flatten(0, 1).mT)
        weights = self.drop(scores.softmax(dim=-1)).to(v.dtype)
        return (weights @ v.flatten(0, 1)).view(q.shape)

    @torch.no_grad()
    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """The attention itself, to look at: x (B, L, E) -> (B, H, L, L)."""
        q, k, _ = self.project(x)
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        return scores.masked_fill(~mask, -math.inf).softmax(dim=-1)


class Block(nn.Module):
    """Attention, then an MLP, each on a normalised copy that is added back."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(embed_dim)
        self.attn = SelfAttention(embed_dim, num_heads, dropout)
        self.ln2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, 4 * embed_dim),
            nn.GELU(),
            nn.Linear(4 * embed_dim, embed_dim),
        )
        self.drop = Dropout(dropout)

    def forward(
        self, x: Tensor, mask: Tensor, cache: KVCache | None = None, layer: int = 0
    ) -> Tensor:  # (B, L, E) -> (B, L, E)
        x = x + self.drop(self.attn(self.ln1(x), mask, cache, layer))
        return x + self.drop(self.mlp(self.ln2(x)))


class Transformer(nn.Module):
    """A stack of blocks and a final norm. max_tokens bounds the sequence."""

    mask: Tensor

    def __init__(
        self,
        embed_dim: int,
        num_layers: int,
        num_heads: int,
        dropout: float,
        mask: Tensor,
    ) -> None:
        super().__init__()
        self.drop = Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(embed_dim, num_heads, dropout) for _ in range(num_layers)
        )
        self.ln_f = nn.LayerNorm(embed_dim)
        self.register_buffer("mask", mask, persistent=False)  # (max_tokens, max_tokens)

    def new_cache(self, batch_size: int) -> KVCache:
        """An empty cache for `batch_size` sequences, on this module's device."""
        block = self.blocks[0]
        assert isinstance(block, Block)
        attn = block.attn
        device = attn.proj.weight.device.type
        autocast = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if autocast else torch.float32
        heads, weight = attn.num_heads, attn.proj.weight
        shape = (
            len(self.blocks),
            batch_size,
            heads,
            len(self.mask),
            weight.shape[0] // heads,
        )
        return KVCache(shape, weight.detach().to(dtype))

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        """x (B, L, E) embeddings -> (B, L, E); with a cache they follow its tokens."""
        start = cache.size if cache is not None else 0
        stop = start + x.shape[1]
        if stop > len(self.mask):
            raise ValueError(
                f"{stop} tokens do not fit a Transformer of {len(self.mask)}"
            )
        mask = self.mask[start:stop, :stop]
        x = self.drop(x)
        for layer, block in enumerate(self.blocks):
            x = block(x, mask, cache, layer)
        if cache is not None:
            cache.size = stop
        return self.ln_f(x)
