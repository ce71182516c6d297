"""Every frame of the replay buffer is encoded once while the tokenizer is the same.

A frame is drawn many times, and encoding it again is most of what a small world model's
update costs (at the paper's sizes, encoding and decoding frames again and again is 40%
of the whole run). Frames are encoded, and decoded for the policy's burn-in, when they
are first drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iris_core.data.batch import Batch, SegmentId, to_device
from iris_core.data.replay_buffer import Replay
from iris_core.models.tokenizer import Tokenizer

PADDING = 0  # the slot of what is no frame


class TokenCache:
    """Tokens of a replay buffer's frames, and as many reconstructions as fit.

    Frames have slots, numbered as they are met; slot 0 is the padding. What is kept of
    them lies in tables by slot, on the tokenizer's device, so a batch is one look-up.
    limit: bytes that reconstructions may take; frames beyond are decoded each time. On
    a CPU the memory is taken as it fills.
    """

    def __init__(self, tokenizer: Tokenizer, replay: Replay, limit: int = 0) -> None:
        self.tokenizer = tokenizer
        self.replay = replay
        self.limit = limit
        self.forget()

    def forget(self) -> None:
        """Start anew: the tokenizer has changed."""
        self.slots: dict[int, NDArray[np.int64]] = {}  # of an episode's steps
        self.encoded = np.ones(1, dtype=np.bool_)  # by slot; the padding always is
        self.decoded = np.ones(1, dtype=np.bool_)
        self.table = torch.zeros(1, self.tokenizer.tokens_per_frame, dtype=torch.int16)
        self.table = self.table.to(self.tokenizer.embedding.weight.device)
        self.frames = torch.empty(0)  # (slots that fit, 3, 64, 64)

    def slots_of(self, batch: Batch) -> NDArray[np.int64]:
        """The slot of every step of a batch, (B, T)."""
        slots = np.full(batch.mask.shape, PADDING)
        for row, (episode_id, start) in enumerate(batch.segment_ids):
            known = self.slots.get(episode_id, np.empty(0, dtype=np.int64))
            new = len(self.replay[episode_id]) - len(known)
            if new > 0:  # an open episode grows
                first = len(self.encoded)
                known = np.concatenate([known, np.arange(first, first + new)])
                self.encoded = np.pad(self.encoded, (0, new))
                self.slots[episode_id] = known
            part = known[max(start, 0) : start + slots.shape[1]]
            before = max(-start, 0)
            slots[row, before : before + len(part)] = part
        return slots

    @torch.no_grad()
    def tokens(self, batch: Batch) -> Tensor:
        """`tokenizer.tokenize(batch.frames)`, (B, T, K) int64; 0 in the padding.

        batch: on the CPU, sampled from the replay buffer, with its pixels or without.
        """
        slots = self.slots_of(batch)
        self.encode(batch, slots)
        return self.table[self.on_device(slots)].long()

    def encode(self, batch: Batch, slots: NDArray[np.int64]) -> None:
        """Fill in the tokens of a batch's frames that were not met before."""
        if len(self.encoded) > len(self.table):
            # Room for as much again: the replay grows with every epoch
            room = self.table.new_zeros(len(self.encoded), self.table.shape[1])
            self.table = torch.cat([self.table, room])
        missing = ~self.encoded[slots]
        if missing.any():
            new, at = np.unique(slots[missing], return_index=True)
            rows, steps = (axis[at] for axis in missing.nonzero())
            found = [
                self.pixels(batch.segment_ids[row], step)
                for row, step in zip(rows.tolist(), steps.tolist(), strict=True)
            ]
            pixels = to_device(torch.from_numpy(np.stack(found)), self.table.device)
            tokens = self.tokenizer.tokenize(pixels.float() / 255)
            self.table[self.on_device(new)] = tokens.to(torch.int16)
            self.encoded[new] = True

    def pixels(self, segment: SegmentId, step: int) -> NDArray[np.uint8]:
        """Of a step of a segment, (3, 64, 64)."""
        episode_id, start = segment
        return self.replay[episode_id].frames[start + step]

    @torch.no_grad()
    def reconstructions(self, batch: Batch, tokens: Tensor) -> Tensor:
        """`tokenizer.decode(tokens)`, (B, T, 3, 64, 64), of `tokens(batch)`."""
        if self.limit == 0:
            return self.tokenizer.decode(tokens)
        slots = self.slots_of(batch)
        if len(self.frames) == 0:
            one = self.tokenizer.decode(tokens[0, :1])  # as the decoder makes them
            self.frames = one.new_empty(self.limit // one.nbytes, *one.shape[1:])
            self.frames[PADDING] = one[0]
        fits = slots < len(self.frames)
        self.decoded = np.pad(self.decoded, (0, len(self.encoded) - len(self.decoded)))
        new = np.unique(slots[fits & ~self.decoded[slots]])
        if len(new) > 0:
            at = self.on_device(new)
            self.frames[at] = self.tokenizer.decode(self.table[at].long())
            self.decoded[new] = True
        frames = self.frames[self.on_device(np.where(fits, slots, PADDING))]
        if not fits.all():
            rest = self.on_device(np.flatnonzero(~fits))
            frames.flatten(0, 1)[rest] = self.tokenizer.decode(
                tokens.flatten(0, 1)[rest]
            )
        return frames

    def on_device(self, slots: NDArray[np.int64]) -> Tensor:
        return to_device(torch.from_numpy(slots), self.table.device)

    # A checkpoint holds it: tokens encoded in another company may differ in rounding

    def state_dict(self) -> dict[str, Any]:
        """Plain values; reconstructions are made again."""
        return {
            "slots": {k: torch.from_numpy(v) for k, v in self.slots.items()},
            "encoded": torch.from_numpy(self.encoded),
            "table": self.table,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; ValueError if it is another tokenizer's."""
        self.forget()
        vocab_size, table = len(self.tokenizer.embedding.weight), state["table"]
        fits = table.dtype == torch.int16 and table.shape[1:] == self.table.shape[1:]
        if not fits or table.min() < 0 or table.max() >= vocab_size:
            raise ValueError(f"tokens {tuple(table.shape)} are not of this tokenizer")
        self.slots = {k: v.cpu().numpy() for k, v in state["slots"].items()}
        self.encoded = state["encoded"].cpu().numpy()
        self.table = state["table"].to(self.table.device)
