"""A share of the segments is placed to hold a reward or an end: both are rare, and a
world model that never meets them predicts none (settings `event_share`)."""

from __future__ import annotations

import random

import numpy as np

from iris_core.data.batch import SegmentId
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import SegmentSampler


class EventSampler(SegmentSampler):
    """With chance `share` a step is drawn from the last `reach` steps up to an event,
    a non-zero reward or an end, all of these alike; otherwise as in the paper."""

    def __init__(self, replay: Replay, share: float, reach: int) -> None:
        super().__init__(replay)
        self.share = share
        self.reach = reach
        # Of each episode, the length that was searched and the steps found in it; and
        # all of them, for as many steps as the replay buffer then had.
        self._found: dict[int, tuple[int, list[int]]] = {}
        self._all: tuple[int, list[SegmentId]] = (0, [])

    def draw_step(self, episode_id: int, rng: random.Random) -> SegmentId:
        events = self.events()
        if not events or rng.random() >= self.share:
            return super().draw_step(episode_id, rng)
        episode_id, event = rng.choice(events)
        return episode_id, max(event - rng.randrange(self.reach), 0)

    def events(self) -> list[SegmentId]:
        """Every step with a non-zero reward or an end, as (episode's id, step)."""
        if self._all[0] != self.replay.num_steps:
            found = [(i, step) for i in self.replay.ids for step in self.events_of(i)]
            self._all = self.replay.num_steps, found
        return self._all[1]

    def events_of(self, episode_id: int) -> list[int]:
        """The steps of one episode, which may have grown since it was searched."""
        episode = self.replay[episode_id]
        length, steps = self._found.get(episode_id, (0, []))
        if length < len(episode):
            new = (episode.rewards[length:] != 0) | episode.ends[length:]
            steps = steps + [length + int(step) for step in np.flatnonzero(new)]
            self._found[episode_id] = len(episode), steps
        return steps
