"""Atari games, preprocessed exactly as in the paper (section 3, appendix A).

An agent step holds an action for four raw frames. The last two of them are each
resized to 64x64, then their pixelwise maximum is taken, in this order, because many
games draw their objects on every other frame only. Sticky actions are off.

    raw frames    1 . 2 . 3 . 4
                          |   |
    resize                64  64
                           \\ /
    observation            max
"""

from __future__ import annotations

from typing import Any, Literal

import ale_py
import gymnasium as gym
import numpy as np
from ale_py import roms
from PIL import Image

from iris_core.config.games import game_name, list_games, roms_by_name
from iris_core.config.setting import ConfigError
from iris_core.envs.game import FRAME_SHAPE, Game, State

Mode = Literal["train", "test"]

NOOP = 0  # its place in every game's action set


def make_atari(
    game: str,
    mode: Mode = "train",
    *,
    frame_skip: int = 4,
    noop_max: int | None = None,
    end_on_life_loss: bool | None = None,
    max_raw_frames: int | None = None,
) -> AtariEnv:
    """An Atari game in the paper's preprocessing.

    Args:
        game: a name from `list_games()`, e.g. "Breakout".
        mode: gives the paper's defaults. train: up to 30 no-ops after a reset, a lost
            life ends the episode, 20,000 raw frames. test: one no-op, only the end of
            the game ends it, 108,000 raw frames.
        frame_skip: raw frames that an action is held for.
        noop_max: a reset plays 1 to this many no-ops, uniformly, one raw frame each.
        end_on_life_loss: whether a lost life terminates the episode.
        max_raw_frames: raw frames, no-ops included, after which it is truncated.

    Raises:
        ConfigError: unknown game or mode, or a number below 1.
    """
    if mode not in ("train", "test"):
        raise ConfigError(f"mode is {mode!r}; it must be 'train' or 'test'.")
    train = mode == "train"
    if noop_max is None:
        noop_max = 30 if train else 1
    if max_raw_frames is None:
        max_raw_frames = 20_000 if train else 108_000
    if end_on_life_loss is None:
        end_on_life_loss = train
    return AtariEnv(game, frame_skip, noop_max, end_on_life_loss, max_raw_frames)


