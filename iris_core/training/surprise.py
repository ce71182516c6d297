"""The world model looks again where it was surprised.

What decides a game is rare: a chicken meets a car in one step of fifty. Steps are drawn
by how many nats the world model lost on them when it last looked (prioritised replay,
Schaul et al., 2016, for frames instead of values).
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iris_core.replay import Batch, Replay

FLOOR = 0.02  # nats a step: what is known by heart is still looked at now and then


class Surprise:
    """Nats lost on every step of a replay; NaN where no one has looked yet."""

    def __init__(self) -> None:
        self.nats: dict[int, NDArray[np.float32]] = {}  # float32 (T,) of each episode

    def steps(
        self, replay: Replay, n: int, rng: random.Random
    ) -> list[tuple[int, int]]:
        """n steps, each as (episode's id, step), drawn in proportion to their surprise;
        those that no one has looked at count as much as the mean."""
        ids = replay.ids
        ends = np.cumsum([len(replay[i]) for i in ids])
        weights = np.concatenate([self.of(i, len(replay[i])) for i in ids])
        known = ~np.isnan(weights)
        weights[~known] = weights[known].mean() if known.any() else 1.0
        rising = np.cumsum(weights + FLOOR, dtype=np.float64)
        found = []
        for _ in range(n):
            at = int(np.searchsorted(rising, rng.random() * rising[-1], side="right"))
            row = int(np.searchsorted(ends, at, side="right"))
            step = at - int(ends[row]) + len(replay[ids[row]])
            found.append((ids[row], step))
        return found

    def of(self, episode_id: int, length: int) -> NDArray[np.float32]:
        """An episode's nats, (length,); it may have grown."""
        nats = self.nats.get(episode_id, np.empty(0, dtype=np.float32))
        if len(nats) < length:
            nats = np.pad(nats, (0, length - len(nats)), constant_values=np.nan)
            self.nats[episode_id] = nats
        return nats

    def note(self, batch: Batch, nats: Tensor) -> None:
        """Remember what was lost: nats (B, T), on each frame of the segments.

        Not on the first two: one frame before does not say how things move.
        """
        lost = nats.float().cpu().numpy()
        lengths = batch.mask.sum(dim=1).tolist()
        rows = zip(batch.places, batch.episodes, lengths, lost, strict=True)
        for (episode_id, start), episode, length, of_row in rows:
            if length > 2:
                own = self.of(episode_id, len(episode))
                own[start + 2 : start + length] = of_row[2:length]

    def state_dict(self) -> dict[int, Tensor]:
        return {i: torch.from_numpy(nats) for i, nats in self.nats.items()}

    def load_state_dict(self, state: dict[int, Any]) -> None:
        """Go on from `state_dict`."""
        self.nats = {i: nats.cpu().numpy() for i, nats in state.items()}
