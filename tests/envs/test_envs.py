"""The games: gymnasium's rules, exact resume, limits, errors."""

from __future__ import annotations

import io
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from iris_core.config.paper import EnvConfig
from iris_core.config.setting import ConfigError
from iris_core.envs import (
    ATARI_100K,
    TOY_GAMES,
    CatchEnv,
    CoarseCatchEnv,
    Game,
    action_meanings,
    list_games,
    make_atari,
    make_env,
    make_vector,
    vector_get_state,
    vector_set_state,
)
from iris_core.envs.catch import BALL_COLOUR, NOOP, PADDLE_COLOUR


def play(env: Game, steps: int, seed: int) -> list[tuple[Any, ...]]:
    """What random actions show, with a reset after every end."""
    rng = np.random.default_rng(seed)
    seen: list[tuple[Any, ...]] = []
    for _ in range(steps):
        obs, *rest = env.step(rng.integers(env.action_space.n))
        seen.append((obs.tobytes(), *rest))
        if rest[1] or rest[2]:
            obs, info = env.reset()
            seen.append((obs.tobytes(), info))
    return seen


def through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.fixture(scope="module")
def pong() -> Game:
    return make_atari("Pong", "test")


# --- gymnasium's rules ---


def test_catch_is_registered_and_follows_gymnasiums_rules() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make("iris/Catch-v0").unwrapped)
        check_env(gym.make("iris/CoarseCatch-v0").unwrapped)


def test_atari_follows_gymnasiums_rules(pong: Game) -> None:
    check_env(pong, skip_render_check=True)
    assert pong.render().shape == (210, 160, 3)


def test_action_meanings(pong: Game) -> None:
    assert action_meanings(gym.make("iris/Catch-v0")) == ["NOOP", "LEFT", "RIGHT"]
    assert action_meanings(pong)[:2] == ["NOOP", "FIRE"]


@pytest.mark.parametrize("action", [-1, 6])
def test_an_action_that_does_not_exist(pong: Game, action: int) -> None:
    pong.reset()
    with pytest.raises(ValueError, match="there are 6: NOOP, FIRE"):
        pong.step(action)


@pytest.mark.parametrize("make", [CatchEnv, CoarseCatchEnv, lambda: make_atari("Pong")])
def test_a_step_before_a_reset(make: Any) -> None:
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        make().step(0)


def test_the_emulator_prints_nothing() -> None:
    code = "from iris_core.envs import make_atari; make_atari('Pong').reset()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"" and done.stderr == b""


# --- names ---


def test_the_benchmarks_games_exist() -> None:
    assert len(ATARI_100K) == 26
    assert set(ATARI_100K) < set(list_games())


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="'train' or 'test'"):
        make_atari("Pong", "eval")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="noop_max is 0"):
        make_atari("Pong", noop_max=0)


# --- ends ---


