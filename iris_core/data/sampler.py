"""Which segments of the replay buffer an update learns from (appendix A)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from iris_core.data.batch import Batch, SegmentId
from iris_core.data.replay_buffer import Replay

Align = Literal["start", "end"]


class SegmentSampler:
    """Uniform over episodes, then over the steps of one, as in the paper: short
    episodes are seen more often than their share of steps."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay

    def sample(
        self,
        n: int,
        length: int,
        align: Align,
        rng: random.Random,
        pixels: bool = True,
    ) -> Batch:
        """n segments of `length` steps, each placed by one step drawn at random.

        align: "start", the segment begins at that step and is padded on the right
        where the episode ends (world model); "end", it ends with that step and is
        padded on the left (burn-in of the actor-critic).
        pixels: False where they are not looked at, for most of the work is their copy.
        ValueError if the replay buffer is empty.
        """
        ids = align_segments(self.draw_steps(n, rng), length, align)
        return self.replay.batch(ids, length, pixels)

    def draw_steps(self, n: int, rng: random.Random) -> list[SegmentId]:
        """n steps, each as (episode's id, step)."""
        ids = self.replay.ids
        if not ids:
            raise ValueError("the replay is empty: collect or load episodes first")
        return [self.draw_step(ids[i], rng) for i in rng.choices(range(len(ids)), k=n)]

    def draw_step(self, episode_id: int, rng: random.Random) -> SegmentId:
        """A step of an episode that has been drawn."""
        return episode_id, rng.randint(0, len(self.replay[episode_id]) - 1)


def align_segments(
    steps: Sequence[SegmentId], length: int, align: Align
) -> list[SegmentId]:
    """Where segments begin that start, or end, with the steps given."""
    back = 0 if align == "start" else length - 1
    return [(episode_id, step - back) for episode_id, step in steps]


def sample_frames(
    replay: Replay, n: int, rng: random.Random, device: torch.device | str = "cpu"
) -> Tensor:
    """Single frames, float32 (n, 3, H, W) in [0, 1], drawn like segments."""
    batch = SegmentSampler(replay).sample(n, 1, "start", rng)
    return batch.to(device).frames[:, 0]
