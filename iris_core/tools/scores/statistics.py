"""What scores on 26 games amount to, with 95% stratified bootstrap intervals.

The statistics of Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the
Statistical Precipice". rliable draws the bootstrap: runs again from each game's runs,
with replacement. What is computed on a replicate is written here, to the same numbers
as rliable's own (the tests compare them), because 50,000 replicates of those take
minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd

from iris_core.config.schema import ConfigError
from iris_core.envs.atari_100k import REFERENCE
from iris_core.tools.scores.scores import score_matrix

STATISTICS = ("median", "IQM", "mean", "optimality gap")
PROFILE_TAUS = np.linspace(0, 8, 201)  # the paper's

PRINT_REPLICATES = 50_000  # of aggregates
PROFILE_REPLICATES = 2_000
IMPROVEMENT_REPLICATES = 1_000


@dataclass(frozen=True)
class Estimates:
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


def profile(scores: np.ndarray, taus: np.ndarray) -> np.ndarray:
    """The share of (runs, games) scores above each tau: (taus,)."""
    ranked = np.sort(scores, axis=None)
    return 1 - np.searchsorted(ranked, taus, side="right") / ranked.size


def improvement(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The chance that a run of ours beats one of theirs, a tie counting as half, on a
    game picked at random: (runs, games), twice -> (1,)."""
    pairs = ours[:, None] - theirs  # (our runs, their runs, games)
    return np.array([(np.sign(pairs).mean() + 1) / 2])


def estimate(
    table: pd.DataFrame,
    algorithms: Sequence[str],
    replicates: int = PRINT_REPLICATES,
    seed: int = 0,
) -> Estimates:
    """Aggregates and mean scores by game, each algorithm with all its runs.

    ConfigError for an algorithm that is unknown or lacks a game.
    """

    def all_at_once(scores: np.ndarray) -> np.ndarray:
        return np.concatenate([statistics(scores), scores.mean(axis=0)])

    names = [*STATISTICS, *REFERENCE]
    tables = {}
    for algorithm in algorithms:
        scores = score_matrix(table, algorithm)
        values = bootstrap(all_at_once, (scores,), replicates, seed)
        tables[algorithm] = pd.DataFrame(values, names, ["value", "low", "high"])
    found = pd.concat(tables, names=["algorithm", "name"])
    of_games = found.index.isin(REFERENCE, level="name")
    return Estimates(found[~of_games], found[of_games])


def performance_profiles(
    table: pd.DataFrame,
    algorithms: Sequence[str],
    taus: np.ndarray = PROFILE_TAUS,
    replicates: int = PROFILE_REPLICATES,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """The share of runs that score above tau, and its interval: name -> (taus, 3)."""
    return {
        name: bootstrap(
            lambda scores: profile(scores, taus),
            (score_matrix(table, name),),
            replicates,
            seed,
        )
        for name in algorithms
    }


def probabilities_of_improvement(
    table: pd.DataFrame,
    ours: str,
    others: Sequence[str],
    replicates: int = IMPROVEMENT_REPLICATES,
    seed: int = 0,
) -> pd.DataFrame:
    """P(a run of ours beats one of theirs), by algorithm: columns value, low, high."""
    mine = score_matrix(table, ours)
    rows = [
        bootstrap(improvement, (mine, score_matrix(table, name)), replicates, seed)[0]
        for name in others
    ]
    return pd.DataFrame(rows, list(others), ["value", "low", "high"])


def differences(
    table: pd.DataFrame,
    ours: str,
    theirs: str,
    replicates: int = PROFILE_REPLICATES,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean normalised score of ours minus theirs, by game: columns value, low, high."""
    pair = (score_matrix(table, ours), score_matrix(table, theirs))
    rows = bootstrap(lambda x, y: x.mean(0) - y.mean(0), pair, replicates, seed)
    return pd.DataFrame(rows, list(REFERENCE), ["value", "low", "high"])


def bootstrap(
    statistic: Callable[..., np.ndarray],
    samples: tuple[np.ndarray, ...],
    replicates: int,
    seed: int,
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

    with numpy_seed(seed):
        _, intervals = library.get_interval_estimates(
            {"": samples[0] if len(samples) == 1 else list(samples)},
            statistic,
            reps=replicates,
        )
    return np.stack([value, *intervals[""]], axis=1)


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, which rliable draws from, and put it back."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
