"""What scores on 26 games amount to, with 95% stratified bootstrap intervals.

The statistics of Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the
Statistical Precipice". rliable draws the bootstrap: runs again from each game's runs,
with replacement. What is computed on a replicate is written here, to the same numbers
as rliable's own (the tests compare them), because 50,000 replicates of those take
minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from iris_core.config.setting import ConfigError
from iris_core.envs.atari_100k import REFERENCE
from iris_core.tools.scores.scores import score_matrix

STATISTICS = ("median", "IQM", "mean", "optimality gap")
PROFILE_TAUS = np.linspace(0, 8, 201)  # the paper's

ENDS = ["value", "low", "high"]  # an estimate and its interval

PRINT_REPLICATES = 50_000  # of aggregates
PROFILE_REPLICATES = 2_000
IMPROVEMENT_REPLICATES = 1_000


class Estimates(NamedTuple):
    """Values with the ends of their intervals (columns value, low, high; low and high
    are NaN where there is one run a game).

    aggregates: by (algorithm, statistic). games: mean normalised scores, by (algorithm,
    game).
    """

    aggregates: pd.DataFrame
    games: pd.DataFrame


def statistics(scores: np.ndarray) -> np.ndarray:
    """Median, IQM, mean and optimality gap of normalised scores (runs, games): (4,).

    Median and mean are over games, of the means over runs. The IQM is the mean of the
    middle half of all scores; the optimality gap, how far scores are below 1 on average
    if none counts for more than 1.
    """
    games = scores.mean(axis=0)
    ranked, n = np.sort(games), len(games)
    median = (ranked[(n - 1) // 2] + ranked[n // 2]) / 2
    cut = scores.size // 4
    middle = np.sort(scores, axis=None)[cut : scores.size - cut]
    gap = 1 - np.minimum(scores, 1).mean()
    return np.array([median, middle.mean(), games.mean(), gap])


def superhuman(scores: np.ndarray) -> int:
    """On how many games the mean of (runs, games) normalised scores is 1 or more."""
    return int((scores.mean(axis=0).round(9) >= 1).sum())


def profile(scores: np.ndarray, taus: np.ndarray = PROFILE_TAUS) -> np.ndarray:
    """The share of (runs, games) scores above each tau: (taus,)."""
    ranked = np.sort(scores, axis=None)
    return 1 - np.searchsorted(ranked, taus, side="right") / ranked.size


def improvement(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The chance that a run of ours beats one of theirs, a tie counting as half, on a
    game picked at random: (runs, games), twice -> (1,)."""
    pairs = ours[:, None] - theirs  # (our runs, their runs, games)
    return np.array([(np.sign(pairs).mean() + 1) / 2])


def estimate(
    table: pd.DataFrame, algorithms: Sequence[str], replicates: int
) -> Estimates:
    """Aggregates and mean scores by game, each algorithm with all its runs.

    ConfigError for an algorithm that is unknown or lacks a game.
    """

    def all_at_once(scores: np.ndarray) -> np.ndarray:
        return np.concatenate([statistics(scores), scores.mean(axis=0)])

    names = [*STATISTICS, *REFERENCE]
    tables = {}
    for algorithm in algorithms:
        values = bootstrap(all_at_once, (score_matrix(table, algorithm),), replicates)
        tables[algorithm] = pd.DataFrame(values, names, ENDS)
    found = pd.concat(tables, names=["algorithm", "name"])
    of_games = found.index.isin(REFERENCE, level="name")
    return Estimates(found[~of_games], found[of_games])


def performance_profiles(
    table: pd.DataFrame, algorithms: Sequence[str], replicates: int
) -> dict[str, np.ndarray]:
    """Shares of runs above PROFILE_TAUS: name -> (taus, 3), value, low and high."""
    return {
        name: bootstrap(profile, (score_matrix(table, name),), replicates)
        for name in algorithms
    }


def probabilities_of_improvement(
    table: pd.DataFrame, ours: str, others: Sequence[str], replicates: int
) -> pd.DataFrame:
    """P(a run of ours beats one of theirs), by algorithm: columns value, low, high."""
    mine, theirs = score_matrix(table, ours), (score_matrix(table, n) for n in others)
    rows = [bootstrap(improvement, (mine, each), replicates)[0] for each in theirs]
    return pd.DataFrame(rows, list(others), ENDS)


def differences(
    table: pd.DataFrame, ours: str, theirs: str, replicates: int
) -> pd.DataFrame:
    """Mean normalised score of ours minus theirs, by game: columns value, low, high."""
    pair = (score_matrix(table, ours), score_matrix(table, theirs))
    rows = bootstrap(lambda x, y: x.mean(0) - y.mean(0), pair, replicates)
    return pd.DataFrame(rows, list(REFERENCE), ENDS)


def bootstrap(
    statistic: Callable[..., np.ndarray],
    samples: tuple[np.ndarray, ...],
    replicates: int,
    seed: int = 0,
) -> np.ndarray:
    """A statistic (n,) of one or more (runs, games), and its 95% interval: (n, 3).

    The columns are value, low and high; low and high are NaN where no sample has more
    than one run. The same seed gives the same intervals.
    """
    if replicates < 1:
        raise ConfigError(f"replicates is {replicates}; wanted 1 or more")
    value = statistic(*samples)
    if max(len(scores) for scores in samples) == 1:
        ends = np.full((2, len(value)), np.nan)
        return np.stack([value, *ends], axis=1)
    from rliable import library  # it takes seconds, and only bootstraps need it

    before = np.random.get_state()  # of the generator that rliable draws from
    np.random.seed(seed)
    try:
        _, intervals = library.get_interval_estimates(
            {"": samples[0] if len(samples) == 1 else list(samples)},
            statistic,
            reps=replicates,
        )
    finally:
        np.random.set_state(before)
    return np.stack([value, *intervals[""]], axis=1)
