"""A tokenizer for small networks, small objects and little time.

Its loss is Delta-IRIS's (Micheli et al., 2024), with extra weight on what moves; it
encodes what differs from the game's background; its codebook starts from the data, and
its dead codes are given another chance.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

from iris_core.config.departures import TokenizerConfig
from iris_core.models.tokenizer import Tokenizer
from iris_core.models.vqgan import FRAME_SIZE
from iris_core.variants.kmeans import kmeans

FOREGROUND_THRESHOLD = 0.05  # a pixel this far from the background moves, in [0, 1]
WELL_SERVED = 1e-3  # squared distance to a code below which a vector needs no other
REVIVE_EVERY = 50  # updates between two looks for dead codes


class SmallTokenizer(Tokenizer):
    """The paper's tokenizer with any of our departures.

    With `subtract_background`, frames are scaled inside to twice their difference from
    the background frame.
    """

    config: TokenizerConfig
    background: Tensor  # (3, 64, 64) in [0, 1]

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__(config)
        if config.subtract_background:
            shape = (3, FRAME_SIZE, FRAME_SIZE)
            self.register_buffer("background", torch.full(shape, 0.5))

    def scale(self, frames: Tensor) -> Tensor:
        if self.config.subtract_background:
            return 2 * (frames - self.background)
        return super().scale(frames)

    def unscale(self, x: Tensor) -> Tensor:
        if self.config.subtract_background:
            return x / 2 + self.background
        return super().unscale(x)

    # The loss

    def pixel_terms(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        weights, error, weight = self.config.loss, y - x, self.pixel_weights(x)
        terms = {"l1": weights.l1 * (weight * error.abs()).mean()}
        if weights.l2 > 0:
            terms["l2"] = weights.l2 * (weight * error.pow(2)).mean()
        if weights.worst_pixel > 0:
            worst = error.pow(2).sum(1).flatten(1).amax(1)  # (N,)
            terms["worst_pixel"] = weights.worst_pixel * worst.mean()
        return terms

    def pixel_weights(self, x: Tensor) -> Tensor:
        """(N, 1, 64, 64): 1, more where the frame differs from the background."""
        if self.config.loss.foreground == 0:
            return x.new_ones(1)
        if not self.config.subtract_background:
            x = x - x.median(dim=0).values
        moving = x.abs().amax(1, keepdim=True) > 2 * FOREGROUND_THRESHOLD
        return 1 + self.config.loss.foreground * moving

    # The codebook

    @torch.no_grad()
    def start_from(self, frames: Tensor) -> None:
        if self.config.subtract_background:
            self.background.copy_(frames.median(dim=0).values)
        if self.config.kmeans_start:
            self.start_codebook(frames)

    def start_codebook(self, frames: Tensor) -> None:
        codes = kmeans(self.vectors(frames), self.config.vocab_size)
        self.embedding.weight.copy_(codes)

    def maintain_codebook(self, updates: int, sample: Callable[[], Tensor]) -> None:
        if self.config.revive_dead_codes and updates % REVIVE_EVERY == 0:
            self.revive(sample())

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

    @torch.no_grad()
    def vectors(self, frames: Tensor) -> Tensor:
        """Encoder outputs of frames, one row a token: (N*K, d)."""
        return rearrange(self.latents(frames), "n d h w -> (n h w) d").float()
