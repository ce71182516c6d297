"""A tokenizer whose tokens see one patch each, through a linear map.

A still background gives still tokens; a code always draws the same patch, so decoding
is a look-up; and it starts from the patches' principal components.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from iris_core.config.paper import TokenizerConfig
from iris_core.variants.small_tokenizer import FOREGROUND_THRESHOLD, SmallTokenizer


class PatchEncoder(nn.Sequential):
    """(B, 3, 64, 64) -> (B, z_channels, h, w): each cell sees its own patch alone."""

    def __init__(self, config: TokenizerConfig) -> None:
        size = 1 << (config.levels - 1)
        super().__init__(
            Rearrange("b c (h p) (w q) -> b h w (c p q)", p=size, q=size),
            nn.Linear(3 * size * size, config.z_channels, bias=False),
            Rearrange("b h w c -> b c h w"),
        )


class PatchDecoder(nn.Module):
    """(B, z_channels, h, w) -> (B, 3, 64, 64): each cell draws its own patch alone."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.size = 1 << (config.levels - 1)
        self.draw = nn.Linear(config.z_channels, 3 * self.size**2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.tile(self.draw(rearrange(x, "b c h w -> b (h w) c")), x.shape[-2])

    def tile(self, patches: Tensor, rows: int) -> Tensor:
        """Patches (B, h * w, 3 * p * p) -> frames (B, 3, 64, 64)."""
        cells = "b (h w) (c p q) -> b c (h p) (w q)"
        return rearrange(patches, cells, h=rows, c=3, p=self.size)


class PatchTokenizer(SmallTokenizer):
    """VQ autoencoder of patches, with any of `SmallTokenizer`'s departures."""

    memory_format = torch.contiguous_format
    decodes_by_lookup = True
    encoder: PatchEncoder
    decoder: PatchDecoder

    def build_encoder(self) -> nn.Module:
        return PatchEncoder(self.config)

    def build_decoder(self) -> nn.Module:
        return PatchDecoder(self.config)

    def decode(self, tokens: Tensor) -> Tensor:
        """Draw every code once, then look up: (..., K) -> (..., 3, 64, 64)."""
        codes = self.post_quant_conv(self.embedding.weight[..., None, None])
        patches = self.decoder.draw(codes.flatten(1).float())  # (vocab, 3 * p * p)
        flat = tokens.reshape(-1, tokens.shape[-1])
        frames = self.decoder.tile(F.embedding(flat, patches), self.grid_size)
        frames = self.unscale(frames).clamp_(0, 1)
        return frames.reshape(*tokens.shape[:-1], *frames.shape[1:])

    def start_codebook(self, frames: Tensor) -> None:
        self.start_projections(frames)
        super().start_codebook(frames)

    def start_projections(self, frames: Tensor) -> None:
        """Encode to the patches' principal components, and decode from them."""
        to_patches = self.encoder[0]
        patches = to_patches(self.scale(frames)).flatten(0, 2)  # (N*K, 3*p*p)
        moving = patches[patches.abs().amax(1) > 2 * FOREGROUND_THRESHOLD]
        if len(moving) <= self.config.z_channels:
            moving = patches
        _, _, basis = torch.linalg.svd(moving.T @ moving)
        rows = basis[: self.config.z_channels]  # (z, 3*p*p), orthonormal
        self.encoder.get_parameter("1.weight").copy_(rows)
        self.decoder.draw.weight.copy_(rows.T)
        for conv in (self.pre_quant_conv, self.post_quant_conv):
            nn.init.dirac_(conv.weight)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
