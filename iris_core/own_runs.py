"""This project's own runs: a table of their scores, and what is said of their scale.

results/runs holds
    *.csv                                    a row an evaluated run: `OwnRun`
    <preset>-<game>-seed<N>.json             results.json of a run folder
    <preset>-<game>-seed<N>-metrics.csv      metrics.csv of a run folder
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from iris_core.config.schema import ConfigError
from iris_core.scores import (
    COLUMNS,
    REFERENCE,
    data_folder,
    number,
    read_json,
    read_table,
)

OWN = "own"  # how their names in a table of scores begin
NAME = re.compile(r"(?P<preset>.+)-(?P<game>[^-]+)-seed(?P<seed>\d+)(-metrics)?")
METRICS = "-metrics"


class OwnRun(NamedTuple):
    """An evaluated run. steps: of the environment, in training; minutes: of training;
    score: mean return of its test episodes."""

    game: str
    seed: int
    preset: str
    steps: int
    minutes: float
    device: str
    commit: str
    score: float


def own_runs(path: str | Path | None = None) -> pd.DataFrame:
    """Read runs of this project, with the columns of `OwnRun`.

    Args:
        path: a tidy .csv, the results.json of a run, or a folder with either (or a run
            folder); by default the project's results/runs. A run that a .csv holds is
            not read again from a .json.

    Raises:
        ConfigError: nothing there, or a row that cannot be used: says which and why.
    """
    path = results_folder() if path is None else Path(path)
    if not path.exists():
        raise ConfigError(f"no runs at {path}. Train one with: iris train")
    files = [path] if path.is_file() else sorted(path.iterdir())
    runs: list[OwnRun] = []
    for file in (f for f in files if f.suffix == ".csv"):
        if file.stem != "metrics" and not file.stem.endswith(METRICS):
            runs += runs_of_csv(file)
    known = {(run.game, run.seed, run.steps) for run in runs}
    for file in (f for f in files if f.suffix == ".json" and f.stem != "versions"):
        run = run_of_json(file)
        if (run.game, run.seed, run.steps) not in known:
            runs.append(run)
    return pd.DataFrame(runs, columns=OwnRun._fields)


def results_folder() -> Path:
    """results/runs of the project."""
    return data_folder().parent / "results" / "runs"


def runs_of_csv(file: Path) -> list[OwnRun]:
    """The rows of a tidy table."""
    table = read_table(file, OwnRun._fields)
    return [
        to_run(record, f"{file}, line {line}")
        for line, record in enumerate(table.to_dict("records"), start=2)
    ]


def run_of_json(file: Path) -> OwnRun:
    """The row of a run's results.json; its preset is in the file's name."""
    content = read_json(file)
    named = NAME.fullmatch(file.stem)
    try:
        returns = content["returns"]
        record = {
            "game": content["game"],
            "seed": content["seed"],
            "preset": content.get("preset", named["preset"] if named else "own"),
            "steps": content["env_steps"],
            "minutes": content["training_minutes"],
            "device": content["device"],
            "commit": content.get("commit", ""),
            "score": sum(returns) / len(returns),
        }
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(
            f"{file} is not the results.json of a run ({type(error).__name__}: {error})"
        ) from error
    return to_run(record, str(file))


def to_run(record: dict, where: str) -> OwnRun:
    """A record with its types; ConfigError if it has not got them."""
    for name in ("game", "preset"):
        if not record[name]:
            raise ConfigError(f"{where}: {name} is empty")
    numbers = {
        name: number(record[name], where, name)
        for name in ("seed", "steps", "minutes", "score")
    }
    return OwnRun(
        str(record["game"]),
        int(numbers["seed"]),
        str(record["preset"]),
        int(numbers["steps"]),
        numbers["minutes"],
        str(record["device"]),
        str(record["commit"]),
        numbers["score"],
    )


def append_run(run: OwnRun, file: str | Path) -> None:
    """Add a row to a tidy table, which is made with its header if it is not there.

    ConfigError if the file has other columns.
    """
    file = Path(file)
    if file.exists():
        read_table(file, OwnRun._fields)
    file.parent.mkdir(parents=True, exist_ok=True)
    row = pd.DataFrame([run], columns=OwnRun._fields)
    row.to_csv(file, mode="a", header=not file.exists(), index=False)


def add_own_runs(scores: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Scores with own runs below them, for any figure.

    A preset becomes an algorithm, and its name says the scale: "own, tutorial:
    11,000-13,000 steps, 9-15 min, cpu". `own_names` lists them. Games without human
    scores (Catch) stay out.
    """
    tables = [scores]
    human = own[own["game"].isin(REFERENCE)]
    for preset, rows in human.groupby("preset", sort=False):
        run = rows.groupby("game").cumcount()
        columns = (scale(str(preset), rows), rows["game"], run, rows["score"], OWN)
        tables.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    return pd.concat(tables, ignore_index=True)


def own_names(scores: pd.DataFrame) -> list[str]:
    """The algorithms that `add_own_runs` added."""
    names = scores["algorithm"].unique()
    return [name for name in names if name.startswith(f"{OWN}, ")]


def scale(preset: str, rows: pd.DataFrame) -> str:
    """What runs cost, for a legend: never to be taken for the paper's."""
    steps = span(rows["steps"], "{:,.0f}")
    minutes = span(rows["minutes"], "{:.0f}")
    devices = "/".join(sorted(set(rows["device"])))
    return f"{OWN}, {preset}: {steps} steps, {minutes} min, {devices}"


def span(values: pd.Series, form: str) -> str:
    """Lowest and highest, once if they read the same."""
    low, high = form.format(values.min()), form.format(values.max())
    return low if low == high else f"{low}\N{EN DASH}{high}"


def learning_curves(path: str | Path | None = None) -> pd.DataFrame:
    """The tests during training of own runs: preset, game, seed, steps, minutes, score.

    path: a folder with *-metrics.csv; by default the project's results/runs.
    ConfigError if it holds none, or one that is no table of a run.
    """
    folder = results_folder() if path is None else Path(path)
    games = {game.lower(): game for game in REFERENCE}
    tables = []
    for file in sorted(folder.glob(f"*{METRICS}.csv")):
        named = NAME.fullmatch(file.stem)
        if named is None:
            raise ConfigError(
                f"{file}: wanted a name like tutorial-freeway-seed0{METRICS}.csv"
            )
        table = pd.read_csv(file)
        if missing := {"env_steps", "minutes", "test/return"} - set(table):
            raise ConfigError(f"{file} has no column {', '.join(sorted(missing))}")
        tested = table.dropna(subset=["test/return"])
        tables.append(
            pd.DataFrame(
                {
                    "preset": named["preset"],
                    "game": games.get(named["game"], named["game"].capitalize()),
                    "seed": int(named["seed"]),
                    "steps": tested["env_steps"].astype(int),
                    "minutes": tested["minutes"],
                    "score": tested["test/return"],
                }
            )
        )
    if not tables:
        raise ConfigError(f"no *{METRICS}.csv in {folder}")
    return pd.concat(tables, ignore_index=True)
