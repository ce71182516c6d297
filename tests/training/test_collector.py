"""What is played is kept, and the policy remembers what it should."""

import numpy as np
import pytest
import torch
from running import make_agent

from iris_core.agent import Agent, greedy
from iris_core.data.frames import to_frames
from iris_core.data.replay_buffer import Replay
from iris_core.envs import make_vector
from iris_core.training.collector import Collector
from iris_core.variants.exploration import StickyRandomPolicy


def make_collector(agent: Agent, num_envs: int = 2) -> Collector:
    envs = make_vector(agent.config.env, "train", num_envs)
    return Collector(envs, Replay(), seed=4)


def test_collected_episodes_are_what_was_played():
    agent = make_agent()
    collector, config = make_collector(agent), agent.config.collection
    over = []
    policy = StickyRandomPolicy(2, 3, 0.95, seed=4)
    for _ in range(30):
        over += collector.warm_step(policy)
    collector.begin(agent)
    for _ in range(30):
        over += collector.policy_step(agent, config)
    replay = collector.replay
    assert replay.num_steps == 120 and replay.num_episodes == 6
    assert [stats.length for stats in over] == [28] * 4
    assert [len(episode) for episode in replay] == [28] * 4 + [4] * 2
    envs = make_vector(agent.config.env, "train", 2)
    pixels, _ = envs.reset(seed=4)
    for first in (0, 2, 4):
        pair = [replay[first], replay[first + 1]]
        for t in range(len(pair[0])):
            for episode, seen in zip(pair, pixels, strict=True):
                assert np.array_equal(episode.frames[t], seen.transpose(2, 0, 1))
            actions = np.array([episode.actions[t] for episode in pair])
            pixels, rewards, *_ = envs.step(actions)
            assert [episode.rewards[t] for episode in pair] == rewards.tolist()


@pytest.mark.parametrize("steps", [0, 1, 5, 28])
def test_the_policys_lstm_state_is_made_anew(steps):
    """From the last frames of the open episode, as the new policy would see them."""
    agent = make_agent("actor_critic.burn_in=3")
    collector = make_collector(agent)
    policy = StickyRandomPolicy(2, 3, 0.95, seed=4)
    for _ in range(steps):
        collector.warm_step(policy)
    collector.begin(agent)
    expected = agent.new_state(2)
    since = steps % 28
    if since:
        past = [collector.replay[i] for i in collector.open]
        for t in range(max(0, since - 3), since):
            pixels = np.stack([e.frames[t].transpose(1, 2, 0) for e in past])
            _, expected = agent.act(to_frames(pixels, "cpu"), expected, sample=greedy)
    for ours, theirs in zip(collector.lstm_state, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_lstm_state_ends_with_the_episode():
    agent = make_agent()
    collector, config = make_collector(agent), agent.config.collection
    collector.begin(agent)
    for step in range(1, 30):
        collector.policy_step(agent, config)
        empty = [m.abs().max() == 0 for m in collector.lstm_state]
        assert empty == [step == 28] * 2
