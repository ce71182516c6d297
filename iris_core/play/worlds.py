"""Three worlds that are stepped alike: the real game, a dream, a recorded episode.

A world starts, takes actions, and goes back to any moment that it came through.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from iris_core.envs import Game, make_env
from iris_core.envs.game import State as GameState
from iris_core.imagination.start import Start, find_start, tokenize
from iris_core.models.actor_critic import State as Memory
from iris_core.models.agent import Agent
from iris_core.play.imagination import Imagination, Prediction
from iris_core.replay import Episode

KEY = 100  # steps between saved states of a game: going back plays the rest again


@dataclass(eq=False)
class Sight:
    """What a world shows after a step, and what it takes to go on from there.

    frame: uint8 (64, 64, 3). tokens: (1, K). picture: the emulator's own, packed.
    foresight: what the world model expected, if it was asked. past: the blocks that it
    remembers. filled: how many those are, and the most. refreshed: the memory was
    filled again on the way here. game: the game's state, now and then.
    """

    frame: np.ndarray
    tokens: Tensor
    reward: float = 0.0
    end: bool = False
    picture: tuple[tuple[int, ...], bytes] | None = None
    foresight: Prediction | None = None
    past: tuple[Tensor, ...] = ()
    filled: tuple[int, int] = (0, 0)
    refreshed: bool = False
    game: GameState | None = None


@dataclass(eq=False)
class Moment:
    """A sight's place in the tree of what was played, and the agent's view of it.

    action: that led here. step and total: since the start. seen: uint8 (64, 64, 3), the
    frame as its tokens show it. chances: float32 (num_actions,), the policy's. memory:
    the policy's, after this frame. next: the child that was walked to last.
    """

    sight: Sight
    step: int
    total: float
    action: int | None
    seen: np.ndarray
    chances: np.ndarray
    value: float
    memory: Memory
    parent: Moment | None = None
    children: list[Moment] = field(default_factory=list)
    next: Moment | None = None

    def path(self) -> list[Moment]:
        """From the first moment held to this one."""
        found = [self]
        while found[-1].parent is not None:
            found.append(found[-1].parent)
        return found[::-1]


class World(ABC):
    """A place that is stepped by actions."""

    @abstractmethod
    def start(self, seed: int) -> tuple[Sight, Memory]:
        """The first sight, and the policy's memory before it."""

    @abstractmethod
    def step(self, action: int) -> Sight:
        """Take an action."""

    @abstractmethod
    def restore(self, moment: Moment) -> None:
        """Be at a moment of the past again."""

    def script(self) -> int | None:
        """The action that must come next; None where it is free."""
        return None


class WatchedWorld(World):
    """A world that is not the world model's own, which looks on if `watch`."""

    def __init__(self, agent: Agent, imagination: Imagination) -> None:
        self.agent = agent
        self.imagination = imagination
        self.watch = True
        self.steps = 0
        self.tokens: Tensor | None = None
        self.followed = False  # whether the imagination is where this world is

    def look(self, sight: Sight, action: int | None) -> Sight:
        """Add what the world model expected of a sight, and go there with it."""
        before, self.tokens = self.tokens, sight.tokens
        if not self.watch or action is None or before is None:
            self.followed = False
            return sight
        imagination = self.imagination
        if not self.followed:
            imagination.start(before[:, None], before.new_zeros(1, 0))
        _, _, sight.foresight = imagination.step(action, sight.tokens)
        sight.past, sight.filled = tuple(imagination.dream.past), imagination.filled
        sight.refreshed, self.followed = imagination.refreshed, True
        return sight

    def restore(self, moment: Moment) -> None:
        self.steps, self.tokens = moment.step, moment.sight.tokens
        self.followed = bool(moment.sight.past)
        if self.followed:
            self.imagination.dream.restore(self.tokens, moment.sight.past)


