"""The replay buffer: every episode of a run, on disk as well as in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from iris_core.config.setting import ConfigError
from iris_core.data.batch import Batch, SegmentId
from iris_core.data.episode import Episode, stack_segments
from iris_core.runtime.files import read_json, write_atomic

PIECES = 256  # of an open episode, before they are joined
INDEX = "index.json"


class Replay:
    """All episodes of a run, in the order they began."""

    def __init__(self) -> None:
        self.num_steps = 0
        self._episodes: dict[int, Episode] = {}
        # Pieces of open episodes wait here and are joined when somebody looks, so
        # adding step after step does not copy the episode each time; or when they are
        # many, for small arrays scatter over the heap where tensors come and go.
        self._pieces: dict[int, list[Episode]] = {}
        self._next_id = 0
        self._written: set[int] = set()  # finished episodes that `save` has written

    @property
    def num_episodes(self) -> int:
        """Episodes held, the open ones included."""
        return len(self._episodes)

    @property
    def ids(self) -> list[int]:
        """Ids of the episodes held, oldest first."""
        return list(self._episodes)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of every frame held, such as (3, 64, 64)."""
        return next(iter(self._episodes.values())).frames.shape[1:]

    def __getitem__(self, episode_id: int) -> Episode:
        """The episode with this id, with all pieces added so far."""
        self._join(episode_id)
        return self._episodes[episode_id]

    def _join(self, episode_id: int) -> None:
        pieces = self._pieces.pop(episode_id, None)
        if pieces:
            self._episodes[episode_id] = self._episodes[episode_id].merge(*pieces)

    def __iter__(self) -> Iterator[Episode]:
        """Every episode, oldest first."""
        return (self[episode_id] for episode_id in self.ids)

    def add(self, episode: Episode) -> int:
        """Keep a new episode, finished or just begun; its id is for `append`."""
        episode_id = self._next_id
        self._next_id += 1
        self._episodes[episode_id] = episode
        self.num_steps += len(episode)
        return episode_id

    def append(self, episode_id: int, piece: Episode) -> None:
        """Continue an open episode; ValueError if it is over or not held."""
        if episode_id not in self._episodes:
            raise ValueError(f"no episode {episode_id} in the replay")
        pieces = self._pieces.setdefault(episode_id, [])
        last = pieces[-1] if pieces else self._episodes[episode_id]
        if last.finished:
            raise ValueError(f"episode {episode_id} is over and cannot be continued")
        pieces.append(piece)
        if len(pieces) == PIECES:
            self._join(episode_id)
        self.num_steps += len(piece)

    def batch(
        self, segment_ids: Sequence[SegmentId], length: int, pixels: bool = True
    ) -> Batch:
        """The segments of `length` steps that begin at (episode's id, step)."""
        segments = [(self[id_], start, start + length) for id_, start in segment_ids]
        return replace(stack_segments(segments, pixels), segment_ids=tuple(segment_ids))

    def traverse(
        self, batch_size: int, chunk: int, pixels: bool = True
    ) -> Iterator[Batch]:
        """Every step once and in order, in chunks; a batch holds one episode only."""
        for episode_id in self.ids:
            starts = range(0, len(self[episode_id]), chunk)
            for first in range(0, len(starts), batch_size):
                some = starts[first : first + batch_size]
                yield self.batch([(episode_id, start) for start in some], chunk, pixels)

    def save(self, folder: str | Path) -> list[tuple[int, int]]:
        """Write the episodes to a folder, finished ones once and never again.

        Returns the index, (id, length) of every episode: keep it in a checkpoint and
        `load` restores exactly this moment even if a later save has gone further.
        The folder belongs to one replay buffer.
        """
        folder = Path(folder)
        index = []
        for episode_id, episode in zip(self.ids, self, strict=True):
            if episode_id not in self._written:
                episode.save(_episode_path(folder, episode_id))
            if episode.finished:
                self._written.add(episode_id)
            index.append((episode_id, len(episode)))
        write_atomic(folder / INDEX, json.dumps(index))
        return index

    @classmethod
    def load(
        cls, folder: str | Path, index: Sequence[tuple[int, int]] | None = None
    ) -> Replay:
        """Read what `save` wrote: the same episodes, order and ids, hence samples.

        `index` is what that save returned; without it, the last save is read.
        ConfigError if a file is missing or damaged.
        """
        folder, replay = Path(folder), cls()
        known = index is not None  # by a checkpoint, which has its own checksum
        index = _checked(folder, _read_index(folder) if index is None else index)
        for episode_id, length in index:
            path = _episode_path(folder, episode_id)
            # A save after this index may have written more of an open episode.
            episode = Episode.load(path, length if known else None).head(length)
            if len(episode) < length:
                raise ConfigError(
                    f"{path} has {len(episode)} steps, its index says {length}:"
                    " the folder is mixed; use another copy"
                )
            if replay.ids and episode.frames.shape[1:] != replay.frame_shape:
                raise ConfigError(
                    f"{path} has frames of {episode.frames.shape[1:]}, those before it"
                    f" of {replay.frame_shape}: the folder is mixed; use another copy"
                )
            replay._next_id = episode_id
            replay.add(episode)
            if episode.finished:
                replay._written.add(episode_id)
        return replay


def _episode_path(folder: Path, episode_id: int) -> Path:
    return folder / f"{episode_id:06d}.npz"


def _read_index(folder: Path) -> Any:
    if not (folder / INDEX).exists():
        raise ConfigError(f"no {INDEX} in {folder}: it holds no saved replay")
    return read_json(folder / INDEX)


def _checked(folder: Path, index: Any) -> list[tuple[int, int]]:
    """Pairs of ids, rising, and lengths of at least a step; ConfigError if it isn't."""
    last = -1
    pairs: list[Any] = index if isinstance(index, list) else [None]
    for pair in pairs:
        whole = isinstance(pair, list | tuple) and [type(n) for n in pair] == [int, int]
        if not whole or not last < pair[0] < 10**6 or pair[1] < 1:
            raise ConfigError(
                f"{folder / INDEX} is damaged ({pair!r:.80} where an episode's number"
                " and length should be); use another copy"
            )
        last = pair[0]
    return [(number, length) for number, length in pairs]
