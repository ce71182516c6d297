"""Three worlds that are stepped alike: the real game, a dream, a recorded episode.

A world starts, takes actions, and goes back to any moment that it came through.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iris_core.data.frames import to_frames, to_pixels
from iris_core.envs import Game, make_env
from iris_core.envs.game import State as GameState
from iris_core.models.actor_critic import State as Memory
from iris_core.models.agent import Agent
from iris_core.play.imagination import Foresight, Imagination
from iris_core.replay import Episode

KEY = 100  # steps between saved states of a game: going back plays the rest again
WARM_UP = 60  # steps of play, at most, before a dream's first frame
PATIENCE = 120  # more of them, at most, until something moves


@dataclass(frozen=True, eq=False)
class Sight:
    """What a world shows after a step, and what it takes to go on from there.

    frame: uint8 (64, 64, 3). tokens: (1, K). foresight: what the world model expected,
    if it was asked. past: the blocks that it remembers. picture: the emulator's own,
    packed. game: the game's state, now and then.
    """

    frame: np.ndarray
    tokens: Tensor
    reward: float = 0.0
    end: bool = False
    foresight: Foresight | None = None
    past: tuple[Tensor, ...] = ()
    picture: tuple[tuple[int, ...], bytes] | None = None
    game: GameState | None = None


@dataclass(eq=False)
class Moment:
    """A sight's place in the tree of what was played, and the agent's view of it.

    action: that led here. step and total: since the start. seen: uint8 (64, 64, 3), the
    frame as its tokens show it. chances: float32 (num_actions,), the policy's. before,
    memory: the policy's memory before and after this frame. next: the child that was
    walked to last.
    """

    sight: Sight
    step: int
    total: float
    action: int | None
    seen: np.ndarray
    chances: np.ndarray
    value: float
    before: Memory
    memory: Memory
    parent: Moment | None = None
    children: list[Moment] = field(default_factory=list)
    next: Moment | None = None

    @property
    def refreshed(self) -> bool:
        """Whether the world model's memory was filled again on the way here."""
        parent = self.parent
        return parent is not None and 0 < len(self.sight.past) <= len(parent.sight.past)

    def path(self) -> list[Moment]:
        """From the first moment held to this one."""
        found = [self]
        while found[-1].parent is not None:
            found.append(found[-1].parent)
        return found[::-1]


@dataclass(frozen=True, eq=False)
class Start:
    """Where a dream begins: tokens (1, C, K) of the last frames, actions (1, C - 1)
    between them, the policy's memory before the last one, and the game's state there,
    where there is a game."""

    tokens: Tensor
    actions: Tensor
    memory: Memory
    game: GameState | None = None


class DreamWorld:
    """The world model's dream from a start that can be another one each time."""

    def __init__(self, agent: Agent, imagination: Imagination) -> None:
        self.agent = agent
        self.imagination = imagination
        self.begin: Start | None = None  # None: found in the game, by the seed

    def start(self, seed: int) -> tuple[Sight, Memory]:
        if self.begin is None:
            self.begin = find_start(self.agent, seed)
        self.imagination.seed(seed)
        self.imagination.start(self.begin.tokens, self.begin.actions)
        return replace(self.sight(), game=self.begin.game), self.begin.memory

    def step(self, action: int) -> Sight:
        return self.sight(*self.imagination.step(action))

    def sight(
        self, reward: float = 0.0, end: bool = False, foresight: Foresight | None = None
    ) -> Sight:
        dream = self.imagination.dream
        frame, past = to_pixels(dream.frames)[0], tuple(dream.past)
        return Sight(frame, dream.tokens, reward, end, foresight, past)

    def restore(self, moment: Moment) -> None:
        self.imagination.dream.restore(moment.sight.tokens, moment.sight.past)


