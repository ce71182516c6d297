"""The games: Atari in the paper's preprocessing, and Catch, a toy game in two sizes."""

import gymnasium as gym

from iris_core.config.games import list_games
from iris_core.envs.atari import AtariEnv, make_atari
from iris_core.envs.atari_100k import ATARI_100K
from iris_core.envs.catch import TOY_GAMES, CatchEnv, CoarseCatchEnv
from iris_core.envs.game import Game, action_meanings, as_game
from iris_core.envs.vector import (
    make_env,
    make_vector,
    vector_get_state,
    vector_set_state,
)

__all__ = [
    "ATARI_100K",
    "TOY_GAMES",
    "AtariEnv",
    "CatchEnv",
    "CoarseCatchEnv",
    "Game",
    "action_meanings",
    "as_game",
    "list_games",
    "make_atari",
    "make_env",
    "make_vector",
    "vector_get_state",
    "vector_set_state",
]

gym.register(id="iris/Catch-v0", entry_point="iris_core.envs.catch:CatchEnv")
gym.register(
    id="iris/CoarseCatch-v0", entry_point="iris_core.envs.catch:CoarseCatchEnv"
)
gym.register(
    id="iris/Dream-v0",
    entry_point="iris_core.imagination.gym_env:DreamGymEnv",
    vector_entry_point="iris_core.imagination.gym_env:DreamVectorEnv",
)
