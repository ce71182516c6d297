"""The real game beside a dream, from the same state and under the same actions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from einops import reduce

from iris_core.agent import Agent
from iris_core.data.frames import to_pixels
from iris_core.envs import make_env
from iris_core.envs.game import State
from iris_core.imagination.start import tokenize
from iris_core.tools.play.worlds import Node

PATCH = 8  # pixels: about the size of a moving object
DIVERGED = 10.0  # of 255; Catch's ball one pixel off makes 9
STEPS = 3  # in a row above it: a lost object stays lost, a wobble does not last


class RealRollout:
    """The real game along a dream's path, and how far the dream is off.

    frames: uint8 (64, 64, 3), reconstructed from the game's tokens. divergence: of the
    dream from these, so that the tokenizer's own losses do not count. diverged_at: the
    first index of STEPS in a row above DIVERGED. ended: the game is over, and the rest
    of the path has nothing to compare with.
    """

    def __init__(self, agent: Agent, start: State) -> None:
        self.agent = agent
        self.start = start
        self.env = make_env(agent.config.env, "test")
        self.clear()

    def clear(self) -> None:
        self.ended = False
        self.path: list[Node] = []
        self.frames: list[np.ndarray] = []
        self.divergence: list[float] = []
        self.diverged_at: int | None = None

    def extend(self, path: Sequence[Node]) -> None:
        """Play a path's actions, from where it leaves the one played before."""
        if path[-1] in self.path:
            return  # the cursor went back: later steps are known already
        if self.path != path[: len(self.path)]:
            self.clear()
        for node in path[len(self.path) :]:
            if not self.ended:
                self.step(node)

    def step(self, node: Node) -> None:
        if node.action is None or not self.path:
            pixels = self.env.set_state(self.start)
        else:
            pixels, _, terminated, truncated, _ = self.env.step(node.action)
            self.ended = terminated or truncated
        frame = to_pixels(self.agent.tokenizer.decode(tokenize(self.agent, pixels)))[0]
        self.path.append(node)
        self.frames.append(frame)
        self.divergence.append(divergence(node.obs.frame, frame))
        off = len(self.path) >= STEPS and min(self.divergence[-STEPS:]) > DIVERGED
        if self.diverged_at is None and off:
            self.diverged_at = len(self.path) - STEPS


def divergence(dreamed: np.ndarray, real: np.ndarray) -> float:
    """The mean absolute error of the worst patch of 8x8 pixels, 0 to 255.

    uint8 (64, 64, 3), twice. The frame's mean would hide a lost ball, which is small.
    """
    error = np.abs(dreamed.astype(np.float32) - real.astype(np.float32))
    patches = reduce(error, "(h i) (w j) c -> h w", "mean", i=PATCH, j=PATCH)
    return float(patches.max())
