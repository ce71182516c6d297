"""This project's own runs: a table of their scores, and what is said of their scale.

results/runs holds
    *.csv                                    a row an evaluation of a run: `OwnRun`
    <preset>-<game>-seed<N>.json             results.json of a run folder
    <preset>-<game>-seed<N>-metrics.csv      metrics.csv of a run folder
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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

if TYPE_CHECKING:
    from iris_core.models.agent import Agent

OWN = "own"  # how their names in a table of scores begin
NAME = re.compile(r"(?P<preset>.+)-(?P<game>[^-]+)-seed(?P<seed>\d+)(-metrics)?")
METRICS = "-metrics"


class OwnRun(NamedTuple):
    """An evaluated run. preset: of `config.preset_of`; steps: of the environment, in
    training; minutes: of training; score: mean return of so many test episodes."""

    game: str
    seed: int
    preset: str
    steps: int
    minutes: float
    device: str
    commit: str
    episodes: int
    score: float

    @property
    def identity(self) -> tuple[str, int, str, str, str]:
        """What two evaluations of one run have in common, be it of its last or of its
        best agent: none counts as another seed."""
        return self.game, self.seed, self.preset, self.device, self.commit


def own_runs(path: str | Path | None = None) -> pd.DataFrame:
    """Read runs of this project, with the columns of `OwnRun`.

    A run that was evaluated several times is one row: of the evaluation with the most
    episodes, and of the last of these.

    Args:
        path: a tidy .csv, the results.json of a run, or a folder with either (or a run
            folder); by default the project's results/runs.

    Raises:
        ConfigError: nothing there, or a row that cannot be used: says which and why.
    """
    path = results_folder() if path is None else Path(path)
    if not path.exists():
        raise ConfigError(f"no runs at {path}. Train one with: iris train")
    files = [path] if path.is_file() else sorted(path.iterdir())
    tables = [f for f in files if f.suffix == ".csv" and f.stem != "metrics"]
    results = [f for f in files if f.suffix == ".json" and f.stem != "versions"]
    runs = [run_of_json(file) for file in results]
    for file in (f for f in tables if not f.stem.endswith(METRICS)):
        runs += runs_of_csv(file)
    return pd.DataFrame(best_tested(runs), columns=OwnRun._fields)


def best_tested(runs: Sequence[OwnRun]) -> list[OwnRun]:
    """One row a run, of its longest evaluation, the last of equals."""
    kept: dict[tuple, OwnRun] = {}
    for run in runs:
        known = kept.setdefault(run.identity, run)
        if run.episodes >= known.episodes:
            kept[run.identity] = run
    return list(kept.values())


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
            "episodes": len(returns),
            "score": sum(returns) / len(returns),
        }
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(
            f"{file} is not the results.json of a run ({type(error).__name__}: {error})"
        ) from error
    return to_run(record, str(file))


def run_of_agent(agent: Agent, returns: Sequence[float]) -> OwnRun:
    """The row of a test of an agent that carries a card."""
    card = agent.card
    if card is None:
        raise ConfigError(f"the agent for {agent.game} does not say how it was trained")
    score = sum(returns) / len(returns)
    return OwnRun(
        agent.game,
        card.seed,
        card.preset,
        card.steps,
        card.minutes,
        card.device,
        card.commit,
        len(returns),
        score,
    )


def to_run(record: dict, where: str) -> OwnRun:
    """A record with its types; ConfigError if it has not got them."""
    for name in ("game", "preset"):
        if not record[name]:
            raise ConfigError(f"{where}: {name} is empty")
    numbers = {
        name: number(record[name], where, name)
        for name in ("seed", "steps", "minutes", "episodes", "score")
    }
    return OwnRun(
        str(record["game"]),
        int(numbers["seed"]),
        str(record["preset"]),
        int(numbers["steps"]),
        round(numbers["minutes"], 2),
        str(record["device"]),
        str(record["commit"]),
        int(numbers["episodes"]),
        numbers["score"],
    )


def append_run(run: OwnRun, file: str | Path) -> bool:
    """Add a row to a tidy table, which is made with its header if it is not there.

    False if the table holds that very row already. Rows are only ever added.

    Raises:
        ConfigError: the file has other columns, a bad row, or cannot be written.
    """
    file, columns, before = Path(file), list(OwnRun._fields), ""
    if file.exists():
        if run in runs_of_csv(file):
            return False
        columns = list(read_table(file, columns))  # there may be more of them
        before = file.read_text(encoding="utf-8")
    row = pd.DataFrame([run._asdict()]).reindex(columns=columns)
    text = row.to_csv(header=not before, index=False, lineterminator="\n")
    if before and not before.endswith("\n"):  # an editor left the last line open
        text = "\n" + text
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as table:
            table.write(text)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error
    return True


def add_own_runs(scores: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Scores with own runs below them, for any figure.

    A preset becomes an algorithm, and its name says the scale: "own, tutorial:
    11,000-13,000 steps, 9-15 min, cpu". `own_names` lists them, that of the most games
    first. Games without human scores (Catch) stay out.
    """
    tables = [scores]
    human = own[own["game"].isin(REFERENCE)]
    for preset in presets_by_games(human):
        rows = human[human["preset"] == preset]
        run = rows.groupby("game").cumcount()
        columns = (scale(preset, rows), rows["game"], run, rows["score"], OWN)
        tables.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    return pd.concat(tables, ignore_index=True)


def presets_by_games(runs: pd.DataFrame) -> list[str]:
    """The presets of some runs, that of the most games first."""
    games = runs.groupby("preset", sort=False)["game"].nunique()
    return list(games.sort_values(ascending=False, kind="stable").index)


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

    path: a folder with *-metrics.csv; by default the project's results/runs. A preset
    is what the results.json beside the metrics says, or else the file's name.
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
                    "preset": preset_beside(file) or named["preset"],
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


def preset_beside(metrics: Path) -> str:
    """The preset that the results of a run tell; "" if they are not there or do not."""
    results = metrics.with_name(metrics.name.replace(f"{METRICS}.csv", ".json"))
    return read_json(results).get("preset", "") if results.is_file() else ""
