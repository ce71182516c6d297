"""The test after training: the agent beside what it must beat, on the same episodes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tqdm.auto import tqdm

from iris_core.agent import Agent
from iris_core.config.departures import Config
from iris_core.envs.atari_100k import REFERENCE
from iris_core.evaluation.baselines import (
    best_constant_action,
    blind_returns,
    random_returns,
)
from iris_core.evaluation.test_play import Evaluation, evaluate, standard_error

FINAL_SEED = 20_000  # the best agent was chosen on other episodes
OWN, RANDOM, CONSTANT = "this agent", "random", "best constant action"  # of its rows
BLIND = "blind, this agent's action shares"
BASELINES = (RANDOM, CONSTANT, BLIND)

Row = tuple[str, float | None, float | None]  # name, mean return, standard error


def final_test(
    agent: Agent, config: Config, each_step: Callable[[], None]
) -> tuple[Evaluation, list[Row]]:
    """Play the final test; its episodes, the first with its frames, and the table of
    baselines, this agent and a human. each_step: see `evaluate`."""
    test, env = config.evaluation, config.env
    played = evaluate(
        agent,
        env,
        test.final_episodes,
        test.num_envs,
        FINAL_SEED,
        test.temperature,
        test.epsilon,
        keep=1,
        each_step=each_step,
    )
    shares = played.shares
    table = baselines(config, shares, each_step) if test.final_baselines else []
    table.append(row(OWN, played.returns))
    if env.game in REFERENCE:
        table.append(("human", REFERENCE[env.game].human, None))
    return played, table


def baselines(
    config: Config, shares: np.ndarray, each_step: Callable[[], None]
) -> list[Row]:
    """Random play, the best constant action, and this agent's own shares of actions
    (num_actions,) drawn blindly, on the same episodes."""
    env, episodes = config.env, config.evaluation.final_episodes
    with tqdm(desc="baselines", unit="step", leave=False) as bar:

        def step() -> None:
            each_step()
            bar.update()

        best = best_constant_action(env, episodes, FINAL_SEED, each_step=step)
        blind = blind_returns(env, shares, episodes, FINAL_SEED, step)
        return [
            row(RANDOM, random_returns(env, episodes, FINAL_SEED, step)),
            row(f"{CONSTANT} ({best.meaning})", best.returns),
            row(BLIND, blind),
        ]


def row(name: str, returns: np.ndarray) -> Row:
    return name, float(returns.mean()), standard_error(returns)