class GameWorld(WatchedWorld):
    """The real game, by its test settings."""

    def __init__(self, agent: Agent, imagination: Imagination) -> None:
        super().__init__(agent, imagination)
        self.env: Game = make_env(agent.config.env, "test")

    def start(self, seed: int) -> tuple[Sight, Memory]:
        pixels, _ = self.env.reset(seed=seed)
        self.steps = 0
        return self.sight(pixels), self.agent.new_state(1)

    def step(self, action: int) -> Sight:
        pixels, reward, terminated, truncated, _ = self.env.step(action)
        self.steps += 1
        return self.sight(pixels, action, float(reward), terminated or truncated)

    def sight(
        self,
        pixels: np.ndarray,
        action: int | None = None,
        reward: float = 0.0,
        end: bool = False,
    ) -> Sight:
        tokens = tokenize(self.agent, pixels)
        picture = pack(np.asarray(self.env.render()))
        game = self.env.get_state() if self.steps % KEY == 0 else None
        return self.look(Sight(pixels, tokens, reward, end, picture, game=game), action)

    def restore(self, moment: Moment) -> None:
        super().restore(moment)
        path = moment.path()
        key = next(m for m in reversed(path) if m.sight.game is not None)
        assert key.sight.game is not None
        self.env.set_state(key.sight.game)
        for later in path[path.index(key) + 1 :]:
            assert later.action is not None
            self.env.step(later.action)


class EpisodeWorld(WatchedWorld):
    """A recorded episode: what happens in it is fixed."""

    def __init__(
        self, agent: Agent, imagination: Imagination, episode: Episode
    ) -> None:
        super().__init__(agent, imagination)
        self.episode = episode

    def start(self, seed: int) -> tuple[Sight, Memory]:
        self.steps = 0
        return self.sight(None), self.agent.new_state(1)

    def step(self, action: int) -> Sight:
        self.steps += 1
        return self.sight(action)

    def script(self) -> int | None:
        return int(self.episode.actions[self.steps])

    def sight(self, action: int | None) -> Sight:
        """The last frame stands for the end too: what came after it is not kept."""
        frames, t = self.episode.frames, self.steps
        chw = frames[min(t, len(frames) - 1)]
        pixels = np.ascontiguousarray(chw.transpose(1, 2, 0))
        sight = Sight(pixels, tokenize(self.agent, pixels))
        if action is not None:
            sight.reward = float(self.episode.rewards[t - 1])
            sight.end = t == len(frames)
        return self.look(sight, action)


class DreamWorld(World):
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
        sight = self.sight()
        sight.game = self.begin.game
        return sight, self.begin.memory

    def step(self, action: int) -> Sight:
        reward, end, foresight = self.imagination.step(action)
        return self.sight(reward, end, foresight)

    def sight(
        self,
        reward: float = 0.0,
        end: bool = False,
        foresight: Prediction | None = None,
    ) -> Sight:
        dream, imagination = self.imagination.dream, self.imagination
        return Sight(
            to_picture(dream.frames),
            dream.tokens,
            reward,
            end,
            foresight=foresight,
            past=tuple(dream.past),
            filled=imagination.filled,
            refreshed=foresight is not None and imagination.refreshed,
        )

    def restore(self, moment: Moment) -> None:
        self.imagination.dream.restore(moment.sight.tokens, moment.sight.past)


def to_picture(frames: Tensor) -> np.ndarray:
    """Float (1, 3, 64, 64) in [0, 1] -> uint8 (64, 64, 3)."""
    pixels = (frames[0].float().clamp(0, 1) * 255).round().byte()
    return np.ascontiguousarray(pixels.permute(1, 2, 0).cpu().numpy())


def pack(picture: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    """A picture made small: the emulator's is 100 kB, and thousands are held."""
    return picture.shape, zlib.compress(np.ascontiguousarray(picture).data, 1)


def unpack(packed: tuple[tuple[int, ...], bytes]) -> np.ndarray:
    """What was packed, uint8 (H, W, 3)."""
    shape, data = packed
    return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape)
