"""Playing the real game and keeping what was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.vector import SyncVectorEnv
from torch import Tensor

from iris_core.agent import Agent
from iris_core.config.departures import CollectionConfig
from iris_core.data.episode import EpisodeStats, one_step
from iris_core.data.frames import to_frames
from iris_core.data.replay_buffer import Replay
from iris_core.envs.game import check_rewards
from iris_core.envs.vector import vector_get_state, vector_set_state
from iris_core.runtime.cuda_graphs import fast
from iris_core.variants.exploration import StickyRandomPolicy


class Collector:
    """Steps training environments and writes every step into the replay buffer.

    An episode stays open across epochs; the policy's LSTM state is computed anew from
    the last frames of the open episodes whenever the policy has changed (`begin`).
    """

    def __init__(self, envs: SyncVectorEnv, replay: Replay, seed: int) -> None:
        self.envs = envs
        self.replay = replay
        self.pixels, _ = envs.reset(seed=seed)  # (N, 64, 64, 3) uint8, what is seen now
        self.open: list[int | None] = [None] * envs.num_envs  # ids in the replay buffer
        self.lstm_state = (torch.empty(0), torch.empty(0))
        self.reconstruct: Callable[[Tensor], Tensor] | None = None  # as the policy sees

    @property
    def begins(self) -> np.ndarray:
        """Where an episode begins with the next step: bool (N,)."""
        return np.array([id_ is None for id_ in self.open])

    def begin(self, agent: Agent) -> None:
        """Bring the policy's LSTM state up to date with the open episodes, and what it
        sees with the tokenizer."""
        self.reconstruct = fast(agent.tokenizer.reconstruct, agent.device)
        length = agent.config.actor_critic.burn_in
        self.lstm_state = agent.new_state(self.envs.num_envs)
        rows = [i for i, id_ in enumerate(self.open) if id_ is not None]
        for i in rows if length > 0 else []:
            episode = self.replay[self.open[i]]  # type: ignore[index]
            past = episode.segment(len(episode) - length, len(episode)).to(agent.device)
            with torch.no_grad():
                seen = agent.tokenizer.reconstruct(past.frames)
            state = agent.actor_critic.burn_in(seen, past.mask)
            for ours, theirs in zip(self.lstm_state, state, strict=True):
                ours[i] = theirs[0]

    def policy_step(self, agent: Agent, config: CollectionConfig) -> list[EpisodeStats]:
        """One step of every environment by the agent's policy."""
        frames = to_frames(self.pixels, agent.device)
        actions, self.lstm_state = agent.act(
            frames,
            self.lstm_state,
            config.temperature,
            config.epsilon,
            reconstruct=self.reconstruct,
        )
        _, over = self.step(actions.cpu().numpy())
        for i in np.flatnonzero(self.begins):
            for tensor in self.lstm_state:
                tensor[i] = 0
        return over

    def warm_step(self, policy: StickyRandomPolicy) -> list[EpisodeStats]:
        """One step of every environment by random play."""
        rewards, over = self.step(policy.act(self.begins))
        policy.observe(rewards)
        return over

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, list[EpisodeStats]]:
        """Take actions (N,); returns rewards (N,), and the episodes that ended."""
        before = self.pixels
        after, rewards, terminated, truncated, _ = self.envs.step(actions)
        check_rewards(rewards)
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
        """Plain values: emulators, open episodes and the LSTM state."""
        return {
            "envs": vector_get_state(self.envs),
            "open": list(self.open),
            "lstm_state": [tensor.cpu() for tensor in self.lstm_state],
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from `state_dict`."""
        self.pixels = vector_set_state(self.envs, state["envs"])
        self.open = list(state["open"])
        hidden, cell = (tensor.to(device) for tensor in state["lstm_state"])
        self.lstm_state = (hidden, cell)
