"""What play without looking at the screen is worth: the least an agent must beat.

Random play is the usual baseline. One action held for ever is a better one in some
games: always UP crosses Freeway's road, where random play never arrives.

The rule of seeds, of `iris_core.evaluation.test_play` too: test episode i starts with
`reset(seed=seed + i)`, and a seeded reset depends on nothing that went before. So an
agent and a baseline meet the same starts, whichever game plays which episode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import NamedTuple

import numpy as np

from iris_core.config.paper import EnvConfig
from iris_core.envs.game import Game, check_rewards
from iris_core.envs.vector import make_env, most_test_steps

SCAN_RAW_FRAMES = 18_000  # five minutes of play, at 60 a second
Choose = Callable[[np.random.Generator], int]
EachStep = Callable[[], None]


def go_on() -> None:
    """Called before a step, and does not stop it."""


class BestConstant(NamedTuple):
    """The best action to hold for ever."""

    action: int
    meaning: str
    returns: np.ndarray  # (episodes,)


def play_fixed(
    config: EnvConfig,
    choose: Choose,
    episodes: int,
    seed: int,
    each_step: EachStep = go_on,
) -> np.ndarray:
    """Returns of test episodes, float64 (episodes,), under a policy that sees nothing.

    `choose` draws an action with a generator that is seeded for each episode.
    each_step: called before every step, here and below; may raise to stop.
    """
    env = _blind_env(config)
    returns = np.zeros(episodes)
    for i in range(episodes):
        env.reset(seed=seed + i)
        # The 1 keeps this generator apart from the game's own, seeded seed + i.
        rng = np.random.default_rng((seed + i, 1))
        returns[i] = _finish_episode(env, config, partial(choose, rng), each_step)
    return returns


def random_returns(
    config: EnvConfig, episodes: int, seed: int, each_step: EachStep = go_on
) -> np.ndarray:
    """Returns of test episodes of uniformly random actions, float64 (episodes,)."""
    actions = int(_blind_env(config).action_space.n)
    return play_fixed(
        config, lambda rng: int(rng.integers(actions)), episodes, seed, each_step
    )


def blind_returns(
    config: EnvConfig,
    shares: np.ndarray,
    episodes: int,
    seed: int,
    each_step: EachStep = go_on,
) -> np.ndarray:
    """Returns of test episodes of actions drawn with given shares (num_actions,).

    With an agent's own shares this is the agent with its eyes closed: what it scores
    above this, it owes to what it sees. Returns float64 (episodes,).
    """
    actions = len(shares)
    return play_fixed(
        config,
        lambda rng: int(rng.choice(actions, p=shares)),
        episodes,
        seed,
        each_step,
    )


def open_loop_returns(
    config: EnvConfig, recorded: Sequence[np.ndarray], seed: int
) -> np.ndarray:
    """Returns of test episodes under actions recorded in other ones, float64
    (episodes,): the agent, open loop.

    recorded: the actions (T,) that an agent took in test episodes from the same seed;
    episode i repeats those of the next one, and again from the first where they run
    out. What the agent scores above this, it owes to looking. It wants starts that
    differ (`test_noop_max` above 1): where all are alike, it is the agent's own game
    again.
    """
    env = _blind_env(config)
    returns = np.zeros(len(recorded))
    for i in range(len(recorded)):
        actions = cycle(recorded[(i + 1) % len(recorded)].tolist())
        env.reset(seed=seed + i)
        returns[i] = _finish_episode(env, config, partial(next, actions))
    return returns


def constant_returns(
    config: EnvConfig,
    action: int,
    episodes: int,
    seed: int,
    each_step: EachStep = go_on,
) -> np.ndarray:
    """Returns of test episodes of one action held, float64 (episodes,).

    Under the paper's test settings all of a game's episodes start alike; one whose
    start was played before has its return, so it is not played again.
    """
    env = _blind_env(config)
    known: dict[bytes, float] = {}
    returns = np.zeros(episodes)
    for i in range(episodes):
        env.reset(seed=seed + i)
        start = env.fingerprint()
        if start not in known:
            known[start] = _finish_episode(env, config, lambda: action, each_step)
        returns[i] = known[start]
    return returns


def best_constant_action(
    config: EnvConfig,
    episodes: int,
    seed: int,
    scan_episodes: int = 2,
    each_step: EachStep = go_on,
) -> BestConstant:
    """The action with the best mean over `scan_episodes`, and its returns.

    The scan looks at the first five minutes of each episode, for a game in which
    nothing happens runs on for thirty. Ties go to the action that is listed first.
    """
    meanings = _blind_env(config).get_action_meanings()
    limit = min(SCAN_RAW_FRAMES, config.test_max_raw_frames)
    short = replace(config, test_max_raw_frames=limit)
    scan = [
        constant_returns(short, action, scan_episodes, seed, each_step).mean()
        for action in range(len(meanings))
    ]
    best = int(np.argmax(scan))
    returns = constant_returns(config, best, episodes, seed, each_step)
    return BestConstant(best, meanings[best], returns)


def _blind_env(config: EnvConfig) -> Game:
    env = make_env(config, "test")
    env.render_frames = False
    return env


def _finish_episode(
    env: Game,
    config: EnvConfig,
    choose: Callable[[], int],
    each_step: EachStep = go_on,
) -> float:
    total = 0.0
    for _ in range(most_test_steps(config)):
        each_step()
        _, reward, terminated, truncated, _ = env.step(choose())
        total += reward
        if terminated or truncated:
            break
    check_rewards(np.array([total]))
    return total
