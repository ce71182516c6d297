"""Where a dream begins: a moment of the real game that the agent played into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iris_core.agent import Agent
from iris_core.data.frames import to_frames
from iris_core.envs import Game, make_env
from iris_core.envs.game import State as GameState
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


def stands_still(tokens: list[Tensor]) -> bool:
    """Whether the last of some frames shows what the one before it did."""
    return len(tokens) < 2 or torch.equal(tokens[-1], tokens[-2])


@torch.no_grad()
def find_start(agent: Agent, seed: int) -> Start:
    """A moment of the real game: the agent plays a while, by the seed, and then until
    something moves, for a dream of a picture that stands still may stand still."""
    env = make_env(agent.config.env, "test")
    rng = np.random.default_rng(seed)
    length, patience = int(rng.integers(WARM_UP + 1)), PATIENCE
    generator = torch.Generator(agent.device).manual_seed(seed)
    while True:
        found = play_into(agent, env, seed, length, patience, generator)
        if found is not None:
            return found
        length, patience = length // 4, patience // 4  # the episode was over before


def play_into(
    agent: Agent,
    env: Game,
    seed: int,
    length: int,
    patience: int,
    generator: torch.Generator,
) -> Start | None:
    """`length` steps of an agent's play, and up to `patience` more while the picture
    stands still; None if the episode ends before."""
    pixels, _ = env.reset(seed=seed)
    lstm_state, tokens = agent.new_state(1), [tokenize(agent, pixels)]
    actions: list[int] = []
    while len(actions) < length + patience * stands_still(tokens):
        seen = agent.tokenizer.decode(tokens[-1])
        logits, _, lstm_state = agent.actor_critic(seen, lstm_state)
        probs = logits[0].softmax(-1)
        actions.append(int(torch.multinomial(probs, 1, generator=generator)))
        pixels, _, terminated, truncated, _ = env.step(actions[-1])
        if terminated or truncated:
            return None
        tokens.append(tokenize(agent, pixels))
    context = agent.config.world_model.dream_context
    between = torch.tensor(actions, dtype=torch.int64, device=agent.device)[None]
    return Start(
        torch.stack(tokens[-context:], dim=1),
        between[:, max(len(actions) + 1 - context, 0) :],
        lstm_state,
        env.get_state(),
    )


@torch.no_grad()
def tokenize(agent: Agent, pixels: np.ndarray) -> Tensor:
    """uint8 (64, 64, 3) -> (1, K)."""
    return agent.tokenizer.tokenize(to_frames(pixels[None], agent.device))
