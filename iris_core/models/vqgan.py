"""The tokenizer's encoder and decoder: convolutions in the style of VQGAN.

They map a 64x64 frame to a small grid of vectors and back (appendix A, table 3; Esser
et al., 2021).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from iris_core.config.paper import TokenizerConfig

FRAME_SIZE = 64  # pixels, height and width
GROUP = 8  # frames whose feature maps a CPU's cache holds

Forward = Callable[[Any, Tensor], Tensor]


def in_groups(forward: Forward) -> Forward:
    """A network's `forward` that takes few frames at a time where nothing learns on a
    CPU: what one layer leaves in the cache, the next still finds there."""

    @wraps(forward)
    def a_few_at_a_time(network: Any, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or torch.is_grad_enabled() or len(x) <= GROUP:
            return forward(network, x)
        return torch.cat([forward(network, few) for few in x.split(GROUP)])

    return a_few_at_a_time


class GroupNorm(nn.GroupNorm):
    """In its input's precision, also where autocast would convert to float32 and back
    (CUDA): its sums are in float32 all the same."""

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            return F.group_norm(x, self.num_groups, weight, bias, self.eps)


def group_norm(channels: int) -> GroupNorm:
    return GroupNorm(num_groups=32, num_channels=channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection; the width does not change."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = group_norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = group_norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> same
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return x + h


class SpatialAttention(nn.Module):
    """One head of self-attention over the cells of a feature map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> same
        height = x.shape[-2]
        h = self.norm(x)
        q, k, v = (
            rearrange(f(h), "b c h w -> b 1 (h w) c") for f in (self.q, self.k, self.v)
        )
        h = F.scaled_dot_product_attention(q, k, v)  # (B, 1, H*W, C)
        h = rearrange(h, "b 1 (h w) c -> b c h w", h=height)
        return x + self.proj_out(h)


class Downsample(nn.Module):
    """Half the resolution; pads on the right and the bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H/2, W/2)
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the resolution: each cell is copied to four, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, 2H, 2W)
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """The blocks at one resolution, each followed by attention where asked for."""

    def __init__(self, channels: int, num_blocks: int, attention: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(channels) for _ in range(num_blocks))
        self.attn = nn.ModuleList(
            SpatialAttention(channels) for _ in range(num_blocks if attention else 0)
        )
        self.downsample: nn.Module | None = None
        self.upsample: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn) > 0:
                x = self.attn[i](x)
        return x


class Middle(nn.Module):
    """Block, attention, block at the lowest resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(channels)
        self.attn_1 = SpatialAttention(channels)
        self.block_2 = ResidualBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


def build_levels(config: TokenizerConfig, num_blocks: int) -> nn.ModuleList:
    """Levels from the full resolution (index 0) to the token grid (the last)."""
    return nn.ModuleList(
        Level(
            config.channels,
            num_blocks,
            attention=(FRAME_SIZE >> i) in config.attention_resolutions,
        )
        for i in range(config.levels)
    )


class Encoder(nn.Module):
    """(B, 3, 64, 64) in [-1, 1] -> (B, z_channels, h, w)."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, config.channels, 3, padding=1)
        self.down = build_levels(config, config.num_res_blocks)
        for level in self.down[:-1]:
            level.downsample = Downsample(config.channels)
        self.mid = Middle(config.channels)
        self.norm_out = group_norm(config.channels)
        self.conv_out = nn.Conv2d(config.channels, config.z_channels, 3, padding=1)

    @in_groups
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            assert isinstance(level, Level)
            x = level(x)
            if level.downsample is not None:
                x = level.downsample(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """(B, z_channels, h, w) -> (B, 3, 64, 64), about [-1, 1] but not bounded."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(config.z_channels, config.channels, 3, padding=1)
        self.mid = Middle(config.channels)
        self.up = build_levels(config, config.num_res_blocks + 1)
        for level in self.up[1:]:
            level.upsample = Upsample(config.channels)
        self.norm_out = group_norm(config.channels)
        self.conv_out = nn.Conv2d(config.channels, 3, 3, padding=1)

    @in_groups
    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(x))
        for level in reversed(self.up):
            assert isinstance(level, Level)
            x = level(x)
            if level.upsample is not None:
                x = level.upsample(x)
        return self.conv_out(F.silu(self.norm_out(x)))
