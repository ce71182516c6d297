"""Frames with a high loss are drawn more often, and no frame is forgotten."""

import random
from collections import Counter

import numpy as np
import pytest
import torch

from iris_core.config import load_config
from iris_core.config.setting import ConfigError
from iris_core.data.batch import Batch
from iris_core.data.episode import Episode
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import SegmentSampler
from iris_core.variants.loss_priority import LossPriorities, PrioritySampler


def replay_of(*lengths: int) -> Replay:
    replay = Replay()
    for length in lengths:
        zeros = np.zeros(length)
        frames = np.zeros((length, 3, 1, 1), dtype=np.uint8)
        replay.add(Episode(frames, zeros.astype(int), zeros, zeros > 0, zeros > 0))
    return replay


def whole(replay: Replay, episode_id: int) -> Batch:
    return replay.batch([(episode_id, 0)], len(replay[episode_id]))


def draw(
    replay: Replay, priorities: LossPriorities, n: int, rng: random.Random
) -> list[tuple[int, int]]:
    sampler = PrioritySampler(SegmentSampler(replay), priorities, 1.0, range(1))
    return sampler.draw_by_loss(n, rng)


def test_a_step_is_drawn_in_proportion_to_its_loss() -> None:
    replay, priorities = replay_of(40, 40), LossPriorities()
    for episode_id, at in ((0, 30), (1, 10)):
        losses = torch.zeros(1, 40)
        losses[0, at] = 3.0 if episode_id == 0 else 1.0
        priorities.update(whole(replay, episode_id), losses)
    drawn = Counter(draw(replay, priorities, 4000, random.Random(0)))
    # A share of the draws goes to what is known well: 0.02 a step. The first two
    # steps of an episode have not been noted, and count as much as the mean
    total = 80 * 0.02 + 4.0 + 4 * (4.0 / 76)
    assert drawn[0, 30] / 4000 == pytest.approx(3.02 / total, abs=0.03)
    assert drawn[1, 10] / 4000 == pytest.approx(1.02 / total, abs=0.03)


def test_what_was_never_drawn_counts_as_much_as_the_mean() -> None:
    replay, priorities = replay_of(50, 50), LossPriorities()
    starts = Counter(i for i, _ in draw(replay, priorities, 2000, random.Random(0)))
    assert starts[0] == pytest.approx(1000, abs=100)  # nothing is known of either
    priorities.update(whole(replay, 0), torch.full((1, 50), 7.0))
    starts = Counter(i for i, _ in draw(replay, priorities, 2000, random.Random(0)))
    assert starts[0] == pytest.approx(1000, abs=100)


def test_an_episode_may_grow_and_padding_is_not_noted() -> None:
    replay, priorities = Replay(), LossPriorities()
    episode = replay_of(6)[0]
    replay.add(episode)
    batch = replay.batch([(0, 2)], 8)  # 4 real steps, then padding
    priorities.update(batch, torch.arange(8.0)[None])
    np.testing.assert_array_equal(priorities.of(0, 6), [np.nan] * 4 + [2, 3])
    replay.append(0, episode)
    np.testing.assert_array_equal(
        priorities.of(0, 12), [np.nan] * 4 + [2, 3] + [np.nan] * 6
    )
    restored = LossPriorities()
    restored.load_state_dict(priorities.state_dict())
    first, second = (
        draw(replay, p, 9, random.Random(1)) for p in (priorities, restored)
    )
    assert first == second


def test_segments_begin_before_the_high_loss() -> None:
    replay, priorities = replay_of(40, 40), LossPriorities()
    for episode_id in (0, 1):
        priorities.of(episode_id, 40)[:] = 0.0
    priorities.of(1, 40)[15] = 1e9
    sampler = PrioritySampler(SegmentSampler(replay), priorities, 1.0, range(1, 6))
    ids = sampler.sample(50, 6, "start", random.Random(0)).segment_ids
    assert {episode_id for episode_id, _ in ids} == {1}
    assert {start for _, start in ids} == set(range(10, 15))
    ids = sampler.sample(50, 6, "end", random.Random(0)).segment_ids
    assert {start + 5 for _, start in ids} == set(range(10, 15))


def test_a_share_of_the_segments_is_drawn_otherwise() -> None:
    replay, priorities = replay_of(9, 9), LossPriorities()
    plain = SegmentSampler(replay)
    sampler = PrioritySampler(plain, priorities, 0.5, range(3))
    mixed = sampler.draw_steps(8, random.Random(3))
    assert mixed[:4] == plain.draw_steps(4, random.Random(3)) and len(mixed) == 8
    none = PrioritySampler(plain, priorities, 0.0, range(3))
    assert none.draw_steps(8, random.Random(3)) == plain.draw_steps(8, random.Random(3))


def test_a_share_is_between_nothing_and_all() -> None:
    with pytest.raises(ConfigError, match="surprise_share"):
        load_config("smoke", ["world_model.surprise_share=1.5"])
