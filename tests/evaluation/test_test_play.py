"""Test episodes: whose they are, and that they disturb nothing."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from running import ACTIONS, load, make_agent, same
from torch import Tensor

from iris_core.agent import Agent
from iris_core.config import ConfigError
from iris_core.data import replay_buffer
from iris_core.envs import make_vector
from iris_core.evaluation.baselines import constant_returns
from iris_core.evaluation.test_play import evaluate, own_randomness, standard_error


class Stopped(Exception):
    """Raised by these tests alone."""


def favour(agent: Agent, action: int) -> None:
    """Make the policy take one action whatever it sees."""
    with torch.no_grad():
        agent.actor_critic.actor_linear.weight.zero_()
        agent.actor_critic.actor_linear.bias.copy_(1e3 * torch.eye(3)[action])


@pytest.mark.parametrize("num_envs", [1, 2, 4, 9])
def test_episodes_belong_to_their_seeds(num_envs):
    """Whichever environment plays one; so a baseline meets the same starts."""
    agent = make_agent()
    for action in (1, 2):
        favour(agent, action)
        played = evaluate(agent, episodes=7, num_envs=num_envs, seed=30)
        assert played.shares.shape == (3,) and np.isclose(played.shares.sum(), 1)
        expected = constant_returns(agent.config.env, action, 7, 30)
        assert played.returns.tolist() == expected.tolist()
        assert played.lengths.tolist() == [28] * 7 and not played.kept


def test_the_same_seed_gives_the_same_play():
    agent = make_agent()
    options = {"episodes": 5, "num_envs": 2, "temperature": 1.0, "keep": 5}
    ours, same_seed, other = (evaluate(agent, seed=s, **options) for s in (1, 1, 2))
    assert ours.stats == same_seed.stats
    for a, b in zip(ours.kept, same_seed.kept, strict=True):
        assert same(vars(a), vars(b))
    assert not same(vars(ours.kept[0]), vars(other.kept[0]))


def test_one_or_four_environments_play_alike():
    """A greedy agent that looks at the screen."""
    agent = make_agent()
    options = {"episodes": 6, "temperature": 1e-6, "keep": 6, "seed": 3}
    alone = evaluate(agent, num_envs=1, **options)
    four = evaluate(agent, num_envs=4, **options)
    assert alone.stats == four.stats
    for a, b in zip(alone.kept, four.kept, strict=True):
        assert same(vars(a), vars(b))


class NotesEmptyStates(Agent):
    """Notes, at each step, which tensors of the LSTM state are all zeros."""

    def act(self, frames: Tensor, lstm_state: tuple[Tensor, Tensor], *args, **options):
        self.empty.append([(part == 0).all().item() for part in lstm_state])
        return super().act(frames, lstm_state, *args, **options)


def test_a_test_episode_begins_with_an_empty_lstm_state():
    agent = NotesEmptyStates(deepcopy(load()), ACTIONS).eval()
    agent.empty = []
    evaluate(agent, episodes=4, num_envs=2)
    assert [i for i, both in enumerate(agent.empty) if all(both)] == [0, 28]
    assert len(agent.empty) == 56 and sum(map(any, agent.empty)) == 2


@pytest.mark.parametrize("pieces", [7, 256])
def test_kept_episodes_are_what_was_played(monkeypatch, pieces):
    monkeypatch.setattr(replay_buffer, "PIECES", pieces)  # an episode has 28 steps
    agent = make_agent()
    played = evaluate(agent, episodes=3, num_envs=2, keep=2, temperature=1.0)
    assert len(played.stats) == 3 and len(played.kept) == 2
    for stats, episode in zip(played.stats, played.kept, strict=False):
        assert episode.stats() == stats and episode.finished
    envs = make_vector(agent.config.env, "test", 1)
    for i, episode in enumerate(played.kept):
        pixels, _ = envs.reset(seed=i)
        for frame, action, reward in zip(
            episode.frames, episode.actions, episode.rewards, strict=True
        ):
            assert np.array_equal(frame, pixels[0].transpose(2, 0, 1))
            pixels, rewards, *_ = envs.step(np.array([action]))
            assert rewards[0] == reward


def test_tests_leave_random_numbers_alone():
    agent = make_agent()
    before = torch.get_rng_state()
    evaluate(agent, episodes=1, num_envs=1, temperature=1.0)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(Stopped), own_randomness(torch.device("cpu"), 1):
        torch.rand(3)
        raise Stopped
    assert torch.equal(torch.get_rng_state(), before)


def test_a_test_can_be_stopped():
    steps = iter(range(3))

    def each_step() -> None:
        if next(steps) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        evaluate(make_agent(), episodes=1, num_envs=1, each_step=each_step)


def test_an_agent_meets_another_game():
    env = replace(load().env, game="Breakout")
    with pytest.raises(ConfigError, match="learned Catch; it can't play Breakout"):
        evaluate(make_agent(), env, episodes=1)


def test_standard_error():
    assert standard_error(np.array([1.0, 3.0])) == 1.0
    assert standard_error(np.array([1.0])) == 0.0


def test_a_game_that_does_not_end_is_cut_short():
    """An episode of Catch has 28 steps, 40 raw frames have 10."""
    agent = make_agent()
    short = replace(agent.config.env, test_max_raw_frames=40)
    played = evaluate(agent, short, episodes=3, num_envs=2, keep=1)
    assert played.lengths.tolist() == [10] * 3
    assert played.kept[0].truncated[-1] and len(played.kept[0]) == 10


@pytest.mark.parametrize("asked", [{"episodes": 0}, {"num_envs": 0}, {"episodes": -3}])
def test_nothing_to_play_is_refused(asked: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="each must be 1 or more"):
        evaluate("catch", **{"episodes": 2, **asked})
