"""The discrete autoencoder: a frame becomes a few tokens, and tokens a frame again.

Section 2.1 of the paper; van den Oord et al. (2017) for the quantiser, Esser et al.
(2021) for the networks and the perceptual loss.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from iris_core.config.schema import TokenizerConfig
from iris_core.models.kmeans import kmeans
from iris_core.models.losses import Losses
from iris_core.models.nets import (
    FRAME_SIZE,
    Decoder,
    Encoder,
    PatchDecoder,
    PatchEncoder,
)
from iris_core.models.perceptual import LPIPS, load_lpips

FOREGROUND_THRESHOLD = 0.05  # a pixel this far from the background moves, in [0, 1]
WELL_SERVED = 1e-3  # squared distance to a code below which a vector needs no other


@dataclass
class Encoding:
    """A frame in the codebook's space; d = embed_dim, (h, w) = the token grid.

    z: (..., d, h, w) float, the encoder's output before quantisation.
    z_q: (..., d, h, w) float, the nearest codes.
    tokens: (..., h*w) int64 in [0, vocab_size), row by row.
    """

    z: Tensor
    z_q: Tensor
    tokens: Tensor


class Tokenizer(nn.Module):
    """VQ autoencoder of 64x64 frames.

    Frames are float (..., 3, 64, 64) in [0, 1] outside; inside they are scaled to
    [-1, 1], or to twice their difference from the background frame.
    """

    background: Tensor

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        patch = config.architecture == "patch"
        self.encoder = PatchEncoder(config) if patch else Encoder(config)
        self.pre_quant_conv = nn.Conv2d(config.z_channels, config.embed_dim, 1)
        self.embedding = nn.Embedding(config.vocab_size, config.embed_dim)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, 1)
        self.decoder = PatchDecoder(config) if patch else Decoder(config)
        bound = 1.0 / config.vocab_size
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        if config.subtract_background:
            shape = (3, FRAME_SIZE, FRAME_SIZE)
            self.register_buffer("background", torch.full(shape, 0.5))
        self._lpips: list[LPIPS] = []  # in a list: its frozen weights are not ours

    @property
    def grid_size(self) -> int:
        """Tokens along one side of the frame."""
        return FRAME_SIZE >> (self.config.levels - 1)

    @property
    def tokens_per_frame(self) -> int:
        """K in the paper."""
        return self.grid_size**2

    # Frames in [0, 1] to the networks' scale and back

    def scale(self, frames: Tensor) -> Tensor:
        if self.config.subtract_background:
            return 2 * (frames - self.background)
        return 2 * frames - 1

    def unscale(self, x: Tensor) -> Tensor:
        if self.config.subtract_background:
            return x / 2 + self.background
        return (x + 1) / 2

    # The quantiser

    def nearest(self, z: Tensor) -> Tensor:
        """Index of the nearest code by squared Euclidean distance: (N, d) -> (N,)."""
        with torch.autocast(z.device.type, enabled=False):
            z, codes = z.float(), self.embedding.weight.float()
            # |z - e|^2 = |z|^2 - 2 z.e + |e|^2, and |z|^2 is the same for every code
            distances = codes.square().sum(1) - 2 * z @ codes.T  # (N, vocab)
        return distances.argmin(dim=1)

    def latents(self, frames: Tensor) -> Tensor:
        """Before quantising: (..., 3, 64, 64) in [0, 1] -> (N, d, h, w)."""
        x = self.scale(frames.reshape(-1, *frames.shape[-3:]))
        return self.pre_quant_conv(self.encoder(x))

    def encode(self, frames: Tensor) -> Encoding:
        """Frames (..., 3, 64, 64) float in [0, 1] -> Encoding."""
        lead = frames.shape[:-3]
        z = self.latents(frames)  # (N, d, h, w)
        n, _, h, w = z.shape
        tokens = self.nearest(rearrange(z, "n d h w -> (n h w) d"))
        z_q = rearrange(self.embedding(tokens), "(n h w) d -> n d h w", n=n, h=h, w=w)
        return Encoding(
            z.reshape(*lead, *z.shape[1:]),
            z_q.reshape(*lead, *z_q.shape[1:]),
            tokens.reshape(*lead, h * w),
        )

    # Decoding

    def tokenize(self, frames: Tensor) -> Tensor:
        """`encode(frames).tokens` alone: (..., 3, 64, 64) -> (..., K) int64."""
        tokens = self.nearest(rearrange(self.latents(frames), "n d h w -> (n h w) d"))
        return tokens.reshape(*frames.shape[:-3], self.tokens_per_frame)

    def decode_codes(self, z_q: Tensor) -> Tensor:
        """Codes (N, d, h, w) -> frames (N, 3, 64, 64), not clamped."""
        return self.unscale(self.decoder(self.post_quant_conv(z_q)))

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens (..., K) int64 -> frames (..., 3, 64, 64) float in [0, 1]."""
        flat = tokens.reshape(-1, tokens.shape[-1])
        if isinstance(self.decoder, PatchDecoder):
            # A code always draws the same patch: draw each code once, then look up
            codes = self.post_quant_conv(self.embedding.weight[..., None, None])
            patches = self.decoder.draw(codes.flatten(1).float())  # (vocab, 3 * p * p)
            frames = self.decoder.tile(F.embedding(flat, patches), self.grid_size)
            frames = self.unscale(frames).clamp_(0, 1)
            return frames.reshape(*tokens.shape[:-1], *frames.shape[1:])
        z_q = rearrange(self.embedding(flat), "n (h w) d -> n d h w", h=self.grid_size)
        frames = self.decode_codes(z_q).clamp(0, 1)
        return frames.reshape(*tokens.shape[:-1], *frames.shape[1:])

    def reconstruct(self, frames: Tensor) -> Tensor:
        """What the policy sees of frames (..., 3, 64, 64) in [0, 1]: same shape."""
        return self.decode(self.tokenize(frames))

    # Learning

    def loss(self, frames: Tensor) -> Losses:
        """Equation 4 of the paper on frames (N, 3, 64, 64) in [0, 1], weighted."""
        weights = self.config.loss
        x = self.scale(frames)
        code = self.encode(frames)
        z, z_q = code.z, code.z_q
        # Straight-through: forward z_q, backward as if quantising were the identity
        y = self.decoder(self.post_quant_conv(z + (z_q - z).detach()))
        error = y.float() - x
        weight = self.pixel_weights(x)
        terms = {
            "codebook": weights.codebook * (z.detach() - z_q).pow(2).mean(),
            "commitment": weights.commitment * (z - z_q.detach()).pow(2).mean(),
            "l1": weights.l1 * (weight * error.abs()).mean(),
        }
        if weights.l2 > 0:
            terms["l2"] = weights.l2 * (weight * error.pow(2)).mean()
        if weights.worst_pixel > 0:
            worst = error.pow(2).sum(1).flatten(1).amax(1)  # (N,)
            terms["worst_pixel"] = weights.worst_pixel * worst.mean()
        if weights.perceptual > 0:
            lpips = self.perceptual_network(frames.device)
            full = 2 * self.unscale(y) - 1
            terms["perceptual"] = (
                weights.perceptual * lpips(2 * frames - 1, full).mean()
            )
        return Losses(terms, self.figures(code.tokens, error))

    def pixel_weights(self, x: Tensor) -> Tensor:
        """(N, 1, 64, 64): 1, more where the frame differs from the background."""
        if self.config.loss.foreground == 0:
            return x.new_ones(1)
        if not self.config.subtract_background:
            x = x - x.median(dim=0).values
        moving = x.abs().amax(1, keepdim=True) > 2 * FOREGROUND_THRESHOLD
        return 1 + self.config.loss.foreground * moving

    def figures(self, tokens: Tensor, error: Tensor) -> dict[str, Tensor]:
        """Codebook usage of a batch, and the frame's error in [0, 1] units."""
        counts = error.new_zeros(
            self.config.vocab_size
        )  # bincount would wait for a GPU
        counts.scatter_add_(0, tokens.flatten(), error.new_ones(tokens.numel()))
        p = counts / counts.sum()
        return {
            "codes_used": (counts > 0).sum().float(),
            "perplexity": torch.exp(-(p * (p + 1e-10).log()).sum()),
            "mean_error": error.detach().abs().mean() / 2,
        }

    def perceptual_network(self, device: torch.device) -> LPIPS:
        if not self._lpips:
            self._lpips.append(load_lpips(self.config.loss.lpips_weights))
        return self._lpips[0].to(device)

    # Starting well, at small sizes

    @torch.no_grad()
    def start_from(self, frames: Tensor, background: Tensor) -> None:
        """Fit the parts that need data: frames (N, 3, 64, 64) in [0, 1], and their
        median (3, 64, 64)."""
        if self.config.subtract_background:
            self.background.copy_(background)
        if self.config.kmeans_start:
            if self.config.architecture == "patch":
                self.start_projections(frames)
            self.embedding.weight.copy_(
                kmeans(self.vectors(frames), self.config.vocab_size)
            )

    @torch.no_grad()
    def vectors(self, frames: Tensor) -> Tensor:
        """Encoder outputs of frames, one row a token: (N*K, d)."""
        return rearrange(self.latents(frames), "n d h w -> (n h w) d").float()

    def start_projections(self, frames: Tensor) -> None:
        """Encoder and decoder of patches: their principal components, and back."""
        assert isinstance(self.encoder, PatchEncoder)
        assert isinstance(self.decoder, PatchDecoder)
        project, draw = self.encoder[1], self.decoder.draw
        assert isinstance(project, nn.Linear) and isinstance(draw, nn.Linear)
        patches = self.encoder[0](self.scale(frames)).flatten(0, 2)  # (N*K, 3*p*p)
        moving = patches[patches.abs().amax(1) > 2 * FOREGROUND_THRESHOLD]
        if len(moving) <= self.config.z_channels:
            moving = patches
        _, _, basis = torch.linalg.svd(moving.T @ moving)
        rows = basis[: self.config.z_channels]  # (z, 3*p*p), orthonormal
        project.weight.copy_(rows)
        draw.weight.copy_(rows.T)
        for conv in (self.pre_quant_conv, self.post_quant_conv):
            nn.init.dirac_(conv.weight)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def revive(self, frames: Tensor) -> int:
        """Move codes that `frames` (N, 3, 64, 64) do not use to its worst served
        vectors; returns how many codes moved."""
        z = self.vectors(frames)
        nearest = self.nearest(z)
        counts = torch.bincount(nearest, minlength=self.config.vocab_size)
        dead = (counts == 0).nonzero().flatten()
        distance = (z - self.embedding(nearest)).pow(2).sum(1)
        rows = distance.topk(min(len(dead), len(z))).indices
        rows = rows[distance[rows] > WELL_SERVED]
        self.embedding.weight[dead[: len(rows)]] = z[rows]
        return len(rows)
