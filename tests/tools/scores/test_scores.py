"""Tables of scores, read and refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from iris_core.config import ConfigError
from iris_core.envs.atari_100k import REFERENCE
from iris_core.tools.scores.scores import (
    LATER,
    PAPER,
    SEARCH,
    games_of,
    load_scores,
    score_matrix,
    split_complete,
)

# The published table


def test_every_published_run_is_there(scores: pd.DataFrame) -> None:
    assert len(scores) == 8372 and list(scores["algorithm"].unique()) != []
    assert set(scores["algorithm"]) == {*PAPER, *LATER, *SEARCH}
    assert split_complete(scores, [*PAPER, *LATER, *SEARCH])[1] == []
    runs = {name: len(score_matrix(scores, name)) for name in [*PAPER, *LATER]}
    assert runs == {
        "SimPLe": 5,
        "CURL": 100,
        "DrQ(eps)": 100,
        "SPR": 100,
        "IRIS": 5,  # the notebook printed with its files says 3
        "Delta-IRIS": 5,
        "DIAMOND": 5,
    }
    assert scores["source"].str.contains("/").all()


# Other people's tables


def write_csv(
    path: Path, rows: list[tuple], columns: str = "algorithm,game,run,score"
) -> Path:
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]))
    return path


def all_games(runs: int = 2, algorithm: str = "Mine") -> list[tuple]:
    return [
        (algorithm, game, run, 10 + run) for game in REFERENCE for run in range(runs)
    ]


def test_reads_the_tidy_table(tmp_path: Path) -> None:
    table = load_scores(write_csv(tmp_path / "mine.csv", all_games()))
    assert list(table.columns) == ["algorithm", "game", "run", "score", "source"]
    assert set(table["source"]) == {"mine.csv"}
    assert score_matrix(table, "Mine").shape == (2, 26)


def test_reads_game_to_list(tmp_path: Path) -> None:
    path = tmp_path / "Mine.json"
    path.write_text(
        json.dumps({game: [1, 2.5, 99.99999999999997] for game in REFERENCE})
    )
    table = load_scores(path)
    assert set(table["algorithm"]) == {"Mine"}
    assert table["score"].tolist()[:3] == [1, 2.5, 100]
    assert set(load_scores(path, "Other")["algorithm"]) == {"Other"}


def test_reads_records(tmp_path: Path) -> None:
    path = tmp_path / "CURL.json"
    records = [
        {"game": game, "seed": seed, "HNS": 0.25, "Max HNS": 1.0}
        for game in REFERENCE
        for seed in (1.0, 2.0)
    ]
    path.write_text(json.dumps(records))
    table = load_scores(path)
    assert np.allclose(score_matrix(table, "CURL"), 0.25, atol=1e-4)
    assert set(table["run"]) == {0, 1}
    path.write_text(json.dumps([{"game": game, "score": 3} for game in REFERENCE]))
    assert set(load_scores(path)["score"]) == {3}


def test_partial_tables(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "mine.csv", [("Mine", "Pong", 0, 3)])
    with pytest.raises(ConfigError, match=r"Mine has no runs of Alien.*partial=True"):
        load_scores(path)
    table = load_scores(path, partial=True)
    assert games_of(table, "Mine") == ["Pong"]
    assert split_complete(table, ["Mine"]) == ([], ["Mine"])
    with pytest.raises(ConfigError, match="no aggregate over the 26"):
        score_matrix(table, "Mine")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("Mine", "Pongg", 0, 1), r"line 54: 'Pongg' .* Did you mean Pong"),
        (("Mine", "Pong", 2, "nan"), "line 54: score is 'nan', wanted a finite number"),
        (("Mine", "Pong", 2, "inf"), "line 54: score is 'inf'"),
        (("Mine", "Pong", 2, ""), "line 54: score is ''"),
        (("Mine", "Pong", "one", 1), "line 54: run is 'one'"),
        (("Mine", "Pong", 1.5, 1), "line 54: run is '1.5', wanted 0, 1, 2"),
        (("Mine", "Pong", 1, 1), r"line 54: run 1 .* there already \(line 43\)"),
        (("Mine", "Pong", 2, 1), "Mine has 3 runs of Pong and 2 of other games"),
    ],
)
def test_says_which_row_is_wrong(tmp_path: Path, row: tuple, message: str) -> None:
    path = write_csv(tmp_path / "mine.csv", [*all_games(), row])
    with pytest.raises(ConfigError, match=message) as caught:
        load_scores(path)
    assert "mine.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mine.csv", "algorithm,game,score\nMine,Pong,1", "no column run; it has"),
        ("mine.csv", "algorithm,game,run,score\n", "holds no scores"),
        ("mine.csv", "", "it is empty"),
        ("mine.json", "{", "cannot read"),
        ("mine.json", "3", "wanted {game"),
        ("mine.json", "[3]", "record 0: no game in 3"),
        ("mine.json", '[{"game": "Pong"}]', "record 0: score is None"),
        ("mine.json", '{"Pong": 3}', r"Pong\[0\]: score is None"),
        ("mine.json", '{"Pong": [1, "x"]}', r"Pong\[1\]: score is 'x'"),
        ("mine.txt", "Pong 3", "read from a .csv or a .json"),
    ],
)
def test_refuses_other_files(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_scores(tmp_path / name)


def test_a_missing_file_and_an_unknown_name(scores: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_scores("nowhere.csv")
    with pytest.raises(ConfigError, match=r"Did you mean IRIS.*There are"):
        score_matrix(scores, "IRIX")
