"""The world model as gymnasium environments, for any agent library to train in.

    gym.make("iris/Dream-v0", agent="data/agents/catch.safetensors")
    gym.make_vec("iris/Dream-v0", num_envs=16, agent="outputs/...")

A dream starts from a frame of the real game, some steps of the agent's play into it.
Rewards are signs, as the world model predicts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.data.frames import to_pixels
from iris_core.envs import action_meanings, make_env
from iris_core.envs.game import FRAME_SHAPE, METADATA
from iris_core.imagination.introspection import SeededSampler
from iris_core.imagination.start import Start, find_start
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.pretrained import load_agent
from iris_core.runtime.device import autocast_for

STEPS = 1000  # after which a dream is cut short
SEEDS = 2**31


class Dreams:
    """B dreams side by side, of which each can begin anew."""

    def __init__(self, agent: str | Path | Agent, rows: int) -> None:
        self.agent = agent if isinstance(agent, Agent) else load_agent(agent)
        self.sampler = SeededSampler(self.agent.device)
        self.dream = WorldModelEnv.of(self.agent, self.sampler)
        self.rows = rows
        self.steps = np.zeros(rows, np.int64)

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """All begin anew: frames uint8 (B, 64, 64, 3)."""
        self.sampler.seed(int(seeds[0]))
        starts = [self.find(seed) for seed in seeds]
        length = max(start.tokens.shape[1] for start in starts)
        rows = [padded(start, length) for start in starts]
        self.steps[:] = 0
        with autocast_for(self.agent.config, self.agent.device):
            frames = self.dream.start(
                torch.cat([tokens for tokens, _ in rows]),
                torch.cat([actions for _, actions in rows]),
            )
        return to_pixels(frames)

    def begin_anew(self, row: int, seed: int) -> np.ndarray:
        """One row begins anew: its past becomes that of another start. All frames."""
        tokens, actions = padded(self.find(seed), len(self.dream.past) + 1)
        blocks = torch.cat([tokens[:, :-1], actions[..., None]], dim=-1)[0]
        past = [block.clone() for block in self.dream.past]
        for block, new in zip(past, blocks, strict=True):
            block[row] = new
        known = self.dream.tokens.clone()
        known[row] = tokens[0, -1]
        self.steps[row] = 0
        with autocast_for(self.agent.config, self.agent.device):
            return to_pixels(self.dream.restore(known, past))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Actions (B,) -> frames uint8 (B, 64, 64, 3), rewards and ends (B,)."""
        checked_actions(actions, self.rows, self.agent.num_actions)
        taken = torch.as_tensor(actions, dtype=torch.int64, device=self.agent.device)
        self.steps += 1
        with autocast_for(self.agent.config, self.agent.device):
            frames, rewards, ends, _ = self.dream.step(taken)
        return to_pixels(frames), rewards.cpu().numpy(), ends.cpu().numpy()

    def find(self, seed: int) -> Start:
        with autocast_for(self.agent.config, self.agent.device):
            return find_start(self.agent, seed)


