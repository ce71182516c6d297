"""The real game beside a dream, from the same state and under the same actions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from einops import reduce

from iris_core.data.frames import to_pixels
from iris_core.envs import make_env
from iris_core.envs.game import State
from iris_core.models.agent import Agent
from iris_core.play.worlds import Moment, tokenize

PATCH = 8  # pixels: about the size of what moves
PARTED = 10.0  # of 255: Catch's ball one pixel off makes 9
STEPS = 3  # above it: what is lost stays lost, a wobble does not last


class Twin:
    """Frames of the game at every moment of a dream's path, and how far they are off.

    seen: uint8 (64, 64, 3), as their tokens show them. divergence: of the dream from
    these, so that what the tokenizer loses does not count. parted: the first of STEPS
    indices of the path where it is above PARTED. ended: the game was over, so that
    nothing can be compared from there on.
    """

    def __init__(self, agent: Agent, start: State) -> None:
        self.agent = agent
        self.start = start
        self.env = make_env(agent.config.env, "test")
        self.begin()

    def begin(self) -> None:
        self.ended = False
        self.path: list[Moment] = []
        self.seen: list[np.ndarray] = []
        self.divergence: list[float] = []
        self.parted: int | None = None

    def follow(self, path: Sequence[Moment]) -> None:
        """Play along a path, from where it leaves the last one."""
        if path[-1] in self.path:
            return  # a step back: what comes later is known already
        if self.path != path[: len(self.path)]:
            self.begin()
        for moment in path[len(self.path) :]:
            if not self.ended:
                self.add(moment)

    def add(self, moment: Moment) -> None:
        if moment.action is None or not self.path:
            pixels = self.env.set_state(self.start)
        else:
            pixels, _, terminated, truncated, _ = self.env.step(moment.action)
            self.ended = terminated or truncated
        seen = to_pixels(self.agent.tokenizer.decode(tokenize(self.agent, pixels)))[0]
        self.path.append(moment)
        self.seen.append(seen)
        self.divergence.append(divergence(moment.sight.frame, seen))
        off = len(self.path) >= STEPS and min(self.divergence[-STEPS:]) > PARTED
        if self.parted is None and off:
            self.parted = len(self.path) - STEPS


def divergence(dreamed: np.ndarray, real: np.ndarray) -> float:
    """The mean error of the worst patch of 8x8 pixels, 0 to 255.

    uint8 (64, 64, 3), twice. The worst patch, not the mean of the frame: a lost ball is
    a small part of it.
    """
    error = np.abs(dreamed.astype(np.float32) - real.astype(np.float32))
    patches = reduce(error, "(h i) (w j) c -> h w", "mean", i=PATCH, j=PATCH)
    return float(patches.max())
