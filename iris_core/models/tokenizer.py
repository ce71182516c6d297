"""The discrete autoencoder: a frame becomes a few tokens, and tokens a frame again.

Section 2.1 of the paper; van den Oord et al. (2017) for the quantiser, Esser et al.
(2021) for the networks and the perceptual loss.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from iris_core.config.paper import TokenizerConfig
from iris_core.models.losses import Losses
from iris_core.models.lpips import LPIPS, load_lpips
from iris_core.models.vqgan import FRAME_SIZE, Decoder, Encoder


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
    [-1, 1].
    """

    memory_format = torch.channels_last  # a CPU's convolutions are faster so
    decodes_by_lookup = False  # decoding is dear: its results are worth keeping

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = self.build_encoder()
        self.pre_quant_conv = nn.Conv2d(config.z_channels, config.embed_dim, 1)
        self.embedding = nn.Embedding(config.vocab_size, config.embed_dim)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, 1)
        self.decoder = self.build_decoder()
        bound = 1.0 / config.vocab_size
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        self._lpips: list[LPIPS] = []  # in a list: its frozen weights are not ours

    def build_encoder(self) -> nn.Module:
        return Encoder(self.config)

    def build_decoder(self) -> nn.Module:
        return Decoder(self.config)

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
        return 2 * frames - 1

    def unscale(self, x: Tensor) -> Tensor:
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

    def tokenize(self, frames: Tensor) -> Tensor:
        """`encode(frames).tokens` alone: (..., 3, 64, 64) -> (..., K) int64."""
        tokens = self.nearest(rearrange(self.latents(frames), "n d h w -> (n h w) d"))
        return tokens.reshape(*frames.shape[:-3], self.tokens_per_frame)

    # Decoding

    def decode_codes(self, z_q: Tensor) -> Tensor:
        """Codes (N, d, h, w) -> frames (N, 3, 64, 64), not clamped."""
        return self.unscale(self.decoder(self.post_quant_conv(z_q)))

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens (..., K) int64 -> frames (..., 3, 64, 64) float in [0, 1]."""
        flat = tokens.reshape(-1, tokens.shape[-1])
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
        code = self.encode(frames)
        z, z_q = code.z, code.z_q
        # Straight-through: forward z_q, backward as if quantising were the identity
        y = self.decoder(self.post_quant_conv(z + (z_q - z).detach()))
        x = self.scale(frames)
        terms = {
            "codebook": weights.codebook * (z.detach() - z_q).pow(2).mean(),
            "commitment": weights.commitment * (z - z_q.detach()).pow(2).mean(),
            **self.pixel_terms(x, y.float()),
        }
        if weights.perceptual > 0:
            lpips = self.perceptual_network(frames.device)
            distance = lpips(2 * frames - 1, 2 * self.unscale(y) - 1)  # in [-1, 1]
            terms["perceptual"] = weights.perceptual * distance.mean()
        return Losses(terms, self.metrics(code.tokens, y.float() - x))

    def pixel_terms(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """How far a reconstruction y is from x, (N, 3, 64, 64) both, pixel by pixel."""
        return {"l1": self.config.loss.l1 * (y - x).abs().mean()}

    def metrics(self, tokens: Tensor, error: Tensor) -> dict[str, Tensor]:
        """Codebook usage of a batch, and the frame's error in [0, 1] units."""
        counts = error.new_zeros(self.config.vocab_size)
        # What bincount does, which would wait for a GPU
        counts.scatter_add_(0, tokens.flatten(), error.new_ones(tokens.numel()))
        p = counts / counts.sum()
        return {
            "codes_used": (counts > 0).sum().float(),
            "perplexity": torch.exp(-(p * (p + 1e-10).log()).sum()),
            "mean_error": error.detach().abs().mean() / 2,
        }

    def perceptual_network(self, device: torch.device) -> LPIPS:
        if not self._lpips:
            with torch.random.fork_rng(devices=[]):  # whenever it is loaded
                self._lpips.append(load_lpips(self.config.loss.lpips_weights))
        return self._lpips[0].to(device)

    # What training calls before the first update, and before each later one

    def start_from(self, frames: Tensor) -> None:
        """Fit to frames (N, 3, 64, 64) in [0, 1] what should not start at random."""

    def maintain_codebook(self, updates: int, sample: Callable[[], Tensor]) -> None:
        """Repair the codebook after so many updates; sample() gives such frames."""
