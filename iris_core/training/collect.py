"""Playing the real game and keeping what was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.vector import SyncVectorEnv
from torch import Tensor

from iris_core.config.schema import CollectionConfig
from iris_core.cuda_graph import fast
from iris_core.data.frames import to_frames
from iris_core.envs.vector import vector_get_state, vector_set_state
from iris_core.models.agent import Agent
from iris_core.replay import Episode, EpisodeStats, Replay
from iris_core.training.habits import Habits


def one_step(
    pixels: np.ndarray, action: int, reward: float, terminated: bool, truncated: bool
) -> Episode:
    """A single step as an episode; pixels uint8 (64, 64, 3)."""
    return Episode(
        np.ascontiguousarray(pixels.transpose(2, 0, 1))[None],
        np.array([action]),
        np.array([reward], dtype=np.float32),
        np.array([terminated]),
        np.array([truncated]),
    )


class Collector:
    """Steps training environments and writes every step into the replay.

    An episode stays open across epochs; the policy's memory is made anew from the last
    frames of the open episodes whenever the policy has changed (`begin`).
    """

    def __init__(self, envs: SyncVectorEnv, replay: Replay, seed: int) -> None:
        self.envs = envs
        self.replay = replay
        self.rng = np.random.default_rng(seed)
        self.pixels, _ = envs.reset(seed=seed)  # (N, 64, 64, 3) uint8, what is seen now
        self.open: list[int | None] = [None] * envs.num_envs  # ids in the replay
        self.actions = self.rng.integers(self.num_actions, size=envs.num_envs)
        self.habits = Habits(envs.num_envs, self.num_actions, self.rng)
        self.memory = (torch.empty(0), torch.empty(0))
        self.see: Callable[[Tensor], Tensor] | None = None  # the policy's eyes

    @property
    def begins(self) -> np.ndarray:
        """Where an episode begins with the next step: bool (N,)."""
        return np.array([id_ is None for id_ in self.open])

    @property
    def num_actions(self) -> int:
        return int(self.envs.single_action_space.n)  # type: ignore[attr-defined]

    def begin(self, agent: Agent) -> None:
        """Bring the policy's memory up to date with the open episodes, and its eyes
        with the tokenizer."""
        self.see = fast(agent.tokenizer.reconstruct, agent.device)
        length = agent.config.actor_critic.burn_in
        self.memory = agent.new_state(self.envs.num_envs)
        rows = [i for i, id_ in enumerate(self.open) if id_ is not None]
        for i in rows if length > 0 else []:
            episode = self.replay[self.open[i]]  # type: ignore[index]
            past = episode.segment(len(episode) - length, len(episode)).to(agent.device)
            with torch.no_grad():
                seen = agent.tokenizer.reconstruct(past.frames)
            hidden, cell = agent.actor_critic.burn_in(seen, past.mask)
            self.memory[0][i], self.memory[1][i] = hidden[0], cell[0]

    def policy_step(self, agent: Agent, config: CollectionConfig) -> list[EpisodeStats]:
        """One step of every environment by the agent's policy."""
        frames = to_frames(self.pixels, agent.device)
        actions, self.memory = agent.act(
            frames, self.memory, config.temperature, config.epsilon, see=self.see
        )
        _, over = self.step(actions.cpu().numpy())
        for i in np.flatnonzero(self.begins):
            for tensor in self.memory:
                tensor[i] = 0
        return over

    def warm_step(self, config: CollectionConfig) -> list[EpisodeStats]:
        """One step of sticky random play: the last action again, mostly."""
        n = self.envs.num_envs
        again = self.rng.random(n) < config.warm_start_repeat
        if config.warm_start_habits:
            anything = self.habits.draw(self.begins)
        else:
            anything = self.rng.integers(self.num_actions, size=n)
        self.actions = np.where(again, self.actions, anything)
        rewards, over = self.step(self.actions)
        if config.warm_start_habits:
            self.habits.note(rewards)
        return over

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, list[EpisodeStats]]:
        """Take actions (N,); returns rewards (N,), and the episodes that ended."""
        before = self.pixels
        after, rewards, terminated, truncated, _ = self.envs.step(actions)
        over = []
        for i, id_ in enumerate(self.open):
            piece = one_step(
                before[i], actions[i], rewards[i], terminated[i], truncated[i]
            )
            if id_ is None:
                id_ = self.replay.add(piece)
            else:
                self.replay.append(id_, piece)
            if piece.finished:
                over.append(self.replay[id_].stats())
            self.open[i] = None if piece.finished else id_
        self.pixels = after
        return rewards, over

    # A checkpoint holds the whole of it, so that a resumed run is the same run

    def state_dict(self) -> dict[str, Any]:
        """Plain values: emulators, open episodes, memory and random numbers."""
        return {
            "envs": vector_get_state(self.envs),
            "open": list(self.open),
            "actions": [int(a) for a in self.actions],
            "habits": self.habits.state_dict(),
            "memory": [m.cpu() for m in self.memory],
            "rng": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from `state_dict`."""
        self.pixels = vector_set_state(self.envs, state["envs"])
        self.open = list(state["open"])
        self.actions = np.array(state["actions"])
        if isinstance(state.get("habits"), dict):  # not in older runs
            self.habits.load_state_dict(state["habits"])
        hidden, cell = (m.to(device) for m in state["memory"])
        self.memory = (hidden, cell)
        self.rng.bit_generator.state = state["rng"]
