"""Experience: episodes, the replay that keeps them, and the batches drawn from it.

Everything is kept as uint8 pixels and becomes a float only on the training device:
100k frames are 1.2 GB as bytes and 4.9 GB as floats.
"""

from __future__ import annotations

import json
import random
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iris_core.config.schema import ConfigError
from iris_core.runtime.files import write_whole

PIECES = 256  # of an episode, before they are joined

# What reading a truncated or foreign file as an episode can raise.
DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    AttributeError,
    AssertionError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Batch:
    """B segments of T steps, padded with zeros where `mask` is False.

    pixels:  uint8   (B, T, 3, H, W)
    actions: int64   (B, T), the action taken after seeing the frame
    rewards: float32 (B, T), unclipped
    ends:    bool    (B, T), terminated or truncated: the paper merges the two
    mask:    bool    (B, T), True where the step is real
    places: for each row the episode's id in the replay and the segment's first step,
        which may be negative; empty if the batch was not sampled from a replay
    episodes: each row's, likewise: they have the pixels of a batch sampled without
        them, whose `pixels` are (B, T, 0, 0, 0)
    `frames` are the pixels as float32 in [0, 1].
    """

    pixels: Tensor
    actions: Tensor
    rewards: Tensor
    ends: Tensor
    mask: Tensor
    places: tuple[tuple[int, int], ...] = ()
    episodes: tuple[Episode, ...] = ()

    def __post_init__(self) -> None:
        assert self.pixels.ndim == 5 and self.pixels.dtype == torch.uint8
        steps = self.pixels.shape[:2]  # (B, T)
        for other in (self.actions, self.rewards, self.ends, self.mask):
            assert other.shape == steps, f"{tuple(other.shape)} is not {tuple(steps)}"
        assert self.actions.dtype == torch.int64
        assert self.rewards.dtype == torch.float32
        assert self.ends.dtype == self.mask.dtype == torch.bool

    @cached_property
    def frames(self) -> Tensor:
        """The pixels as float32 in [0, 1], on whichever device the batch is."""
        return self.pixels.float() / 255  # (B, T, 3, H, W)

    def pixels_at(self, rows: NDArray[np.int64], steps: NDArray[np.int64]) -> Tensor:
        """Pixels of N real steps, uint8 (N, 3, H, W), on the CPU, from the replay."""
        found = [
            self.episodes[row].frames[self.places[row][1] + step]
            for row, step in zip(rows.tolist(), steps.tolist(), strict=True)
        ]
        return torch.from_numpy(np.stack(found))

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device; bytes travel, floats are made there."""
        return Batch(
            onto(self.pixels, device),
            onto(self.actions, device),
            onto(self.rewards, device),
            onto(self.ends, device),
            onto(self.mask, device),
            self.places,
            self.episodes,
        )

    def __len__(self) -> int:
        return len(self.pixels)


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
        assert self.frames.ndim == 4 and self.frames.dtype == np.uint8
        kinds = {
            "actions": np.int64,
            "rewards": np.float32,
            "terminated": np.bool_,
            "truncated": np.bool_,
        }
        for name, kind in kinds.items():
            values: NDArray[Any] = np.asarray(getattr(self, name), dtype=kind)
            assert values.shape == self.frames.shape[:1], f"{name}: {values.shape}"
            object.__setattr__(self, name, values)
        if self.ends.any():
            self._keep(int(self.ends.argmax()) + 1)

    def _keep(self, length: int) -> None:
        for name in ("frames", "actions", "rewards", "terminated", "truncated"):
            object.__setattr__(self, name, getattr(self, name)[:length])

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
        return Episode(
            self.frames[:length],
            self.actions[:length],
            self.rewards[:length],
            self.terminated[:length],
            self.truncated[:length],
        )

    def merge(self, *others: Episode) -> Episode:
        """This episode continued by `others`; ValueError if it is already over."""
        if self.finished:
            raise ValueError("an episode that has ended cannot be continued")
        parts = (self, *others)
        return Episode(
            np.concatenate([p.frames for p in parts]),
            np.concatenate([p.actions for p in parts]),
            np.concatenate([p.rewards for p in parts]),
            np.concatenate([p.terminated for p in parts]),
            np.concatenate([p.truncated for p in parts]),
        )

    def segment(self, start: int, stop: int) -> Batch:
        """Steps start..stop-1 as a batch of one row.

        `start` may be negative and `stop` beyond the end: those steps are zeros with
        mask False. ValueError if start >= stop.
        """
        return stack_segments([(self, start, stop)])

    def save(self, path: str | Path) -> None:
        """Write a compressed npz, whole or not at all."""

        def write(file: IO[bytes]) -> None:
            np.savez_compressed(
                file,
                frames=self.frames,
                actions=self.actions,
                rewards=self.rewards,
                terminated=self.terminated,
                truncated=self.truncated,
            )

        write_whole(Path(path), write)

    @staticmethod
    def load(path: str | Path) -> Episode:
        """Read what `save` wrote; ConfigError if the file is missing or damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return Episode(
                    file["frames"],
                    file["actions"],
                    file["rewards"],
                    file["terminated"],
                    file["truncated"],
                )
        except FileNotFoundError:
            raise ConfigError(f"no episode at {path}: check the path") from None
        except DAMAGE as error:
            raise ConfigError(
                f"{path} is not a whole episode ({type(error).__name__}: {error});"
                " was it cut short while being copied? Copy it again, or delete it"
            ) from error


