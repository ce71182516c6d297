"""Play that does not look at the screen."""

import numpy as np
import pytest

from iris_core.config.paper import EnvConfig
from iris_core.config.setting import ConfigError
from iris_core.envs import make_env
from iris_core.envs.catch import CatchEnv
from iris_core.evaluation.baselines import (
    best_constant_action,
    blind_returns,
    constant_returns,
    open_loop_returns,
    random_returns,
)


def test_random_play_catches_about_one_in_five() -> None:
    returns = random_returns(EnvConfig(game="Catch"), episodes=400, seed=0)
    assert returns.shape == (400,) and 0.17 < returns.mean() < 0.31
    again = random_returns(EnvConfig(game="Catch"), episodes=10, seed=5)
    np.testing.assert_array_equal(again, returns[5:15])  # episode i: seed + i


@pytest.mark.parametrize("paid", [float("nan"), float("-inf"), 1e39])
def test_rewards_that_are_no_numbers(paid, monkeypatch) -> None:
    monkeypatch.setattr(CatchEnv, "step", lambda *_: (None, paid, True, False, {}))
    for play in (random_returns, best_constant_action):
        with pytest.raises(ConfigError, match="rewards must be finite"):
            play(EnvConfig(game="Catch"), episodes=1, seed=0)


def test_always_up_crosses_freeways_road() -> None:
    config = EnvConfig(game="Freeway", test_max_raw_frames=1_500)
    best = best_constant_action(config, episodes=3, seed=0, scan_episodes=1)
    assert best.meaning == "UP" and best.returns.shape == (3,)
    assert best.returns.min() > 0
    assert random_returns(config, episodes=1, seed=0).sum() == 0


def test_equal_starts_are_played_once_and_right() -> None:
    """Different no-ops are different starts: compare with playing every episode."""
    config = EnvConfig(game="Breakout", test_noop_max=4, test_max_raw_frames=400)
    env = make_env(config, "test")
    env.render_frames = False
    expected = []
    for i in range(5):
        env.reset(seed=i)
        total, done = 0.0, False
        while not done:
            _, reward, terminated, truncated, _ = env.step(1)
            total, done = total + reward, terminated or truncated
        expected.append(total)
    assert constant_returns(config, 1, episodes=5, seed=0).tolist() == expected


def test_blind_play_takes_the_given_shares() -> None:
    """One action alone is that action held; in Catch all of them are about chance."""
    config = EnvConfig(game="Catch")
    held = constant_returns(config, 2, 20, seed=3)
    assert np.array_equal(blind_returns(config, np.array([0.0, 0, 1]), 20, 3), held)
    mixed = blind_returns(config, np.array([0.2, 0.4, 0.4]), 200, 3)
    assert 0.1 < mixed.mean() < 0.35


def test_another_episodes_actions() -> None:
    """RIGHT in every recorded episode is RIGHT held; short records begin again."""
    config = EnvConfig(game="Catch")
    held = constant_returns(config, 2, 5, seed=3)
    right = [np.full(length, 2) for length in (28, 28, 28, 3, 28)]
    assert np.array_equal(open_loop_returns(config, right, seed=3), held)


def test_episodes_take_the_next_ones_actions() -> None:
    """Two actions that end differently: each episode gets the other's."""
    config = EnvConfig(game="Catch")
    left, right = (constant_returns(config, action, 40, seed=3) for action in (1, 2))
    assert not np.array_equal(left, right)
    recorded = [np.full(28, 1 + i % 2) for i in range(40)]  # LEFT, RIGHT, LEFT ...
    expected = np.where(np.arange(40) % 2 == 0, right, left)
    assert np.array_equal(open_loop_returns(config, recorded, seed=3), expected)


class Stop(Exception):
    """Somebody does not want to wait."""


def test_each_step_may_stop_it() -> None:
    config, shares = EnvConfig(game="Catch"), np.full(3, 1 / 3)

    def stop() -> None:
        raise Stop

    for play in (
        lambda: random_returns(config, 1, 0, stop),
        lambda: blind_returns(config, shares, 1, 0, stop),
        lambda: best_constant_action(config, 1, 0, each_step=stop),
    ):
        with pytest.raises(Stop):
            play()


def test_a_game_that_does_not_end_is_cut_short() -> None:
    """Catch pays at its 28th step, which 40 raw frames do not reach."""
    config = EnvConfig(game="Catch", test_max_raw_frames=40)
    assert (random_returns(config, 50, 0) == 0).all()
