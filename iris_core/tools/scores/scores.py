"""Scores of published agents, and of anybody's: tables of runs, read and checked.

A table is a DataFrame with a row for each trained agent: algorithm, game, run, score
(its mean return), source.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from iris_core.config.check import nearest
from iris_core.config.setting import ConfigError
from iris_core.envs.atari_100k import REFERENCE, raw_score
from iris_core.runtime.files import read_json, read_text
from iris_core.runtime.table import parse_rows, read_cells

COLUMNS = ("algorithm", "game", "run", "score", "source")

# Names in data/scores, in the order they are shown
PAPER = ("SimPLe", "CURL", "DrQ(eps)", "SPR", "IRIS")  # of the paper's figures
LATER = ("Delta-IRIS", "DIAMOND")  # world models that came after
SEARCH = ("MuZero", "EfficientZero")  # plan by tree search; one published score a game
BEYOND = ("SPR", *SEARCH, "IRIS", *LATER)  # the paper's best rival, and what lies ahead


def load_scores(
    path: str | Path | None = None, algorithm: str = "", partial: bool = False
) -> pd.DataFrame:
    """Read scores, one row a trained agent: algorithm, game, run, score, source.

    Args:
        path: a tidy .csv with these columns (source may be missing), or a .json in one
            of the layouts that results are published in: {game: [score, ...]}, or
            records with game and score, or HNS, the human-normalised score. By
            default the published scores of data/scores.
        algorithm: whose scores a .json holds; by default the file's name.
        partial: accept some of the 26 games.

    Raises:
        ConfigError: it names the file and the row that cannot be used, and says why.
    """
    file = data_folder() / "scores" / "runs.csv" if path is None else Path(path)
    if file.suffix not in (".csv", ".json"):
        raise ConfigError(f"{file}: scores are read from a .csv or a .json")
    csv = file.suffix == ".csv"
    rows = rows_of_csv(file) if csv else rows_of_json(file, algorithm or file.stem)
    table = check_rows(rows, file)
    check_counts(table, file, partial)
    return table


def find_data() -> Path | None:
    """data/ of the project; it stays in the repository, so an installed copy of the
    library finds it from inside a clone only."""
    here = Path.cwd()
    for folder in (Path(__file__).resolve().parents[3], here, *here.parents):
        if (folder / "data" / "scores" / "runs.csv").is_file():
            return folder / "data"
    return None


def data_folder() -> Path:
    """As `find_data`; ConfigError if it is not there."""
    if (found := find_data()) is None:
        raise ConfigError(
            f"no data/scores/runs.csv in {Path.cwd()} or above it. Run this inside a"
            " clone of the repository, or give a file of scores, or your own runs:"
            " iris figures --scores FILE, --own PATH"
        )
    return found


class Row(NamedTuple):
    """A row as read, and where it stands in its file."""

    where: str
    algorithm: str
    game: str
    run: Any
    score: Any
    source: str


def rows_of_csv(file: Path) -> list[Row]:
    """The rows of a tidy table."""
    table = read_table(file, ("algorithm", "game", "run", "score"))
    if "source" not in table:
        table["source"] = file.name
    return [
        Row(f"line {line}", *(record[name] for name in COLUMNS))
        for line, record in enumerate(table.to_dict("records"), start=2)
    ]


def read_table(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A .csv as text, cell by cell; ConfigError unless it has these columns."""
    text = read_text(file)
    header, _ = read_cells(text, file)
    table = pd.DataFrame(parse_rows(text, file), columns=header, dtype=str)
    if missing := [name for name in columns if name not in table]:
        raise ConfigError(
            f"{file} has no column {', '.join(missing)}; it has"
            f" {', '.join(table.columns)} and needs {', '.join(columns)}"
        )
    return table


def rows_of_json(file: Path, algorithm: str) -> list[Row]:
    """The rows of {game: [score, ...]}, or of [{game, score or HNS}, ...]."""
    content = read_json(file)
    if isinstance(content, dict):
        return [
            Row(f"{game}[{run}]", algorithm, game, run, score, file.name)
            for game, scores in content.items()
            for run, score in enumerate(scores if isinstance(scores, list) else [None])
        ]
    if not isinstance(content, list):
        raise ConfigError(f"{file}: wanted {{game: [scores]}} or a list of records")
    runs: Counter[str] = Counter()
    rows = []
    for i, record in enumerate(content):
        if not isinstance(record, dict) or "game" not in record:
            raise ConfigError(f"{file}, record {i}: no game in {record!r}")
        game, score = str(record["game"]), record.get("HNS")
        if game in REFERENCE and isinstance(score, float | int):
            score = round(raw_score(game, score), 4)  # files give some ten digits
        score = record.get("score", score)
        rows.append(Row(f"record {i}", algorithm, game, runs[game], score, file.name))
        runs[game] += 1
    return rows