def onto(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on a device; to a GPU from pinned memory, which nobody waits for."""
    to_gpu = torch.device(device).type == "cuda" and tensor.device.type == "cpu"
    if to_gpu and tensor.numel() > 0:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


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
    frame_shape = segments[0][0].frames.shape[1:]
    copied = np.zeros((*shape, *(frame_shape if pixels else (0, 0, 0))), dtype=np.uint8)
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
        torch.from_numpy(copied),  # (B, T, 3, H, W)
        torch.from_numpy(actions),
        torch.from_numpy(rewards),
        torch.from_numpy(ends),
        torch.from_numpy(mask),
    )


class Replay:
    """All episodes of a run, in the order they began.

    Samples are uniform over episodes, then over the steps of one, as in the paper:
    short episodes are seen more often than their share of steps.
    With `max_frames`, the oldest finished episodes are forgotten beyond it.
    """

    def __init__(self, max_frames: int | None = None) -> None:
        self.max_frames = max_frames
        self.num_steps = 0
        self._episodes: dict[int, Episode] = {}
        # Pieces of open episodes wait here and are joined when somebody looks, so
        # adding step after step does not copy the episode each time; or when they are
        # many, for small arrays scatter over the heap where tensors come and go.
        self._pieces: dict[int, list[Episode]] = {}
        # Steps with a reward or an end, per episode, and the length they were found in;
        # and all of them, as long as nothing was added.
        self._events: dict[int, tuple[int, list[int]]] = {}
        self._all_events: list[tuple[int, int]] | None = None
        self._next_id = 0
        # Finished episodes that are already in the folder of `save`.
        self._written: set[int] = set()

    @property
    def num_episodes(self) -> int:
        """Episodes held, the open ones included."""
        return len(self._episodes)

    @property
    def ids(self) -> list[int]:
        """Ids of the episodes held, oldest first."""
        return list(self._episodes)

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
        self._all_events = None
        self._forget_oldest()
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
        self._all_events = None
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        if self.max_frames is None:
            return
        for episode_id in self.ids:
            if self.num_steps <= self.max_frames or self.num_episodes == 1:
                return
            if self[episode_id].finished:
                self.num_steps -= len(self._episodes.pop(episode_id))
                self._events.pop(episode_id, None)

    def events(self) -> list[tuple[int, int]]:
        """Every step with a non-zero reward or an end, as (episode's id, step)."""
        if self._all_events is not None:
            return self._all_events
        found = []
        for episode_id, episode in zip(self.ids, self, strict=True):
            length, steps = self._events.get(episode_id, (0, []))
            if length < len(episode):
                new = (episode.rewards[length:] != 0) | episode.ends[length:]
                steps = steps + [length + int(step) for step in np.flatnonzero(new)]
                self._events[episode_id] = (len(episode), steps)
            found += [(episode_id, step) for step in steps]
        self._all_events = found
        return found

    def sample(
        self,
        batch_size: int,
        length: int,
        rng: random.Random,
        from_start: bool = True,
        event_share: float = 0.0,
        event_reach: int = 1,
        pixels: bool = True,
    ) -> Batch:
        """Segments of `length` steps, uniform over episodes, then over steps.

        from_start: the segment begins at a random step and is padded on the right
        where the episode ends (world model); otherwise it stops at a random step,
        that step included, and is padded on the left (burn-in of the actor-critic).
        event_share: the chance that the step is drawn from the last `event_reach`
        steps up to a reward or an end instead, all of these alike.
        pixels: False where they are not looked at, for most of the work is their copy.
        ValueError if the replay is empty.
        """
        places = self.places(
            batch_size, length, rng, from_start, event_share, event_reach
        )
        return self.batch(places, length, pixels)

    def places(
        self,
        n: int,
        length: int,
        rng: random.Random,
        from_start: bool = True,
        event_share: float = 0.0,
        event_reach: int = 1,
    ) -> list[tuple[int, int]]:
        """Where `sample`'s segments begin, as (episode's id, step)."""
        ids = self.ids
        if not ids:
            raise ValueError("the replay is empty: collect or load episodes first")
        events = self.events() if event_share > 0 else []
        places = []
        for index in rng.choices(range(len(ids)), k=n):
            episode_id = ids[index]
            if events and rng.random() < event_share:
                episode_id, event = rng.choice(events)
                step = max(event - rng.randrange(event_reach), 0)
            else:
                step = rng.randint(0, len(self[episode_id]) - 1)
            places.append((episode_id, step if from_start else step + 1 - length))
        return places

    def batch(
        self, places: Sequence[tuple[int, int]], length: int, pixels: bool = True
    ) -> Batch:
        """The segments of `length` steps that begin at places (episode's id, step)."""
        episodes = tuple(self[episode_id] for episode_id, _ in places)
        segments = [
            (episode, start, start + length)
            for episode, (_, start) in zip(episodes, places, strict=True)
        ]
        batch = stack_segments(segments, pixels)
        return replace(batch, places=tuple(places), episodes=episodes)

    def sample_frames(
        self, n: int, rng: random.Random, device: torch.device | str = "cpu"
    ) -> Tensor:
        """Single frames, float32 (n, 3, H, W) in [0, 1], drawn like `sample`."""
        return self.sample(n, 1, rng).to(device).frames[:, 0]

    def traverse(
        self, batch_size: int, chunk: int, pixels: bool = True
    ) -> Iterator[Batch]:
        """Every step once and in order, in chunks; a batch holds one episode only."""
        for episode_id in self.ids:
            episode = self[episode_id]
            starts = range(0, len(episode), chunk)
            for first in range(0, len(starts), batch_size):
                some = starts[first : first + batch_size]
                yield self.batch([(episode_id, start) for start in some], chunk, pixels)

    def save(self, folder: str | Path) -> list[tuple[int, int]]:
        """Write the episodes to a folder, finished ones once and never again.

        Returns the index, (id, length) of every episode: keep it in a checkpoint and
        `load` restores exactly this moment even if a later save has gone further.
        The folder belongs to one replay. Files of forgotten episodes go one save
        late, so that the checkpoint before this one can still be loaded.
        """
        folder = Path(folder)
        before = _read_index(folder) if (folder / INDEX).exists() else []
        index = []
        for episode_id, episode in zip(self.ids, self, strict=True):
            if episode_id not in self._written:
                episode.save(_episode_path(folder, episode_id))
            if episode.finished:
                self._written.add(episode_id)
            index.append((episode_id, len(episode)))
        text = json.dumps(index).encode()
        write_whole(folder / INDEX, lambda file: file.write(text))
        needed = {_episode_path(folder, i) for i, _ in (*before, *index)}
        for path in set(folder.glob("[0-9]*.npz")) - needed:
            path.unlink()
        return index

    @staticmethod
    def load(
        folder: str | Path,
        index: Sequence[tuple[int, int]] | None = None,
        max_frames: int | None = None,
    ) -> Replay:
        """Read what `save` wrote: the same episodes, order and ids, hence samples.

        `index` is what that save returned; without it, the last save is read.
        ConfigError if a file is missing or damaged.
        """
        folder = Path(folder)
        replay = Replay(max_frames)
        for episode_id, length in _read_index(folder) if index is None else index:
            # A save after this index may have written more of an open episode.
            episode = Episode.load(_episode_path(folder, episode_id)).head(length)
            if len(episode) < length:
                raise ConfigError(
                    f"{_episode_path(folder, episode_id)} has {len(episode)} steps, its"
                    f" index says {length}: the folder is mixed; use another copy"
                )
            replay._next_id = episode_id
            replay.add(episode)
            if episode.finished:
                replay._written.add(episode_id)
        return replay


INDEX = "index.json"


def _episode_path(folder: Path, episode_id: int) -> Path:
    return folder / f"{episode_id:06d}.npz"


def _read_index(folder: Path) -> list[tuple[int, int]]:
    try:
        index = json.loads((folder / INDEX).read_text())
        return [(int(episode_id), int(length)) for episode_id, length in index]
    except FileNotFoundError:
        raise ConfigError(f"no {INDEX} in {folder}: it holds no saved replay") from None
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{folder / INDEX} is damaged ({error})") from error
