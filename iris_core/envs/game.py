"""What a game of this library offers beyond gymnasium's `Env`.

An exact resume needs the whole state of an environment as plain values, and
baselines that ignore the screen need a way to leave it undrawn.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np

from iris_core.config.setting import ConfigError

FRAME_SHAPE = (64, 64, 3)
METADATA = {"render_modes": ["rgb_array"], "render_fps": 15}

State = dict[str, Any]


class Game(gym.Env[np.ndarray, np.int64]):
    """A gymnasium environment with uint8 (64, 64, 3) frames that can be saved."""

    metadata = METADATA
    action_space: gym.spaces.Discrete
    render_mode: str | None = "rgb_array"

    render_frames: bool = True
    """False: observations stay black, which is many times cheaper to step."""

    def __init__(self, actions: int) -> None:
        self.action_space = gym.spaces.Discrete(actions)
        self.observation_space = gym.spaces.Box(0, 255, FRAME_SHAPE, np.uint8)

    @abstractmethod
    def step(
        self, action: int | np.integer
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One agent step: (observation, reward, terminated, truncated, info).

        Raises:
            gymnasium.error.ResetNeeded: no episode is running.
            ValueError: there is no such action.
        """

    @abstractmethod
    def get_action_meanings(self) -> list[str]:
        """The name of each action, e.g. ["NOOP", "LEFT", "RIGHT"]."""

    @abstractmethod
    def get_state(self) -> State:
        """Everything the future depends on, as ints, bools, str, bytes and dicts.

        `torch.load(..., weights_only=True)` reads it back.
        """

    @abstractmethod
    def set_state(self, state: State) -> np.ndarray:
        """Goes on from `state`, byte for byte; returns the observation there."""

    @abstractmethod
    def fingerprint(self) -> bytes:
        """Equal for two starts from which equal actions give equal rewards and ends.

        Only up to the end of the episode: the generator of later resets is left out.
        """

    def _check_can_step(self, action: int | np.integer, done: bool) -> None:
        if done:
            raise gym.error.ResetNeeded("No episode is running: call reset() first.")
        if not 0 <= action < self.action_space.n:
            meanings = self.get_action_meanings()
            raise ValueError(
                f"Action {action} does not exist; there are {len(meanings)}:"
                f" {', '.join(meanings)}."
            )


def action_meanings(env: gym.Env) -> list[str]:
    """The name of each action of a game, wrapped or not."""
    return as_game(env).get_action_meanings()


def as_game(env: gym.Env) -> Game:
    """The game inside any gymnasium wrappers. TypeError if there is none."""
    game = env.unwrapped
    if not isinstance(game, Game):
        raise TypeError(f"{game} is not a game of iris_core.envs: use make_env().")
    return game


def check_rewards(rewards: np.ndarray) -> None:
    """ConfigError for what no agent can learn from: nan, or beyond float32."""
    if not (np.abs(rewards) <= np.finfo(np.float32).max).all():
        raise ConfigError(
            f"The game paid {rewards.tolist()}: rewards must be finite numbers. What"
            " was played before is kept; mend the game."
        )
