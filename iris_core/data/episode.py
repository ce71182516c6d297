"""One play of the game, kept as uint8 pixels: 100k frames are 1.2 GB, not 4.9."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iris_core.data.batch import Batch
from iris_core.data.episode_file import DTYPES, FIELDS, read_arrays, write_arrays


@dataclass(frozen=True)
class EpisodeStats:
    """How long an episode was and what it scored (the sum of unclipped rewards)."""

    length: int
    episode_return: float


@dataclass(frozen=True, eq=False)
class Episode:
    """One play of the game, or the part of it played so far.

    frames:     uint8   (T, 3, H, W), seen before each action
    actions:    int64   (T,)
    rewards:    float32 (T,), unclipped
    terminated: bool    (T,), the game (in training: the life) was over
    truncated:  bool    (T,), the time limit was reached
    Steps after the first end are dropped. Arrays are kept, not copied.
    """

    frames: NDArray[np.uint8]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.dtype != np.uint8:
            raise ValueError(f"frames: {self.frames.dtype} {self.frames.shape}")
        for name, dtype in zip(FIELDS, DTYPES, strict=True):
            values: NDArray[Any] = np.asarray(getattr(self, name), dtype=dtype)
            if name != "frames" and values.shape != self.frames.shape[:1]:
                raise ValueError(f"{name}: {values.shape}, frames: {self.frames.shape}")
            object.__setattr__(self, name, values)
        if self.ends.any():
            stop = int(self.ends.argmax()) + 1
            for name in FIELDS:
                object.__setattr__(self, name, getattr(self, name)[:stop])

    @property
    def ends(self) -> NDArray[np.bool_]:
        """bool (T,): what learning sees; truncation counts as an end (appendix A)."""
        return self.terminated | self.truncated

    @property
    def finished(self) -> bool:
        """Whether the last step ended the episode."""
        return len(self) > 0 and bool(self.terminated[-1] | self.truncated[-1])

    def __len__(self) -> int:
        return len(self.frames)

    def stats(self) -> EpisodeStats:
        """Length and return."""
        return EpisodeStats(len(self), float(self.rewards.sum(dtype=np.float64)))

    def head(self, length: int) -> Episode:
        """The first `length` steps, without a copy."""
        return Episode(*(getattr(self, name)[:length] for name in FIELDS))

    def merge(self, *others: Episode) -> Episode:
        """This episode continued by `others`; ValueError if it is already over."""
        if self.finished:
            raise ValueError("an episode that has ended cannot be continued")
        parts = (self, *others)
        return Episode(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in FIELDS)
        )

    def segment(self, start: int, stop: int) -> Batch:
        """Steps start..stop-1 as a batch of one row.

        `start` may be negative and `stop` beyond the end: those steps are zeros with
        mask False. ValueError if start >= stop.
        """
        return stack_segments([(self, start, stop)])

    def save(self, path: str | Path) -> None:
        """Write a compressed npz, whole or not at all."""
        arrays = {n: np.ascontiguousarray(getattr(self, n)) for n in FIELDS}
        write_arrays(path, arrays)

    @staticmethod
    def load(path: str | Path, steps: int | None = None) -> Episode:
        """Read what `save` wrote, or its first steps; ConfigError if the file is
        missing or damaged, or too large where `steps` does not bound it."""
        return Episode(**read_arrays(path, steps))


def one_step(
    pixels: NDArray[np.uint8],
    action: int,
    reward: float,
    terminated: bool,
    truncated: bool,
) -> Episode:
    """A single step as an episode; pixels uint8 (64, 64, 3)."""
    return Episode(
        np.ascontiguousarray(pixels.transpose(2, 0, 1))[None],
        np.array([action]),
        np.array([reward], dtype=np.float32),
        np.array([terminated]),
        np.array([truncated]),
    )


def stack_segments(
    segments: Sequence[tuple[Episode, int, int]], pixels: bool = True
) -> Batch:
    """Segments (episode, start, stop) of one length as a batch, padded with zeros.

    Without `pixels` none are copied, and the batch's are empty.
    """
    length = segments[0][2] - segments[0][1]
    if length < 1 or any(stop - start != length for _, start, stop in segments):
        raise ValueError("segments need one length, of at least a step")
    shape = (len(segments), length)
    frame_shape = segments[0][0].frames.shape[1:] if pixels else (0, 0, 0)
    copied = np.zeros((*shape, *frame_shape), dtype=np.uint8)  # (B, T, 3, H, W)
    actions = np.zeros(shape, dtype=np.int64)  # (B, T)
    rewards = np.zeros(shape, dtype=np.float32)
    ends = np.zeros(shape, dtype=np.bool_)
    mask = np.zeros(shape, dtype=np.bool_)
    for row, (episode, start, stop) in enumerate(segments):
        real = slice(max(start, 0), min(stop, len(episode)))
        if real.start >= real.stop:
            continue
        there = slice(real.start - start, real.stop - start)
        if pixels:
            copied[row, there] = episode.frames[real]
        actions[row, there] = episode.actions[real]
        rewards[row, there] = episode.rewards[real]
        ends[row, there] = episode.terminated[real] | episode.truncated[real]
        mask[row, there] = True
    return Batch(
        torch.from_numpy(copied),
        torch.from_numpy(actions),
        torch.from_numpy(rewards),
        torch.from_numpy(ends),
        torch.from_numpy(mask),
    )
