"""The 26 games and what their scores are measured by."""

import pandas as pd
import pytest

from iris_core.envs.atari_100k import REFERENCE, human_normalised, raw_score
from iris_core.tools.scores.scores import data_folder


def test_reference_file_says_the_same() -> None:
    table = pd.read_csv(data_folder() / "scores" / "reference.csv", index_col="game")
    assert {g: tuple(row) for g, row in table.iterrows()} == {
        game: tuple(reference) for game, reference in REFERENCE.items()
    }


def test_normalised_scores() -> None:
    assert human_normalised("Pong", -20.7) == 0 and human_normalised("Pong", 14.6) == 1
    assert human_normalised("Breakout", 83.7) == pytest.approx(82 / 28.8)
    assert human_normalised("Catch", 1.0) is None


def test_raw_scores_undo_normalised_ones() -> None:
    for game, reference in REFERENCE.items():
        assert raw_score(game, 0) == reference.random
        assert raw_score(game, human_normalised(game, 12.5)) == pytest.approx(12.5)
