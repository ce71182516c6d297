"""Catch, a 64x64 toy game: minutes to learn what takes hours in Atari.

A ball falls from a random column, straight or slanted; a paddle at the bottom moves
left, stays or moves right. One ball is one episode. CoarseCatch is a simpler game, on a
grid of 4 pixels: two of its frames tell how the ball flies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iris_core.config.games import TOYS
from iris_core.envs.game import FRAME_SHAPE, Game, State

MAX_DRIFT = 14  # pixels sideways over the whole fall
PADDLE_WIDTH = 12
PADDLE_TOP = 60
PADDLE_SPEED = 4  # pixels a step: from wall to wall in half an episode

BACKGROUND = (24, 28, 56)
BALL_COLOUR = (255, 208, 64)
PADDLE_COLOUR = (96, 224, 160)

NOOP, LEFT, RIGHT = range(3)


class CatchEnv(Game):
    """Registered as `iris/Catch-v0`.

    Observations are uint8 (64, 64, 3). The last of the 28 steps terminates with a
    reward of 1 if the ball touches the paddle, else 0; all other rewards are 0.
    Random play catches 22%, perfect play everything.
    """

    steps = 28  # of an episode
    ball = 4  # pixels wide and high
    fall = 2  # pixels a step

    def __init__(self, render_mode: str | None = "rgb_array") -> None:
        """`render_mode` is what `gym.make` may pass on; there is only this one."""
        super().__init__(actions=3)
        self.render_mode = render_mode
        self._start_x = self._end_x = self._paddle_x = 0
        self._time = self.steps  # no episode is running

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A new ball. `options` are not used."""
        super().reset(seed=seed)
        self._start_x, self._end_x = self._draw_ball()
        places = (64 - PADDLE_WIDTH) // PADDLE_SPEED + 1
        self._paddle_x = PADDLE_SPEED * int(self.np_random.integers(places))
        self._time = 0
        return self.render(), {}

    def step(
        self, action: int | np.integer
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Moves the paddle, then the ball."""
        self._check_can_step(action, done=self._time == self.steps)
        move = {NOOP: 0, LEFT: -PADDLE_SPEED, RIGHT: PADDLE_SPEED}[int(action)]
        self._paddle_x = min(max(self._paddle_x + move, 0), 64 - PADDLE_WIDTH)
        self._time += 1
        terminated = self._time == self.steps
        reward = float(terminated and self._touches())
        return self.render(), reward, terminated, False, {}

    def render(self) -> np.ndarray:
        """The frame, uint8 (64, 64, 3)."""
        if not self.render_frames:
            return np.zeros(FRAME_SHAPE, np.uint8)
        frame = np.full(FRAME_SHAPE, BACKGROUND, np.uint8)
        x, y = self._ball_x(), self.fall * self._fallen()
        frame[y : y + self.ball, x : x + self.ball] = BALL_COLOUR
        frame[PADDLE_TOP:, self._paddle_x : self._paddle_x + PADDLE_WIDTH] = (
            PADDLE_COLOUR
        )
        return frame

    def get_action_meanings(self) -> list[str]:
        """NOOP, LEFT, RIGHT."""
        return ["NOOP", "LEFT", "RIGHT"]

    def get_state(self) -> State:
        """Four whole numbers and the generator; see `Game.get_state`."""
        return {
            "start_x": self._start_x,
            "end_x": self._end_x,
            "paddle_x": self._paddle_x,
            "time": self._time,
            "np_random": self.np_random.bit_generator.state,
        }

    def set_state(self, state: State) -> np.ndarray:
        """Goes on from a state of `get_state`; returns the observation there."""
        self._start_x = state["start_x"]
        self._end_x = state["end_x"]
        self._paddle_x = state["paddle_x"]
        self._time = state["time"]
        self.np_random.bit_generator.state = state["np_random"]
        return self.render()

    def fingerprint(self) -> bytes:
        """Ball, paddle and time; see `Game.fingerprint`."""
        return repr((self._start_x, self._end_x, self._paddle_x, self._time)).encode()

    def _draw_ball(self) -> tuple[int, int]:
        """A new ball's `start_x` and `end_x`."""
        rightmost = 64 - self.ball
        start = int(self.np_random.integers(rightmost + 1))
        drift = int(self.np_random.integers(-MAX_DRIFT, MAX_DRIFT + 1))
        return start, min(max(start + drift, 0), rightmost)

    def _fallen(self) -> int:
        """Steps that the ball has fallen for."""
        return self._time

    def _ball_x(self) -> int:
        """Left edge of the ball, on the line from `start_x` to `end_x`."""
        passed = self._fallen() / self.steps
        return round(self._start_x + (self._end_x - self._start_x) * passed)

    def _touches(self) -> bool:
        x = self._ball_x()
        return self._paddle_x - self.ball < x < self._paddle_x + PADDLE_WIDTH


class CoarseCatchEnv(CatchEnv):
    """Registered as `iris/CoarseCatch-v0`: 15 steps, whole steps of 4 pixels.

    A ball of 8 pixels falls 4 a step and moves -4, 0 or 4 sideways; it bounces off the
    walls. After 14 steps it is down: the frame shows whether it meets the paddle, and
    the last step, in which nothing moves, pays for it. Random play catches 25%, perfect
    play everything.
    """

    steps = 15
    ball = 8
    fall = 4

    def step(
        self, action: int | np.integer
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Moves the paddle, then the ball, until it is down."""
        self._check_can_step(action, done=self._time == self.steps)
        return super().step(NOOP if self._time == self.steps - 1 else action)

    def _draw_ball(self) -> tuple[int, int]:
        start = 4 * int(self.np_random.integers((64 - self.ball) // 4 + 1))
        drift = 4 * int(self.np_random.integers(-1, 2))
        return start, start + drift * self.steps  # beyond a wall: _ball_x bounces

    def _fallen(self) -> int:
        return min(self._time, self.steps - 1)

    def _ball_x(self) -> int:
        rightmost = 64 - self.ball
        way = super()._ball_x() % (2 * rightmost)  # there and back
        return min(way, 2 * rightmost - way)


TOY_GAMES = dict(zip(TOYS, (CatchEnv, CoarseCatchEnv), strict=True))
