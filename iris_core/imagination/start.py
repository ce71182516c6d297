"""Where a dream begins: a moment of the real game that the agent played into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iris_core.agent import Agent
from iris_core.data.frames import to_frames
from iris_core.envs import Game, make_env
from iris_core.envs.game import State as GameState
from iris_core.imagination.introspection import SeededSampler
from iris_core.models.actor_critic import State

WARM_UP = 60  # steps of play, at most, before a dream's first frame
PATIENCE = 120  # more of them, at most, until something moves


@dataclass(frozen=True, eq=False)
class Start:
    """Where a dream begins: tokens (1, C, K) of the last frames, actions (1, C - 1)
    between them, the policy's LSTM state before the last one, and the game's state
    there, where there is a game."""

    tokens: Tensor
    actions: Tensor
    lstm_state: State
    game: GameState | None = None


@torch.no_grad()
def find_start(agent: Agent, seed: int) -> Start:
    """A moment of the real game: the agent plays a while, by the seed, and then until
    something moves, for a dream of a picture that stands still may stand still."""
    env = make_env(agent.config.env, "test")
    rng = np.random.default_rng(seed)
    length, patience = int(rng.integers(WARM_UP + 1)), PATIENCE
    sampler = SeededSampler(agent.device)
    sampler.seed(seed)
    while True:
        walk = Walk(agent, env, seed)
        while walk.length < length + patience * walk.stands_still:
            if not walk.step(int(sampler(walk.look()))):
                break
        else:
            return walk.start()
        length, patience = length // 4, patience // 4  # the episode was over before


def start_after(agent: Agent, seed: int, actions: Sequence[int]) -> Start | None:
    """The moment after some actions on a game that a seed began; None if the game was
    over before."""
    walk = Walk(agent, make_env(agent.config.env, "test"), seed)
    for action in actions:
        walk.look()
        if not walk.step(action):
            return None
    return walk.start()


class Walk:
    """A play of the real game that an agent watches, from its beginning.

    tokens: (1, K) of each frame so far. actions: those taken.
    """

    def __init__(self, agent: Agent, env: Game, seed: int) -> None:
        self.agent, self.env = agent, env
        pixels, _ = env.reset(seed=seed)
        self.lstm_state = agent.new_state(1)
        self.tokens = [tokenize(agent, pixels)]
        self.actions: list[int] = []

    @property
    def length(self) -> int:
        return len(self.actions)

    @property
    def stands_still(self) -> bool:
        """Whether the last frame shows what the one before it did."""
        return len(self.tokens) < 2 or torch.equal(self.tokens[-1], self.tokens[-2])

    @torch.no_grad()
    def look(self) -> Tensor:
        """The policy's logits in the current frame, (1, num_actions)."""
        seen = self.agent.tokenizer.decode(self.tokens[-1])
        logits, _, self.lstm_state = self.agent.actor_critic(seen, self.lstm_state)
        return logits

    def step(self, action: int) -> bool:
        """Take an action after a look; returns whether the game goes on."""
        self.actions.append(action)
        pixels, _, terminated, truncated, _ = self.env.step(action)
        self.tokens.append(tokenize(self.agent, pixels))
        return not (terminated or truncated)

    def start(self) -> Start:
        """A dream's start here."""
        context = self.agent.config.world_model.dream_context
        actions = self.actions[max(self.length + 1 - context, 0) :]
        return Start(
            torch.stack(self.tokens[-context:], dim=1),
            torch.tensor([actions], dtype=torch.int64, device=self.agent.device),
            self.lstm_state,
            self.env.get_state(),
        )


@torch.no_grad()
def tokenize(agent: Agent, pixels: np.ndarray) -> Tensor:
    """uint8 (64, 64, 3) -> (1, K)."""
    return agent.tokenizer.tokenize(to_frames(pixels[None], agent.device))