class AtariEnv(Game):
    """One game; see `make_atari`.

    Observations are uint8 (64, 64, 3). Rewards are the game's own, summed over the
    skipped frames and not clipped. `terminated`: the game is over or a life is lost.
    `truncated`: the limit of raw frames is reached. `info` has

        lives       lives left, 0 in games without lives
        raw_frames  raw frames since the game began, no-ops included
        life_lost   this step ended the episode by a lost life alone: the game itself
                    goes on, and the next `reset()` goes on in it
    """

    def __init__(
        self,
        game: str,
        frame_skip: int,
        noop_max: int,
        end_on_life_loss: bool,
        max_raw_frames: int,
    ) -> None:
        _check_at_least_one("frame_skip", frame_skip)
        _check_at_least_one("noop_max", noop_max)
        _check_at_least_one("max_raw_frames", max_raw_frames)
        self.game = game_name(game, list_games())
        self.frame_skip = frame_skip
        self.noop_max = noop_max
        self.end_on_life_loss = end_on_life_loss
        self.max_raw_frames = max_raw_frames

        rom = roms.get_rom_path(roms_by_name()[self.game])
        assert rom is not None  # ale-py brings those along that it lists
        self._rom = rom
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # no banner
        self._ale = ale_py.ALEInterface()
        self._ale.setFloat("repeat_action_probability", 0.0)
        # Without sticky actions nothing draws from the emulator's generator.
        self._ale.setInt("random_seed", 0)
        self._done, self._life_lost = True, False
        self._load()
        self._actions = self._ale.getMinimalActionSet()
        super().__init__(len(self._actions))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode. The observation is one frame, without a maximum.

        With a `seed` it depends on nothing that happened before, which costs 0.1 s.
        After a lost life the game goes on, with one skipped no-op step whose reward is
        dropped; only a seed starts it anew there. `options={"noops": n}` plays exactly
        n no-ops if the game starts anew.
        """
        super().reset(seed=seed)
        if seed is not None and self._start:
            self._load()
        if not (self._life_lost and self._continue_game()):
            noops = (options or {}).get("noops")
            if noops is None:
                noops = int(self.np_random.integers(1, self.noop_max + 1))
            self._start_game(noops)
        self._done = self._life_lost = False
        self._lives = self._ale.lives()
        return self._observation.copy(), self._info()

    def step(
        self, action: int | np.integer
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Holds an action for `frame_skip` raw frames, fewer if the episode ends."""
        self._check_can_step(action, self._done)
        reward = self._skip(int(action))
        # A skip that ended early leaves older frames in the buffer, as in the paper.
        np.maximum(self._buffer[0], self._buffer[1], out=self._observation)

        over, truncated = self._game_over(), self._limit_reached()
        lives, before = self._ale.lives(), self._lives
        self._lives = lives
        fewer = self.end_on_life_loss and 0 < lives < before
        self._life_lost = fewer and not (over or truncated)
        terminated = over or fewer
        self._done = terminated or truncated
        # Both can happen at once; an episode that is over was not cut short.
        truncated = truncated and not over
        return self._observation.copy(), reward, terminated, truncated, self._info()

    def render(self) -> np.ndarray:
        """The emulator's own picture, uint8 (210, 160, 3)."""
        return self._ale.getScreenRGB()

    def get_action_meanings(self) -> list[str]:
        """The name of each action, e.g. ["NOOP", "FIRE", "RIGHT", "LEFT"]."""
        return [action.name for action in self._actions]

    def get_state(self) -> State:
        """The state as plain values: the game's start and every raw action since.

        ale-py's own snapshots leave out parts of the video chip (its issues 412 and
        417), so that Q*bert goes on differently from one taken in mid-game. Taken
        right after a reset they are exact, and the actions lead from there to here.

        Raises:
            gymnasium.error.ResetNeeded: no game has been started.
        """
        if not self._start:
            raise gym.error.ResetNeeded("There is no game to save: call reset() first.")
        return {
            "game": self.game,
            "start": self._start,
            "raw_actions": bytes(self._raw_actions),
            "ram": self._ale.getRAM().tobytes(),
            "lives": self._lives,
            "done": self._done,
            "life_lost": self._life_lost,
            "buffer": self._buffer.tobytes(),
            "observation": self._observation.tobytes(),
            "np_random": self.np_random.bit_generator.state,
        }

    def set_state(self, state: State) -> np.ndarray:
        """Goes on from a state of `get_state`; returns the observation there.

        Replays the raw actions since the game began: 0.1 s per 1,000 raw frames.

        Raises:
            ValueError: the state is of another game, or of an emulator that behaves
                differently.
        """
        if state["game"] != self.game:
            raise ValueError(f"The state is of {state['game']}, not of {self.game}.")
        self._load()
        self._reset_emulator()
        self._start = state["start"]
        self._ale.restoreState(ale_py.ALEState(self._start))
        for action in state["raw_actions"]:
            self._act(action)
        if self._ale.getRAM().tobytes() != state["ram"]:
            raise ValueError(
                f"Replaying the saved actions of {self.game} led elsewhere: was the"
                f" state saved with another version of ale-py than"
                f" {ale_py.__version__}?"
            )
        self._lives = state["lives"]
        self._done = state["done"]
        self._life_lost = state["life_lost"]
        self._buffer[:] = _frames(state["buffer"])
        self._observation[:] = _frames(state["observation"])[0]
        self.np_random.bit_generator.state = state["np_random"]
        return self._observation.copy()

    def fingerprint(self) -> bytes:
        """The emulator's state and the raw frames used up; see `Game.fingerprint`.

        For moments right after a seeded reset: see `get_state` about later ones.
        """
        emulator = self._ale.cloneState(include_rng=False).serialize()
        return len(self._raw_actions).to_bytes(4, "big") + emulator

    def _load(self) -> None:
        """A factory-new console: nothing remains of earlier games."""
        self._ale.loadROM(self._rom)
        self._buffer = np.zeros((2, *FRAME_SHAPE), np.uint8)
        self._observation = np.zeros(FRAME_SHAPE, np.uint8)
        self._start = b""
        self._raw_actions = bytearray()
        self._lives = 0
        self._done, self._life_lost = True, False

    def _reset_emulator(self) -> None:
        self._ale.reset_game()
        self._start = self._ale.cloneState(include_rng=True).serialize()
        self._raw_actions.clear()

    def _start_game(self, noops: int) -> None:
        self._reset_emulator()
        for _ in range(noops):
            self._act(NOOP)
            if self._game_over() or self._limit_reached():
                self._reset_emulator()
        self._draw(self._observation)

    def _continue_game(self) -> bool:
        """Goes on after a lost life; False if that ended the game."""
        self._skip(NOOP)
        np.maximum(self._buffer[0], self._buffer[1], out=self._observation)
        return not (self._game_over() or self._limit_reached())

    def _skip(self, action: int) -> float:
        """One agent step in the emulator: returns its reward, fills the buffer."""
        reward = 0.0
        for i in range(self.frame_skip):
            reward += self._act(action)
            left = self.frame_skip - 1 - i
            if left < 2:
                self._draw(self._buffer[1 - left])
            if self._game_over() or self._limit_reached():
                break
        return reward

    def _act(self, action: int) -> int:
        """One raw frame."""
        self._raw_actions.append(action)
        return self._ale.act(self._actions[action])

    def _draw(self, out: np.ndarray) -> None:
        """The emulator's picture, resized to 64x64, into `out`."""
        if self.render_frames:
            picture = Image.fromarray(self._ale.getScreenRGB())
            out[:] = picture.resize((64, 64), Image.Resampling.BILINEAR)

    def _game_over(self) -> bool:
        return self._ale.game_over(with_truncation=False)

    def _limit_reached(self) -> bool:
        return len(self._raw_actions) >= self.max_raw_frames

    def _info(self) -> dict[str, Any]:
        return {
            "lives": self._lives,
            "raw_frames": len(self._raw_actions),
            "life_lost": self._life_lost,
        }


def _frames(pixels: bytes) -> np.ndarray:
    return np.frombuffer(pixels, np.uint8).reshape(-1, *FRAME_SHAPE)


def _check_at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{name} is {value}; it must be at least 1.")
