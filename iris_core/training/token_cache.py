"""Every frame of the replay is encoded once, as long as the tokenizer stays the same.

A frame is drawn many times, and encoding is most of what a small world model's update
costs (in the paper's sizes 40% of the whole run: section 2.1 is paid for again and
again). Frames are encoded when they are first drawn.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from iris_core.models.tokenizer import Tokenizer
from iris_core.replay import Batch

UNKNOWN = -1  # in the first token of a frame that was not encoded yet


class TokenCache:
    """Tokens of a replay's frames, as int16 (T, K) an episode."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.version = -1  # of the tokenizer that wrote the tokens
        self.episodes: dict[int, Tensor] = {}

    @torch.no_grad()
    def tokens(self, batch: Batch, version: int) -> Tensor:
        """`tokenizer.tokenize(batch.frames)`, (B, T, K) int64; 0 in the padding.

        batch: sampled from one and the same replay. version: anything that changes
        whenever the tokenizer does.
        """
        if version != self.version:
            self.version, self.episodes = version, {}
        tokens = torch.stack([self.known(batch, row) for row in range(len(batch))])
        tokens = tokens.to(batch.pixels.device, torch.int64)  # (B, T, K)
        missing = batch.mask & (tokens[..., 0] == UNKNOWN)
        if missing.any():
            frames = batch.pixels[missing].float() / 255  # (N, 3, 64, 64)
            tokens[missing] = self.tokenizer.tokenize(frames)
            for row in missing.any(dim=1).nonzero().flatten().tolist():
                self.keep(batch, row, tokens[row])
        return tokens.masked_fill(~batch.mask[..., None], 0)

    def known(self, batch: Batch, row: int) -> Tensor:
        """What is there of a segment, int16 (T, K); UNKNOWN elsewhere."""
        (episode_id, start), length = batch.places[row], batch.mask.shape[1]
        found = self.blank(length)
        episode = self.episodes.get(episode_id, found[:0])
        first, last = max(start, 0), min(start + length, len(episode))
        if first < last:
            found[first - start : last - start] = episode[first:last]
        return found

    def keep(self, batch: Batch, row: int, tokens: Tensor) -> None:
        """Store a segment's tokens (T, K) where its steps are real."""
        (episode_id, start), mask = batch.places[row], batch.mask[row].cpu()
        at = start + mask.nonzero().flatten()  # steps of the episode
        episode = self.episodes.get(episode_id, self.blank(0))
        if (short := int(at[-1]) + 1 - len(episode)) > 0:
            # Room for as much again: an open episode grows with every epoch
            room = self.blank(max(short, len(episode)))
            episode = torch.cat([episode, room])
        episode[at] = tokens.cpu()[mask].to(torch.int16)
        self.episodes[episode_id] = episode

    def blank(self, length: int) -> Tensor:
        shape = (length, self.tokenizer.tokens_per_frame)
        return torch.full(shape, UNKNOWN, dtype=torch.int16)

    # A checkpoint holds it: tokens encoded in another company may differ in rounding

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"version": self.version, "episodes": self.episodes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.version = state["version"]
        self.episodes = {k: v.cpu() for k, v in state["episodes"].items()}
