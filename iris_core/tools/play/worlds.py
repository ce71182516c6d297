"""Worlds with one interface: the real game, a recorded episode, a dream.

`start` returns the first observation and the policy's LSTM state before it, `step`
takes an action, and `restore` goes back to any node that was played before.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iris_core.agent import Agent
from iris_core.data.episode import Episode
from iris_core.data.frames import to_pixels
from iris_core.envs import Game
from iris_core.envs.game import State as GameState
from iris_core.imagination.introspection import Imagination, Prediction
from iris_core.imagination.start import Start, find_start, tokenize
from iris_core.models.actor_critic import State as LSTMState
from iris_core.tools.play.starts import Starts, replay_start

SAVE_EVERY = 100  # steps between saved game states; going back replays from the last


@dataclass(frozen=True, eq=False)
class Observation:
    """What a world returns for a step, and what it needs to continue from there.

    frame: uint8 (64, 64, 3). tokens: (1, K). prediction: the world model's, if it was
    asked. past: the blocks in its context. screen: the emulator's own picture,
    compressed. game: the game's state, every SAVE_EVERY steps.
    """

    frame: np.ndarray
    tokens: Tensor
    reward: float = 0.0
    end: bool = False
    prediction: Prediction | None = None
    past: tuple[Tensor, ...] = ()
    screen: tuple[tuple[int, ...], bytes] | None = None
    game: GameState | None = None


@dataclass(eq=False)
class Node:
    """A step in the tree of everything that was played, with the agent's outputs.

    action: the one that led here. step, total: steps and return so far. reconstruction:
    uint8 (64, 64, 3), the decoded tokens, which the policy sees. action_probs: float32
    (num_actions,). lstm_before, lstm_state: of the policy, before and after this frame.
    painted: whether its tokens were changed by hand. next: the child visited last.
    """

    obs: Observation
    step: int
    total: float
    action: int | None
    reconstruction: np.ndarray
    action_probs: np.ndarray
    value: float
    lstm_before: LSTMState
    lstm_state: LSTMState
    parent: Node | None = None
    painted: bool = False
    children: list[Node] = field(default_factory=list)
    next: Node | None = None

    @property
    def cache_refilled(self) -> bool:
        """Whether the world model's full cache was refilled in this step."""
        parent = self.parent
        return parent is not None and 0 < len(self.obs.past) <= len(parent.obs.past)

    def path(self) -> list[Node]:
        """From the root to this node."""
        nodes = [self]
        while nodes[-1].parent is not None:
            nodes.append(nodes[-1].parent)
        return nodes[::-1]


class DreamWorld:
    """The world model's dream. origin: where it starts; if None, in the game, by the
    seed, at one of the chosen `starts` if there are some."""

    def __init__(
        self, agent: Agent, imagination: Imagination, starts: Starts | None = None
    ) -> None:
        self.agent = agent
        self.imagination = imagination
        self.starts = starts
        self.origin: Start | None = None

    def start(self, seed: int) -> tuple[Observation, LSTMState]:
        if self.origin is None:
            self.origin = self.find_origin(seed)
        self.imagination.seed(seed)
        self.imagination.start(self.origin.tokens, self.origin.actions)
        return replace(self.observe(), game=self.origin.game), self.origin.lstm_state

    def find_origin(self, seed: int) -> Start:
        if self.starts is None:
            return find_start(self.agent, seed)
        chosen = self.starts.starts
        return replay_start(self.agent, chosen[seed % len(chosen)])

    def step(self, action: int) -> Observation:
        return self.observe(*self.imagination.step(action))

    def observe(
        self,
        reward: float = 0.0,
        end: bool = False,
        prediction: Prediction | None = None,
    ) -> Observation:
        dream = self.imagination.dream
        frame, past = to_pixels(dream.frames)[0], tuple(dream.past)
        return Observation(frame, dream.tokens, reward, end, prediction, past)

    def restore(self, node: Node) -> None:
        self.imagination.dream.restore(node.obs.tokens, node.obs.past)


class GameWorld:
    """The real game or a recording. predict: whether the world model predicts each
    step; in_sync: whether it has seen the steps before."""

    def __init__(
        self, agent: Agent, imagination: Imagination, env: Game | Recording
    ) -> None:
        self.agent = agent
        self.imagination = imagination
        self.env = env
        self.tokens = torch.empty(0)
        self.predict, self.in_sync = True, False

    def start(self, seed: int) -> tuple[Observation, LSTMState]:
        self.steps = 0
        pixels, _ = self.env.reset(seed=seed)
        return self.observe(pixels), self.agent.new_state(1)

    def step(self, action: int) -> Observation:
        self.steps += 1
        pixels, reward, terminated, truncated, _ = self.env.step(action)
        return self.observe(pixels, action, float(reward), terminated or truncated)

    def observe(
        self,
        pixels: np.ndarray,
        action: int | None = None,
        reward: float = 0.0,
        end: bool = False,
    ) -> Observation:
        """action: the one that led to these pixels; None at the start."""
        before, self.tokens = self.tokens, tokenize(self.agent, pixels)
        picture, save = self.env.render(), self.steps % SAVE_EVERY == 0
        screen = None if picture is None else pack(np.asarray(picture))
        game = self.env.get_state() if save else None
        obs = Observation(pixels, self.tokens, reward, end, screen=screen, game=game)
        if not self.predict or action is None:
            self.in_sync = False
            return obs
        if not self.in_sync:
            self.imagination.start(before[:, None], before.new_zeros(1, 0))
        self.in_sync = True
        _, _, prediction = self.imagination.step(action, self.tokens)
        past = tuple(self.imagination.dream.past)
        return replace(obs, prediction=prediction, past=past)

    def restore(self, node: Node) -> None:
        self.steps, self.tokens = node.step, node.obs.tokens
        self.in_sync = bool(node.obs.past)
        if self.in_sync:
            self.imagination.dream.restore(self.tokens, node.obs.past)
        actions: list[int] = []  # since the last saved state
        while node.obs.game is None:
            assert node.parent is not None and node.action is not None
            actions.append(node.action)
            node = node.parent
        self.env.set_state(node.obs.game)
        for action in reversed(actions):
            self.env.step(action)


class Recording:
    """A recorded episode with a game's interface; actions change nothing."""

    episode: Episode

    def reset(self, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        return self.set_state({"step": 0}), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = float(self.episode.rewards[self.at])
        pixels = self.set_state({"step": self.at + 1})
        return pixels, reward, self.at == len(self.episode), False, {}

    def render(self) -> None:
        """The emulator's own picture was not recorded."""

    def get_state(self) -> GameState:
        return {"step": self.at}

    def set_state(self, state: GameState) -> np.ndarray:
        """The last frame is shown again at the end: none is recorded after it."""
        self.at: int = state["step"]
        frames = self.episode.frames
        chw = frames[min(self.at, len(frames) - 1)]
        return np.ascontiguousarray(chw.transpose(1, 2, 0))


def pack(picture: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    """A compressed picture: the emulator's have 100 kB, and a session thousands."""
    return picture.shape, zlib.compress(np.ascontiguousarray(picture).data, 1)


def unpack(packed: tuple[tuple[int, ...], bytes]) -> np.ndarray:
    """The picture that was packed, uint8 (H, W, 3)."""
    shape, data = packed
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape)
