"""Segments that hold a reward or an end, as often as asked for."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iris_core.data.episode import Episode
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import SegmentSampler
from iris_core.variants.event_sampler import EventSampler


def random_episode(length: int, end: str = "", seed: int = 0) -> Episode:
    rng = np.random.default_rng(seed)
    ends = np.zeros((2, length), dtype=bool)
    if end:
        ends[("terminated", "truncated").index(end), -1] = True
    return Episode(
        rng.integers(1, 256, (length, 3, 4, 4), dtype=np.uint8),
        rng.integers(1, 5, length),
        rng.uniform(1, 2, length).astype(np.float32),
        *ends,
    )


def test_events_are_rewards_and_ends() -> None:
    replay, rewards = Replay(), np.array([0, -1, 0, 2], dtype=np.float32)
    nothing = np.zeros(4, dtype=bool)
    frames = np.zeros((4, 3, 4, 4), dtype=np.uint8)
    actions = np.zeros(4, dtype=np.int64)
    open_id = replay.add(Episode(frames, actions, rewards, nothing, nothing))
    replay.add(random_episode(3, "truncated"))
    rewarded = random_episode(3, "truncated").rewards.nonzero()[0]
    second = [(1, step) for step in sorted({*map(int, rewarded), 2})]
    sampler = EventSampler(replay, share=0.5, reach=1)
    assert sampler.events() == [(0, 1), (0, 3), *second]
    replay.append(open_id, Episode(frames, actions, rewards, nothing, nothing))
    assert sampler.events() == [(0, 1), (0, 3), (0, 5), (0, 7), *second]


@given(share=st.sampled_from([0.25, 1.0]), seed=st.integers(0, 99))
def test_event_share(share: float, seed: int) -> None:
    """Segments hold an event as often as asked for, and as often as chance adds."""
    replay = Replay()
    for number in range(4):
        quiet = random_episode(100, seed=number)
        rewards = np.zeros(100, dtype=np.float32)
        rewards[40] = number == 0
        replay.add(Episode(quiet.frames, quiet.actions, rewards, *[rewards > 9] * 2))
    sampler = EventSampler(replay, share, reach=5)
    batch = sampler.sample(400, 5, "start", random.Random(seed))
    found = (batch.rewards != 0).any(dim=1).float().mean().item()
    by_chance = 0.25 * 5 / 100  # the right episode, and a start at 36 to 40
    assert found == pytest.approx(share + (1 - share) * by_chance, abs=0.09)
    assert (found == 1) == (share == 1)


def test_segments_may_stop_before_an_event() -> None:
    replay, rewards = Replay(), np.zeros(50, dtype=np.float32)
    rewards[30] = 1
    quiet = random_episode(50)
    replay.add(Episode(quiet.frames, quiet.actions, rewards, *[rewards > 9] * 2))
    sampler = EventSampler(replay, share=1.0, reach=12)
    batch = sampler.sample(200, 3, "end", random.Random(0))
    last = {start + 2 for _, start in batch.segment_ids}
    assert last == set(range(19, 31))


def test_without_events_every_step_is_alike() -> None:
    replay = Replay()
    quiet = random_episode(9)
    replay.add(Episode(quiet.frames, quiet.actions, *[np.zeros(9)] * 3))
    plain, eventful = (
        sampler.sample(8, 4, "start", random.Random(0))
        for sampler in (SegmentSampler(replay), EventSampler(replay, 0.5, reach=1))
    )
    assert torch.equal(plain.pixels, eventful.pixels)
