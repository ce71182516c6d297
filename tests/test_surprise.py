"""What the world model foresaw badly is drawn more often, and nothing is forgotten."""

import random
from collections import Counter

import numpy as np
import pytest
import torch

from iris_core.config import load_config
from iris_core.config.schema import ConfigError
from iris_core.replay import Batch, Episode, Replay
from iris_core.training.runs import Run
from iris_core.training.surprise import Surprise
from iris_core.training.trainer import Trainer


def replay_of(*lengths: int) -> Replay:
    replay = Replay()
    for length in lengths:
        zeros = np.zeros(length)
        frames = np.zeros((length, 3, 1, 1), dtype=np.uint8)
        replay.add(Episode(frames, zeros.astype(int), zeros, zeros > 0, zeros > 0))
    return replay


def whole(replay: Replay, episode_id: int) -> Batch:
    return replay.batch([(episode_id, 0)], len(replay[episode_id]))


def test_a_step_is_drawn_in_proportion_to_its_surprise() -> None:
    replay, surprise = replay_of(40, 40), Surprise()
    for episode_id, at in ((0, 30), (1, 10)):
        nats = torch.zeros(1, 40)
        nats[0, at] = 3.0 if episode_id == 0 else 1.0
        surprise.note(whole(replay, episode_id), nats)
    drawn = Counter(surprise.steps(replay, 4000, random.Random(0)))
    # A share of the draws goes to what is known by heart: 0.02 a step. The first two
    # steps of an episode have not been noted, and count as much as the mean
    total = 80 * 0.02 + 4.0 + 4 * (4.0 / 76)
    assert drawn[0, 30] / 4000 == pytest.approx(3.02 / total, abs=0.03)
    assert drawn[1, 10] / 4000 == pytest.approx(1.02 / total, abs=0.03)


def test_what_no_one_has_looked_at_counts_as_much_as_the_mean() -> None:
    replay, surprise = replay_of(50, 50), Surprise()
    starts = Counter(i for i, _ in surprise.steps(replay, 2000, random.Random(0)))
    assert starts[0] == pytest.approx(1000, abs=100)  # nothing is known of either
    surprise.note(whole(replay, 0), torch.full((1, 50), 7.0))
    starts = Counter(i for i, _ in surprise.steps(replay, 2000, random.Random(0)))
    assert starts[0] == pytest.approx(1000, abs=100)


def test_an_episode_may_grow_and_padding_is_not_noted() -> None:
    replay, surprise = Replay(), Surprise()
    episode = replay_of(6)[0]
    replay.add(episode)
    batch = replay.batch([(0, 2)], 8)  # 4 real steps, then padding
    surprise.note(batch, torch.arange(8.0)[None])
    np.testing.assert_array_equal(surprise.of(0, 6), [np.nan] * 4 + [2, 3])
    replay.append(0, episode)
    np.testing.assert_array_equal(
        surprise.of(0, 12), [np.nan] * 4 + [2, 3] + [np.nan] * 6
    )
    restored = Surprise()
    restored.load_state_dict(surprise.state_dict())
    draw = [s.steps(replay, 9, random.Random(1)) for s in (surprise, restored)]
    assert draw[0] == draw[1]


def test_segments_and_dreams_begin_before_what_surprised(tmp_path) -> None:
    config = load_config("smoke", [f"outputs={tmp_path}"])
    trainer = Trainer(config, Run.create(config))
    while not any(len(episode) > 20 for episode in trainer.replay):
        trainer.warm_step()
    episode_id = next(i for i in trainer.replay.ids if len(trainer.replay[i]) > 20)
    for i in trainer.replay.ids:
        trainer.surprise.of(i, len(trainer.replay[i]))[:] = 0
    trainer.surprise.nats[episode_id][15] = 1e9
    config.world_model.surprise_share = config.actor_critic.surprise_share = 1.0
    for _ in range(20):
        length, batch = config.world_model.max_blocks, trainer.world_model_batch()
        assert len(batch) == config.world_model.updates.batch_size
        for i, start in batch.places:  # its first frame is not foreseen
            assert i == episode_id and start < 15 < start + length
        horizon, batch = config.actor_critic.horizon, trainer.dream_starts()
        for i, start in batch.places:
            begins = start + config.actor_critic.burn_in  # the dream's first frame
            assert i == episode_id and begins <= 15 < begins + horizon


def test_training_notes_what_the_world_model_lost(tmp_path) -> None:
    config = load_config("smoke", [f"outputs={tmp_path}", "training.epochs=1"])
    config.world_model.surprise_share = 0.5
    trainer = Trainer(config, Run.create(config))
    trainer.run()
    seen = np.concatenate(list(trainer.surprise.nats.values()))
    assert (~np.isnan(seen)).sum() > 20
    assert np.nanmin(seen) > 0
    resumed = Trainer.resume(Run.open(trainer.run_folder.path))
    assert resumed.surprise.nats.keys() == trainer.surprise.nats.keys()
    for episode_id, nats in trainer.surprise.nats.items():
        np.testing.assert_array_equal(resumed.surprise.nats[episode_id], nats)


def test_a_share_is_between_nothing_and_all() -> None:
    with pytest.raises(ConfigError, match="surprise_share"):
        load_config("smoke", ["world_model.surprise_share=1.5"])