@settings(max_examples=8, deadline=None)
@given(limit=st.integers(8, 40), noops=st.integers(0, 7), skip=st.integers(1, 5))
def test_the_limit_counts_raw_frames_and_truncates(
    limit: int, noops: int, skip: int
) -> None:
    env = make_atari("Breakout", frame_skip=skip, max_raw_frames=limit)
    _, info = env.reset(options={"noops": noops})
    assert info["raw_frames"] == noops
    steps, terminated, truncated = 0, False, False
    while not truncated:
        _, _, terminated, truncated, info = env.step(NOOP)
        steps += 1
        assert not terminated
        assert truncated == (info["raw_frames"] == limit)
    assert steps == -(-(limit - noops) // skip)
    _, info = env.reset(options={"noops": 3})
    assert info["raw_frames"] == 3  # the game starts anew after the limit


def test_a_lost_life_ends_a_training_episode_but_not_the_game() -> None:
    env = make_atari("Breakout", "train")
    env.reset(seed=0)
    lives, raw_frames = [], []
    for _ in range(5):
        done = False
        while not done:
            _, _, done, truncated, info = env.step(1)  # FIRE serves the ball
            assert not truncated
        lives.append(info["lives"])
        assert info["life_lost"] == (info["lives"] > 0)
        raw_frames.append(info["raw_frames"])
        _, info = env.reset()
        assert not info["life_lost"]
    assert lives == [4, 3, 2, 1, 0]
    assert raw_frames == sorted(raw_frames)
    assert info["raw_frames"] <= 30 and info["lives"] == 5  # a new game


def test_a_seed_starts_the_game_anew_after_a_lost_life() -> None:
    env = make_atari("Breakout", "train")
    first, _ = env.reset(seed=3)
    while not env.step(1)[2]:
        pass
    again, info = env.reset(seed=3)
    np.testing.assert_array_equal(first, again)
    assert info["lives"] == 5


def test_no_ops_are_drawn_from_the_seed() -> None:
    env = make_atari("Pong", "train")
    env.reset(seed=0)
    drawn = [env.reset()[1]["raw_frames"] for _ in range(100)]
    assert set(drawn) <= set(range(1, 31)) and {1, 30} <= set(drawn)
    assert make_atari("Pong", "test").reset()[1]["raw_frames"] == 1


@pytest.mark.parametrize("game", ["Assault", "KungFuMaster"])
def test_a_seeded_reset_forgets_earlier_games(game: str) -> None:
    """In these two games an emulator that is merely reset keeps some memory."""
    used, new = make_atari(game), make_atari(game)
    used.reset(seed=8)
    play(used, 60, seed=1)
    used.reset(seed=0)
    new.reset(seed=0)
    assert used.fingerprint() == new.fingerprint()
    assert play(used, 60, seed=2) == play(new, 60, seed=2)


# --- exact resume ---


@pytest.mark.parametrize("game", ["Breakout", "Qbert"])
def test_atari_goes_on_exactly_from_a_saved_state(game: str) -> None:
    env = make_atari(game, "train")
    env.reset(seed=5)
    play(env, 60, seed=1)
    state = through_a_file(env.get_state())
    expected = play(env, 200, seed=2)

    env.set_state(state)  # in an environment with another history
    assert play(env, 200, seed=2) == expected
    new = make_atari(game, "train")
    new.set_state(state)
    assert play(new, 200, seed=2) == expected


def test_a_state_saved_at_a_lost_life_goes_on_in_the_same_game() -> None:
    env = make_atari("Breakout", "train")
    env.reset(seed=0)
    while not env.step(1)[2]:
        pass
    state = env.get_state()
    new = make_atari("Breakout", "train")
    new.set_state(state)
    for one, other in zip(env.reset(), new.reset(), strict=True):
        assert (
            np.array_equal(one, other)
            if isinstance(one, np.ndarray)
            else (one == other)
        )


def test_set_state_returns_the_observation_and_checks_the_state(pong: Game) -> None:
    pong.reset(seed=0)
    obs = pong.step(2)[0]
    state = pong.get_state()
    np.testing.assert_array_equal(pong.set_state(state), obs)
    with pytest.raises(ValueError, match="of Pong, not of Breakout"):
        make_atari("Breakout").set_state(state)
    with pytest.raises(ValueError, match="led elsewhere"):
        pong.set_state(state | {"ram": bytes(128)})
    with pytest.raises(gym.error.ResetNeeded):
        make_atari("Pong").get_state()


@pytest.mark.parametrize("game", ["Catch", "CoarseCatch", "Breakout"])
def test_a_vector_of_games_goes_on_exactly(game: str) -> None:
    def roll(steps: int, seed: int) -> list[Any]:
        rng = np.random.default_rng(seed)
        seen = []
        for _ in range(steps):
            actions = rng.integers(3, size=2)
            obs, rewards, terminated, truncated, _ = envs.step(actions)
            seen.append([x.tobytes() for x in (obs, rewards, terminated, truncated)])
        return seen

    envs = make_vector(EnvConfig(game=game), "train", num_envs=2)
    envs.reset(seed=0)
    roll(50, seed=1)
    last = roll(1, seed=3)
    state = through_a_file(vector_get_state(envs))
    expected = roll(200, seed=2)
    envs = make_vector(EnvConfig(game=game), "train", num_envs=2)
    assert vector_set_state(envs, state).tobytes() == last[-1][0]
    assert roll(200, seed=2) == expected
    with pytest.raises(ValueError, match="1 states for 2"):
        vector_set_state(envs, state[:1])


def test_a_vector_keeps_the_last_frame_of_an_episode() -> None:
    envs = make_vector(EnvConfig(game="Catch"), "test", num_envs=2)
    envs.reset(seed=0)
    for _ in range(28):
        obs, _, terminated, _, infos = envs.step(np.array([0, 1]))
    assert terminated.all()
    ball = np.all(infos["final_obs"][1] == BALL_COLOUR, axis=-1)
    assert ball[56:60].sum() == 16  # it has arrived, and above falls the next one
    assert np.all(obs[1] == BALL_COLOUR, axis=-1)[:4].sum() == 16


# --- settings ---


def test_the_configurations_defaults_are_the_papers() -> None:
    train = make_env(EnvConfig(game="Pong"), "train")
    test = make_env(EnvConfig(game="Pong"), "test")
    for env, mode in ((train, "train"), (test, "test")):
        paper = make_atari("Pong", mode)  # type: ignore[arg-type]
        for name in ("frame_skip", "noop_max", "end_on_life_loss", "max_raw_frames"):
            assert getattr(env, name) == getattr(paper, name)


# --- Catch ---


def middle(frame: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float(np.flatnonzero(np.all(frame == colour, axis=-1).any(axis=0)).mean())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_player_who_follows_the_ball_catches_every_one(seed: int) -> None:
    env = CatchEnv()
    frame, _ = env.reset(seed=seed)
    for step in range(1, 29):
        assert np.all(frame == BALL_COLOUR, axis=-1).sum() == 16
        assert np.all(frame == PADDLE_COLOUR, axis=-1).sum() == 4 * 12
        gap = middle(frame, BALL_COLOUR) - middle(frame, PADDLE_COLOUR)
        action = 0 if abs(gap) <= 2 else (1 if gap < 0 else 2)
        frame, reward, terminated, truncated, _ = env.step(action)
        assert terminated == (step == 28) and not truncated
        assert reward == float(step == 28)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_two_frames_tell_where_a_coarse_ball_is_caught(seed: int) -> None:
    """Whole steps of 4 pixels, off the walls too; who reckons so catches every ball."""
    env = CoarseCatchEnv()
    frame, _ = env.reset(seed=seed)
    x, speed = middle(frame, BALL_COLOUR), 0.0
    for step in range(1, 16):
        gap = x - middle(frame, PADDLE_COLOUR)
        action = NOOP if abs(gap) <= 2 else (1 if gap < 0 else 2)
        lies = frame
        frame, reward, terminated, _, _ = env.step(action)
        ball = np.all(frame == BALL_COLOUR, axis=-1)
        assert ball[:60].any() and not np.flatnonzero(ball.any(axis=1))[0] % 4
        now = middle(frame, BALL_COLOUR) if step < 14 else x
        if 1 < step < 14:
            bounced = not 3.5 <= x + speed <= 59.5
            assert now - x == (-speed if bounced else speed)
        x, speed = now, now - x
        assert terminated == (step == 15)
    assert reward == 1.0
    assert np.array_equal(frame, lies)  # in the last step nothing moved


@pytest.mark.parametrize("make", TOY_GAMES.values())
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(0, 100))
def test_catch_goes_on_exactly_from_any_moment(
    make: type[CatchEnv], seed: int, steps: int
) -> None:
    env, other = make(), make()
    env.reset(seed=seed)
    play(env, steps, seed=1)
    other.set_state(through_a_file(env.get_state()))
    assert play(env, 60, seed=2) == play(other, 60, seed=2)


def test_undrawn_frames_change_nothing_else(pong: Game) -> None:
    blind = make_atari("Pong", "test")
    blind.render_frames = False
    pong.reset(seed=1)
    blind.reset(seed=1)
    for seen, unseen in zip(
        play(pong, 100, seed=0), play(blind, 100, seed=0), strict=True
    ):
        assert seen[1:] == unseen[1:] and not any(unseen[0])


def test_no_older_emulator_is_allowed() -> None:
    """Before 0.12 a saved state was no bytes, and every reset failed."""
    file = Path(__file__).parents[2] / "pyproject.toml"
    needed = tomllib.loads(file.read_text())["project"]["dependencies"]
    (ours,) = (r for r in map(Requirement, needed) if r.name == "ale-py")
    assert "0.11.2" not in ours.specifier and "0.12.0" in ours.specifier
