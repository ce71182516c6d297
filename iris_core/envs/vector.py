"""Games made from the configuration, one alone or several side by side."""

from __future__ import annotations

from functools import partial

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from iris_core.config.games import game_name
from iris_core.config.paper import EnvConfig
from iris_core.config.setting import ConfigError
from iris_core.envs.atari import Mode, make_atari
from iris_core.envs.catch import TOY_GAMES
from iris_core.envs.game import Game, State, as_game


def make_env(config: EnvConfig, mode: Mode) -> Game:
    """The configured game, by the settings of training or of tests.

    Raises:
        ConfigError: unknown game.
    """
    if not config.game:
        raise ConfigError(
            "Which game? Neither the name of this published agent's file nor a config"
            " of its run tells it: say --game NAME, or load_agent(..., game=NAME)."
        )
    if toy := TOY_GAMES.get(game := game_name(config.game)):
        return toy()
    train = mode == "train"
    return make_atari(
        game,
        mode,
        frame_skip=config.frame_skip,
        noop_max=config.noop_max if train else config.test_noop_max,
        end_on_life_loss=train and config.end_on_life_loss,
        max_raw_frames=(config.max_raw_frames if train else config.test_max_raw_frames),
    )


def most_test_steps(config: EnvConfig) -> int:
    """Agent steps after which a test episode is cut short, also of a game that would
    never end."""
    return -(-config.test_max_raw_frames // config.frame_skip)


def make_vector(
    config: EnvConfig,
    mode: Mode,
    num_envs: int,
    autoreset: AutoresetMode = AutoresetMode.SAME_STEP,
) -> SyncVectorEnv:
    """`num_envs` games stepped side by side; observations (num_envs, 64, 64, 3).

    A game that ends is reset in the same step: its observation is the new episode's
    first, and `infos["final_obs"]`, `infos["final_info"]` hold the old one's last.
    `reset(seed=s)` seeds game i with s + i.
    """
    games = [partial(make_env, config, mode) for _ in range(num_envs)]
    return SyncVectorEnv(games, autoreset_mode=autoreset)


def vector_get_state(envs: SyncVectorEnv) -> list[State]:
    """The state of each game.

    With resets in the same step a `SyncVectorEnv` carries nothing else from one step
    to the next: every buffer of its own is overwritten before it is read.
    """
    return [as_game(env).get_state() for env in envs.envs]


def vector_set_state(envs: SyncVectorEnv, states: list[State]) -> np.ndarray:
    """Goes on from `vector_get_state`; returns the observations, (n, 64, 64, 3).

    Raises:
        ValueError: another number of games, or see `Game.set_state`.
    """
    if len(states) != envs.num_envs:
        raise ValueError(f"{len(states)} states for {envs.num_envs} environments.")
    pairs = zip(envs.envs, states, strict=True)
    return np.stack([as_game(env).set_state(state) for env, state in pairs])
