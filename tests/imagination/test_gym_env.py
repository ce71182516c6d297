"""The world model as gymnasium environments."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from playing import make_agent

import iris_core.envs  # noqa: F401, registers
from iris_core.config import ConfigError

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


@pytest.mark.parametrize("action", [-1, 3, 0.5, True, np.array([0]), "LEFT", None])
def test_refuses_what_is_no_action(action):
    env = gym.make("iris/Dream-v0", agent=make_agent("parallel")).unwrapped
    env.reset(seed=1)
    with pytest.raises(ConfigError, match="a whole number from 0 to 2"):
        env.step(action)
    env.step(np.int64(2))


@pytest.mark.parametrize("actions", [[0], [0, 1, 2], [0, 3], [0.0, 1.0], [[0, 1]]])
def test_refuses_what_are_no_actions(actions):
    envs = make_vec("parallel", 2)
    envs.reset(seed=1)
    with pytest.raises(ConfigError, match="an array of 2"):
        envs.step(np.array(actions))


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
def test_a_dream_that_ended_begins_anew_alone(mode):
    """The others go on as they do where none has ended."""
    envs, endless = (make_vec(mode, 2, steps, never_ends=True) for steps in (3, 99))
    for each in (envs, endless):
        head = each.unwrapped.dreams.agent.world_model.head_rewards[-1]
        head.bias.data += torch.tensor([0.0, 0.0, 1000.0])  # every step pays a point
        each.reset(seed=0)
    dreams = envs.unwrapped.dreams
    dreams.steps[:] = [2, 0]  # the first is cut at the next step
    _, _, ends, cut, _ = envs.step(np.array([0, 1]))
    assert cut.tolist() == [True, False] and not ends.any()
    endless.step(np.array([0, 1]))
    frames, rewards, ends, cut, _ = envs.step(np.array([1, 1]))
    others, paid, *_ = endless.step(np.array([1, 1]))
    assert rewards.tolist() == [0, 1] and paid.tolist() == [1, 1]
    assert not ends.any() and not cut.any()
    assert dreams.steps.tolist() == [0, 2]
    assert np.array_equal(frames[1], others[1])
    assert not np.array_equal(frames[0], others[0])
    assert np.array_equal(frames, envs.unwrapped.frames)