class GameWorld:
    """The real game, or a recording of it. The world model looks on if `watch`;
    followed: whether the imagination is where the game is."""

    def __init__(
        self, agent: Agent, imagination: Imagination, env: Game | Recording
    ) -> None:
        self.agent = agent
        self.imagination = imagination
        self.env = env
        self.tokens = torch.empty(0)
        self.watch, self.followed = True, False

    def start(self, seed: int) -> tuple[Sight, Memory]:
        self.steps = 0
        pixels, _ = self.env.reset(seed=seed)
        return self.sight(pixels), self.agent.new_state(1)

    def step(self, action: int) -> Sight:
        self.steps += 1
        pixels, reward, terminated, truncated, _ = self.env.step(action)
        return self.sight(pixels, action, float(reward), terminated or truncated)

    def sight(
        self,
        pixels: np.ndarray,
        action: int | None = None,
        reward: float = 0.0,
        end: bool = False,
    ) -> Sight:
        """What the game shows after an action; None at a start."""
        before, self.tokens = self.tokens, tokenize(self.agent, pixels)
        screen, keep = self.env.render(), self.steps % KEY == 0
        picture = None if screen is None else pack(np.asarray(screen))
        game = self.env.get_state() if keep else None
        sight = Sight(pixels, self.tokens, reward, end, picture=picture, game=game)
        if not self.watch or action is None:
            self.followed = False
            return sight
        if not self.followed:
            self.imagination.start(before[:, None], before.new_zeros(1, 0))
        self.followed = True
        _, _, foresight = self.imagination.step(action, self.tokens)
        past = tuple(self.imagination.dream.past)
        return replace(sight, foresight=foresight, past=past)

    def restore(self, moment: Moment) -> None:
        self.steps, self.tokens = moment.step, moment.sight.tokens
        self.followed = bool(moment.sight.past)
        if self.followed:
            self.imagination.dream.restore(self.tokens, moment.sight.past)
        played: list[int] = []  # since the last state that was kept
        while moment.sight.game is None:
            assert moment.parent is not None and moment.action is not None
            played.append(moment.action)
            moment = moment.parent
        self.env.set_state(moment.sight.game)
        for action in reversed(played):
            self.env.step(action)


class Recording:
    """A recorded episode as a game, in which all is fixed."""

    episode: Episode

    def reset(self, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        return self.set_state({"step": 0}), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = float(self.episode.rewards[self.at])
        pixels = self.set_state({"step": self.at + 1})
        return pixels, reward, self.at == len(self.episode), False, {}

    def render(self) -> None:
        """The emulator's picture is not in it."""

    def get_state(self) -> GameState:
        return {"step": self.at}

    def set_state(self, state: GameState) -> np.ndarray:
        """The last frame stands for the end too: what came after it is not kept."""
        self.at: int = state["step"]
        frames = self.episode.frames
        chw = frames[min(self.at, len(frames) - 1)]
        return np.ascontiguousarray(chw.transpose(1, 2, 0))


def pack(picture: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    """A picture made small: the emulator's is 100 kB, and thousands are held."""
    return picture.shape, zlib.compress(np.ascontiguousarray(picture).data, 1)


def unpack(packed: tuple[tuple[int, ...], bytes]) -> np.ndarray:
    """What was packed, uint8 (H, W, 3)."""
    shape, data = packed
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape)


@torch.no_grad()
def tokenize(agent: Agent, pixels: np.ndarray) -> Tensor:
    """uint8 (64, 64, 3) -> (1, K)."""
    return agent.tokenizer.tokenize(to_frames(pixels[None], agent.device))


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
    memory, tokens = agent.new_state(1), [tokenize(agent, pixels)]
    actions: list[int] = []
    while len(actions) < length + patience * stands_still(tokens):
        seen = agent.tokenizer.decode(tokens[-1])
        logits, _, memory = agent.actor_critic(seen, memory)
        chances = logits[0].softmax(-1)
        actions.append(int(torch.multinomial(chances, 1, generator=generator)))
        pixels, _, terminated, truncated, _ = env.step(actions[-1])
        if terminated or truncated:
            return None
        tokens.append(tokenize(agent, pixels))
    context = agent.config.world_model.dream_context
    between = torch.tensor(actions, dtype=torch.int64, device=agent.device)[None]
    return Start(
        torch.stack(tokens[-context:], dim=1),
        between[:, max(len(actions) + 1 - context, 0) :],
        memory,
        env.get_state(),
    )
