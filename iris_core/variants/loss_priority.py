"""Segments drawn by the loss that the world model had on them (settings
`surprise_share`).

What decides a game is rare: a chicken meets a car in one step of fifty. A share of the
segments is drawn in proportion to the loss on each frame when it was last trained on:
prioritised replay (Schaul et al., 2016), for frames instead of values.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iris_core.data.batch import Batch, SegmentId
from iris_core.data.sampler import SegmentSampler

FLOOR = 0.02  # nats a step, so that what is known well is still drawn now and then


class LossPriorities:
    """The last loss on every frame of a replay buffer; NaN if it was never drawn."""

    def __init__(self) -> None:
        self.losses: dict[int, NDArray[np.float32]] = {}  # (T,), by episode

    def of(self, episode_id: int, length: int) -> NDArray[np.float32]:
        """An episode's losses in nats, float32 (length,); it may have grown."""
        losses = self.losses.get(episode_id, np.empty(0, dtype=np.float32))
        if len(losses) < length:
            padding = (0, length - len(losses))
            losses = np.pad(losses, padding, constant_values=np.nan)
            self.losses[episode_id] = losses
        return losses

    def update(self, batch: Batch, loss_per_frame: Tensor) -> None:
        """Remember the losses (B, T), in nats, of a batch's frames.

        Not of a segment's first two: one frame alone does not show how things move.
        """
        losses = loss_per_frame.float().cpu().numpy()
        lengths = batch.mask.sum(dim=1).tolist()
        rows = zip(batch.segment_ids, lengths, losses, strict=True)
        for (episode_id, start), length, row in rows:
            if length > 2:
                own = self.of(episode_id, start + length)
                own[start + 2 : start + length] = row[2:length]

    def state_dict(self) -> dict[int, Tensor]:
        """What a checkpoint holds."""
        return {i: torch.from_numpy(losses) for i, losses in self.losses.items()}

    def load_state_dict(self, state: dict[int, Any]) -> None:
        """Go on from `state_dict`."""
        self.losses = {i: losses.cpu().numpy() for i, losses in state.items()}


class PrioritySampler(SegmentSampler):
    """Draws a share of the steps by priority, the others with another sampler.

    reach: how many steps before the one with a high loss may be drawn, e.g.
    range(1, 6): that step is then among the segment's later frames.
    """

    def __init__(
        self,
        others: SegmentSampler,
        priorities: LossPriorities,
        share: float,
        reach: range,
    ) -> None:
        super().__init__(others.replay)
        self.others = others
        self.priorities = priorities
        self.share = share
        self.reach = reach

    def draw_steps(self, n: int, rng: random.Random) -> list[SegmentId]:
        prioritised = round(self.share * n)
        steps = self.others.draw_steps(n - prioritised, rng)
        if prioritised == 0:
            return steps
        drawn = self.draw_by_loss(prioritised, rng)
        return steps + [(i, max(step - rng.choice(self.reach), 0)) for i, step in drawn]

    def draw_by_loss(self, n: int, rng: random.Random) -> list[SegmentId]:
        """n steps in proportion to their loss; a step that was never drawn counts as
        much as the mean."""
        replay = self.replay
        ids = replay.ids
        lengths = [len(replay[i]) for i in ids]
        of = self.priorities.of
        losses = [of(i, length) for i, length in zip(ids, lengths, strict=True)]
        weights = np.concatenate(losses)
        known = ~np.isnan(weights)
        weights[~known] = weights[known].mean() if known.any() else 1.0
        cumulative = np.cumsum(weights + FLOOR, dtype=np.float64)
        ends = np.cumsum(lengths)
        drawn = []
        for _ in range(n):
            u = rng.random() * cumulative[-1]
            at = int(np.searchsorted(cumulative, u, side="right"))
            row = int(np.searchsorted(ends, at, side="right"))
            drawn.append((ids[row], at - int(ends[row]) + lengths[row]))
        return drawn