def padded(start: Start, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The last `length` frames of a start, its first one again where it has fewer.

    Returns tokens (1, length, K) and actions (1, length - 1).
    """
    missing = max(length - start.tokens.shape[1], 0)
    first = start.tokens[:, :1].expand(-1, missing, -1)
    tokens = torch.cat([first, start.tokens], dim=1)
    actions = torch.nn.functional.pad(start.actions, (missing, 0))
    return tokens[:, -length:], actions[:, actions.shape[1] + 1 - length :]


class DreamGymEnv(gym.Env[np.ndarray, np.int64]):
    """One dream, registered as `iris/Dream-v0`.

    Observations are uint8 (64, 64, 3), rewards -1, 0 or 1. `terminated`: the world
    model ended the episode. `truncated`: it has lasted `max_steps`.
    """

    metadata = METADATA

    def __init__(
        self,
        agent: str | Path | Agent,
        max_steps: int = STEPS,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """agent: its file, a run folder, a published checkpoint, or itself."""
        self.dreams = Dreams(agent, 1)
        self.max_steps = checked_steps(max_steps)
        self.render_mode = render_mode
        self.action_space = gym.spaces.Discrete(self.dreams.agent.num_actions)
        self.observation_space = gym.spaces.Box(0, 255, FRAME_SHAPE, np.uint8)
        self.frame: np.ndarray | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Another start; with a seed, its own. `options` are not used."""
        super().reset(seed=seed)
        self.frame = self.dreams.reset([int(self.np_random.integers(SEEDS))])[0]
        return self.frame.copy(), {}

    def step(
        self, action: int | np.integer
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step of the dream."""
        if self.frame is None:
            raise gym.error.ResetNeeded("No dream has begun: call reset() first.")
        frames, rewards, ends = self.dreams.step(np.array([action]))
        self.frame = frames[0]
        end = bool(ends[0])
        cut = bool(self.dreams.steps[0] >= self.max_steps) and not end
        return self.frame.copy(), float(rewards[0]), end, cut, {}

    def render(self) -> np.ndarray:
        """The current frame."""
        if self.frame is None:
            raise gym.error.ResetNeeded("No dream has begun: call reset() first.")
        return self.frame.copy()

    def get_action_meanings(self) -> list[str]:
        """The name of each action of the game that is dreamed of."""
        return action_meanings(make_env(self.dreams.agent.config.env, "test"))


class DreamVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Many dreams in one pass. A dream that ended begins anew at the next step, whose
    action is not used for it (gymnasium's AutoresetMode.NEXT_STEP)."""

    metadata: dict[str, Any] = {  # noqa: RUF012, so gymnasium has it
        **METADATA,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        agent: str | Path | Agent,
        max_steps: int = STEPS,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """agent: its file, a run folder, a published checkpoint, or itself."""
        self.num_envs = num_envs
        self.dreams = Dreams(agent, num_envs)
        self.max_steps = checked_steps(max_steps)
        self.render_mode = render_mode
        n = self.dreams.agent.num_actions
        self.single_action_space = gym.spaces.Discrete(n)
        self.single_observation_space = gym.spaces.Box(0, 255, FRAME_SHAPE, np.uint8)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.over: np.ndarray | None = None

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """All begin anew. seed: the first dream's, the others count on; or one each."""
        first = seed if seed is None or isinstance(seed, int) else seed[0]
        super().reset(seed=first)
        drawn = self.np_random.integers(SEEDS, size=self.num_envs).tolist()
        if seed is None:
            seeds = drawn
        elif isinstance(seed, int):
            seeds = [seed + i for i in range(self.num_envs)]
        else:
            given = zip(seed, drawn, strict=True)
            seeds = [other if one is None else one for one, other in given]
        self.over = np.zeros(self.num_envs, dtype=bool)
        self.frames = self.dreams.reset(seeds)
        return self.frames.copy(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of every dream."""
        if self.over is None:
            raise gym.error.ResetNeeded("No dream has begun: call reset() first.")
        self.frames, rewards, ends = self.dreams.step(np.asarray(actions))
        for row in np.flatnonzero(self.over):
            seed = int(self.np_random.integers(SEEDS))
            self.frames = self.dreams.begin_anew(int(row), seed)
        rewards = np.where(self.over, 0.0, rewards).astype(np.float64)
        ends = ends & ~self.over
        cut = (self.dreams.steps >= self.max_steps) & ~ends & ~self.over
        self.over = ends | cut
        return self.frames.copy(), rewards, ends, cut, {}

    def render(self) -> tuple[np.ndarray, ...]:
        """The current frames."""
        return tuple(self.frames)


def checked_actions(actions: np.ndarray, rows: int, count: int) -> None:
    """ConfigError unless there is a whole number below `count` for every row."""
    whole = np.issubdtype(actions.dtype, np.integer) and actions.shape == (rows,)
    if not whole or (actions < 0).any() or (actions >= count).any():
        raise ConfigError(
            f"The action is {actions.tolist()!r:.80}; a dream takes a whole number from"
            f" 0 to {count - 1}, and {rows} of them side by side an array of {rows}."
        )


def checked_steps(max_steps: int) -> int:
    """ConfigError if it is below 1."""
    if max_steps < 1:
        raise ConfigError(f"max_steps is {max_steps}; it must be at least 1.")
    return max_steps
