"""The world model as gymnasium environments."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from playing import make_agent

import iris_core.envs  # noqa: F401, registers
from iris_core.config import ConfigError
from iris_core.imagination.gym_env import Dreams

MODES = ["parallel", "autoregressive"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.filterwarnings("error")
def test_passes_gymnasiums_checker(mode):
    env = gym.make("iris/Dream-v0", agent=make_agent(mode), disable_env_checker=True)
    check_env(env.unwrapped, skip_render_check=True)
    assert env.get_wrapper_attr("get_action_meanings")() == ["NOOP", "LEFT", "RIGHT"]


def test_renders_what_it_shows():
    env = gym.make("iris/Dream-v0", agent=make_agent("parallel"))
    frame, _ = env.reset(seed=1)
    assert np.array_equal(env.render(), frame)


def test_opens_a_file(tmp_path):
    make_agent("parallel").save(tmp_path / "agent.safetensors")
    env = gym.make("iris/Dream-v0", agent=tmp_path / "agent.safetensors", max_steps=2)
    first, _ = env.reset(seed=3)
    assert np.array_equal(env.reset(seed=3)[0], first)
    cut = [env.step(0)[3] or env.unwrapped.dreams.steps[0] == 1 for _ in range(2)]
    assert any(cut)


def test_refuses_no_steps():
    with pytest.raises(ConfigError, match="max_steps is 0; it must be at least 1"):
        gym.make("iris/Dream-v0", agent=make_agent("parallel"), max_steps=0)


def make_vec(
    mode: str, rows: int, max_steps: int = 1000, never_ends: bool = False
) -> gym.vector.VectorEnv:
    return gym.make_vec(
        "iris/Dream-v0",
        num_envs=rows,
        vectorization_mode="vector_entry_point",
        agent=make_agent(mode, never_ends),
        max_steps=max_steps,
    )


@pytest.mark.parametrize("mode", MODES)
def test_many_side_by_side(mode):
    envs = make_vec(mode, 3)
    frames, _ = envs.reset(seed=0)
    assert frames in envs.observation_space
    again, _ = envs.reset(seed=[0, 1, 2])
    assert np.array_equal(frames, again)
    for _ in range(8):
        frames, rewards, ends, cut, _ = envs.step(envs.action_space.sample())
        assert frames in envs.observation_space
        assert rewards.shape == ends.shape == cut.shape == (3,)
        assert set(rewards) <= {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("mode", MODES)
def test_a_dream_that_ended_begins_anew_alone(mode, monkeypatch):
    """The others go on as if nothing had happened."""
    envs = make_vec(mode, 2, max_steps=3, never_ends=True)
    envs.reset(seed=0)
    dreams = envs.unwrapped.dreams
    dreams.steps[:] = [2, 0]  # the first is cut at the next step
    _, _, ends, cut, _ = envs.step(np.array([0, 1]))
    assert (ends | cut)[0]
    before = dreams.dream.tokens.clone()
    monkeypatch.setattr(Dreams, "step", lambda self, actions: nothing_happens())
    frames, rewards, ends, cut, _ = envs.step(np.array([1, 1]))
    assert rewards[0] == 0 and not ends[0] and not cut[0]
    assert dreams.steps[0] == 0
    assert (dreams.dream.tokens[1] == before[1]).all()
    assert (dreams.dream.tokens[0] != before[0]).any()
    assert np.array_equal(frames, envs.unwrapped.frames)


def nothing_happens() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    return frames, np.array([1.0, 1.0]), np.zeros(2, dtype=bool)
