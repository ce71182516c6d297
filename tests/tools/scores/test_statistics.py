"""Aggregates with their intervals: the paper's numbers, and rliable's."""

import numpy as np
import pandas as pd
import pytest
from rliable import metrics

from iris_core.config import ConfigError
from iris_core.envs.atari_100k import REFERENCE, human_normalised
from iris_core.tools.scores.scores import (
    PAPER,
    score_matrix,
)
from iris_core.tools.scores.statistics import (
    STATISTICS,
    bootstrap,
    differences,
    estimate,
    improvement,
    performance_profiles,
    probabilities_of_improvement,
    profile,
    statistics,
    superhuman,
)

# Of the paper and of later ones: median, IQM, mean, optimality gap, superhuman games
PUBLISHED = {
    "IRIS": (0.289, 0.501, 1.046, 0.512, 10),
    "SimPLe": (0.134, 0.130, 0.332, 0.729, 1),
    "CURL": (0.092, 0.113, 0.261, 0.768, 2),
    "DrQ(eps)": (0.313, 0.280, 0.465, 0.631, 3),
    "SPR": (0.396, 0.337, 0.616, 0.577, 6),
    "Delta-IRIS": (0.594, 0.682, 1.383, None, 12),
    "DIAMOND": (0.373, 0.641, 1.459, None, 11),
}
INTERVALS = {  # of IRIS
    "mean": (0.97, 1.13),
    "median": (0.25, 0.41),
    "IQM": (0.44, 0.56),
    "optimality gap": (0.49, 0.53),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_aggregates_are_the_papers(scores: pd.DataFrame, name: str) -> None:
    *expected, games = PUBLISHED[name]
    matrix = score_matrix(scores, name)
    for value, wanted in zip(statistics(matrix), expected, strict=True):
        assert wanted is None or value == pytest.approx(wanted, abs=0.0005)
    assert superhuman(matrix) == games


def test_intervals_are_the_papers(scores: pd.DataFrame) -> None:
    found = estimate(scores, ["IRIS"], replicates=4000).aggregates.loc["IRIS"]
    for statistic, (low, high) in INTERVALS.items():
        row = found.loc[statistic]
        assert row["low"] == pytest.approx(low, abs=0.012), statistic
        assert row["high"] == pytest.approx(high, abs=0.012), statistic


def test_statistics_are_rliables(scores: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    for matrix in (score_matrix(scores, "SPR"), rng.normal(size=(3, 7))):
        theirs = [
            metrics.aggregate_median(matrix),
            metrics.aggregate_iqm(matrix),
            metrics.aggregate_mean(matrix),
            metrics.aggregate_optimality_gap(matrix),
        ]
        assert np.allclose(statistics(matrix), theirs)
        taus = np.array([-1.0, 0, 0.3, matrix.flat[3]])
        shares = [(matrix > tau).mean() for tau in taus]
        assert np.allclose(profile(matrix, taus), shares)
    assert len(STATISTICS) == 4


def test_probability_of_improvement(scores: pd.DataFrame) -> None:
    iris = score_matrix(scores, "IRIS")
    found = {name: improvement(iris, score_matrix(scores, name)) for name in PAPER}
    assert found["SimPLe"] == pytest.approx(0.749, abs=0.0005)
    assert found["DrQ(eps)"] == pytest.approx(0.688, abs=0.0005)
    # CURL and SPR tie with IRIS in PrivateEye, all at 100: see the next test
    assert found["CURL"] == pytest.approx(0.778, abs=0.0005)
    assert found["SPR"] == pytest.approx(0.596, abs=0.0005)
    assert found["IRIS"] == 0.5
    rival = score_matrix(scores, "SimPLe")
    theirs = metrics.probability_of_improvement(iris, rival)
    assert found["SimPLe"] == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("name", "residues", "wanted"), [("CURL", 74, 0.792), ("SPR", 76, 0.610)]
)
def test_published_probabilities_count_residues_as_wins(
    scores: pd.DataFrame, name: str, residues: int, wanted: float
) -> None:
    """So many hundreds are a hair less in the result files, e.g. 99.99999999999997."""
    game = list(REFERENCE).index("PrivateEye")
    theirs = score_matrix(scores, name)
    hundred = human_normalised("PrivateEye", 100)
    ties = np.flatnonzero(theirs[:, game] == hundred)[:residues]
    assert len(ties) == residues
    theirs[ties, game] -= 1e-12
    found = improvement(score_matrix(scores, "IRIS"), theirs)
    assert found == pytest.approx(wanted, abs=0.0005)


def test_bootstrap_is_repeatable_and_leaves_numpy_alone(scores: pd.DataFrame) -> None:
    state = np.random.get_state()[1].copy()
    first, again = (differences(scores, "IRIS", "SPR", 50) for _ in range(2))
    assert first.equals(again)
    assert (np.random.get_state()[1] == state).all()
    assert (first["low"] <= first["value"]).all()
    other = bootstrap(statistics, (score_matrix(scores, "IRIS"),), 50, seed=1)
    same = bootstrap(statistics, (score_matrix(scores, "IRIS"),), 50, seed=0)
    assert not np.array_equal(other, same)
    with pytest.raises(ConfigError, match="replicates is 0"):
        bootstrap(statistics, (score_matrix(scores, "IRIS"),), 0, seed=0)


def test_one_run_a_game_has_no_interval(scores: pd.DataFrame) -> None:
    found = estimate(scores, ["MuZero"], replicates=10).aggregates
    assert found["value"].notna().all() and found[["low", "high"]].isna().all().all()
    table = probabilities_of_improvement(scores, "IRIS", ["MuZero", "SPR"], 20)
    assert table.notna().all().all()  # IRIS's runs vary
    shares = performance_profiles(scores, ["MuZero"], replicates=10)["MuZero"]
    assert shares.shape == (201, 3) and np.isnan(shares[:, 1]).all()
    assert shares[0, 0] == pytest.approx(25 / 26, abs=0.04)