def check_rows(rows: Sequence[Row], file: Path) -> pd.DataFrame:
    """Known games, whole runs, finite scores, nothing twice: a table, or ConfigError.

    Scores are rounded to six decimals: files hold 99.99999999999997 for 100, and equal
    play must count as equal.
    """
    seen: dict[str, str] = {}
    for row in rows:
        where = f"{file}, {row.where}"
        if row.game not in REFERENCE:
            raise ConfigError(
                f"{where}: {row.game!r} is not one of the 26 games."
                f"{nearest(row.game, REFERENCE)}"
            )
        run = finite_number(row.run, where, "run")
        if run != int(run) or run < 0:
            raise ConfigError(f"{where}: run is {row.run!r}, wanted 0, 1, 2 ...")
        finite_number(row.score, where, "score")
        key = f"run {int(run)} of {row.algorithm} on {row.game}"
        if key in seen:
            raise ConfigError(f"{where}: {key} is there already ({seen[key]})")
        seen[key] = row.where
    table = pd.DataFrame(rows, columns=["where", *COLUMNS]).drop(columns="where")
    table["run"] = table["run"].astype(float).astype(int)
    table["score"] = table["score"].astype(float).round(6)
    return table


def finite_number(value: Any, where: str, name: str) -> float:
    """A finite number, or a ConfigError that says where there is none."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ConfigError(f"{where}: {name} is {value!r}, wanted a finite number")
    return found


def check_counts(table: pd.DataFrame, file: Path, partial: bool) -> None:
    """Every algorithm has all games, and as many runs of each (ConfigError)."""
    if table.empty:
        raise ConfigError(f"{file} holds no scores")
    for algorithm, rows in table.groupby("algorithm", sort=False):
        counts = rows["game"].value_counts()
        usual = int(counts.mode().max())
        for game, count in counts[counts != usual].items():
            raise ConfigError(
                f"{file}: {algorithm} has {count} runs of {game} and {usual} of other"
                " games; every game needs as many"
            )
        missing = [game for game in REFERENCE if game not in counts]
        if missing and not partial:
            raise ConfigError(
                f"{file}: {algorithm} has no runs of {', '.join(missing)}. Add them, or"
                " read what there is with load_scores(..., partial=True)"
            )


def games_of(table: pd.DataFrame, algorithm: str) -> list[str]:
    """The games that an algorithm has runs of (ConfigError for an unknown one)."""
    names = table["algorithm"].unique()
    if algorithm not in names:
        raise ConfigError(
            f"no scores of {algorithm!r}.{nearest(algorithm, names)} There are"
            f" {', '.join(names)}"
        )
    found = set(table.loc[table["algorithm"] == algorithm, "game"])
    return [game for game in REFERENCE if game in found]


def run_scores(table: pd.DataFrame, algorithm: str, game: str) -> np.ndarray:
    """The scores of an algorithm's runs of a game: (runs,), empty if there are none."""
    rows = table[(table["algorithm"] == algorithm) & (table["game"] == game)]
    return rows.sort_values("run")["score"].to_numpy()


def score_matrix(table: pd.DataFrame, algorithm: str) -> np.ndarray:
    """Human-normalised scores, (runs, 26), games in alphabetical order.

    ConfigError if the algorithm is unknown or lacks a game. A row is no experiment of
    its own: runs are numbered per game, and some published files sort them.
    """
    games = games_of(table, algorithm)
    if missing := [game for game in REFERENCE if game not in games]:
        raise ConfigError(
            f"{algorithm} has no runs of {', '.join(missing)}: no aggregate over the 26"
            " games without them"
        )
    columns = [run_scores(table, algorithm, game) for game in games]
    if len({len(column) for column in columns}) > 1:
        raise ConfigError(f"{algorithm} has more runs of some games than of others")
    scores = np.stack(columns, axis=1)  # (runs, 26)
    random, human = np.array(list(REFERENCE.values())).T
    return (scores - random) / (human - random)


def split_complete(
    table: pd.DataFrame, algorithms: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Algorithms with all 26 games, and those without."""
    whole = [name for name in algorithms if len(games_of(table, name)) == 26]
    return whole, [name for name in algorithms if name not in whole]
