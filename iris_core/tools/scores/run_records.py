"""This project's own runs: what their files record, and how it reads in tables.

results/runs, and the results of a sweep, hold
    *.csv                                    a row an evaluation of a run: `OwnRun`
    <preset>-<game>-seed<N>.json             results.json of a run folder
    <preset>-<game>-seed<N>-metrics.csv      metrics.csv of a run folder
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.envs.atari_100k import REFERENCE
from iris_core.evaluation.final_test import BASELINES
from iris_core.evaluation.final_test import OWN as THIS_AGENT
from iris_core.runtime.files import read_json, read_text
from iris_core.runtime.table import read_cells, read_metrics, to_csv
from iris_core.tools.scores import scores
from iris_core.tools.scores.scores import finite_number, read_table

OWN = "own"  # how their names in a table of scores begin
NAME = re.compile(r"(?P<preset>.+)-(?P<game>[^-]+)-seed(?P<seed>\d+)(-metrics)?")
METRICS, RESULTS = "-metrics", "*-seed*.json"  # the names of their files
TABLE_COLUMNS = (
    *("game", "seed", "random", "best constant action", "blind, own action shares"),
    *("this agent [95%]", "IRIS, 100k steps", "human", "steps", "minutes (CPU)"),
)
NOTES = (
    "The first four: mean returns of the same test episodes; the interval is of the"
    " mean over these. Blind: the agent's own shares of actions, drawn without looking."
    " IRIS: mean of its published runs. Minutes: of training, tests left out; in"
    " brackets those of the processor, in which other programs do not count."
)


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
    results = [f for f in files if f.suffix == ".json" and f.stem != "versions"]
    runs = [run_of_json(file) for file in results]
    for file in files:
        if file.suffix == ".csv" and not f"-{file.stem}".endswith(METRICS):
            runs += runs_of_csv(file)
    kept: dict[tuple, OwnRun] = {}
    for run in runs:
        # Of its last agent and of its best: neither counts as another seed
        identity = (run.game, run.seed, run.preset, run.device, run.commit)
        if run.episodes >= kept.setdefault(identity, run).episodes:
            kept[identity] = run
    return pd.DataFrame(kept.values(), columns=OwnRun._fields)


def results_folder() -> Path:
    """results/runs of the project."""
    return scores.data_folder().parent / "results" / "runs"


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
            "preset": named["preset"] if named else "own",
            "commit": "",
            **content,
            "steps": content["env_steps"],
            "minutes": content["training_minutes"],
            "episodes": len(returns),
            "score": sum(returns) / len(returns),
        }
        return to_run(record, str(file))
    except ConfigError:  # it says which value is wrong
        raise
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ConfigError(
            f"{file} is not the results.json of a run ({type(error).__name__}: {error})"
        ) from error


def to_run(record: dict[str, Any], where: str) -> OwnRun:
    """A record with its types; ConfigError if it has not got them."""
    for name in ("game", "preset"):
        if not record[name]:
            raise ConfigError(f"{where}: {name} is empty")
    seed, steps, minutes, episodes, score = (
        finite_number(record[name], where, name)
        for name in ("seed", "steps", "minutes", "episodes", "score")
    )
    game, preset, device, commit = (
        str(record[name]) for name in ("game", "preset", "device", "commit")
    )
    cost = (int(steps), round(minutes, 2), device, commit)
    return OwnRun(game, int(seed), preset, *cost, int(episodes), score)


def run_of_agent(agent: Agent, returns: Sequence[float]) -> OwnRun:
    """The row of a test of an agent that carries a training record."""
    record = agent.training_record
    if record is None:
        raise ConfigError(f"the agent for {agent.game} does not say how it was trained")
    cost = (
        record.seed,
        record.preset,
        record.steps,
        record.minutes,
        record.device,
        record.commit,
    )
    return OwnRun(agent.game, *cost, len(returns), sum(returns) / len(returns))


def append_run(run: OwnRun, file: str | Path) -> bool:
    """Add a row to a tidy table, which is made with its header if it is not there.

    False if the table holds that very row already. Rows are only ever added.

    Raises:
        ConfigError: a run without a finite score, or a file with other columns or that
            cannot be written. A bad row in it is left as it is.
    """
    file, columns, open_line = Path(file), list(OwnRun._fields), False
    run = to_run(run._asdict(), "this run")
    if known := file.exists():
        columns, rows = rows_to_add_to(file)
        if run in rows:
            return False
        open_line = not read_text(file).endswith("\n")
    text = to_csv(columns, [run._asdict()], header=not known)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as table:
            table.write("\n" * open_line + text)  # an editor may have left it open
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from error
    return True


def rows_to_add_to(file: Path) -> tuple[list[str], list[OwnRun]]:
    """The columns of a table and its usable rows: others' mistakes lock nobody out.

    ConfigError if it is no table of runs.
    """
    columns, rows = read_cells(read_text(file), file)
    if missing := [name for name in OwnRun._fields if name not in columns]:
        raise ConfigError(f"{file} has no column {', '.join(missing)}")
    runs = []
    for row in rows:
        with contextlib.suppress(ConfigError, KeyError):
            record = dict(zip(columns, row, strict=False))
            runs.append(to_run(record, str(file)))
    return columns, runs


def add_own_runs(
    published: pd.DataFrame, own: pd.DataFrame, raw: bool = False
) -> pd.DataFrame:
    """Published scores with own runs below them, for any figure.

    A preset becomes an algorithm, and its name says the scale: "own, tutorial:
    11,000-13,000 steps, 9-15 min, cpu". `own_names` lists them, that of the most games
    first. Games without human scores (Catch) stay out, unless only raw scores count.
    """
    tables = [published]
    human = own[own["game"].isin(REFERENCE)]
    shown = own if raw else human
    for preset in dict.fromkeys([*presets_by_games(human), *shown["preset"]]):
        runs = shown[shown["preset"] == preset]
        run = runs.groupby("game").cumcount()
        columns = (describe_cost(preset, runs), runs["game"], run, runs["score"], OWN)
        tables.append(pd.DataFrame(dict(zip(scores.COLUMNS, columns, strict=True))))
    filled = [table for table in tables if len(table)]
    return pd.concat(filled or tables, ignore_index=True)


def presets_by_games(runs: pd.DataFrame) -> list[str]:
    """The presets of some runs, that of the most games first."""
    games = runs.groupby("preset", sort=False)["game"].nunique()
    return list(games.sort_values(ascending=False, kind="stable").index)


def own_names(table: pd.DataFrame) -> list[str]:
    """The algorithms that `add_own_runs` added."""
    names = table["algorithm"].unique()
    return [name for name in names if name.startswith(f"{OWN}, ")]


def describe_cost(preset: str, runs: pd.DataFrame) -> str:
    """What runs cost, for a legend: never to be taken for the paper's."""
    steps = span(runs["steps"], "{:,.0f}")
    minutes = span(runs["minutes"], "{:.0f}")
    devices = "/".join(sorted(set(runs["device"])))
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
    tables = [read_curve(file) for file in sorted(folder.glob(f"*{METRICS}.csv"))]
    if not tables:
        raise ConfigError(f"no *{METRICS}.csv in {folder}")
    return pd.concat(tables, ignore_index=True)


def read_curve(file: Path) -> pd.DataFrame:
    """The rows of one run."""
    if (named := NAME.fullmatch(file.stem)) is None:
        raise ConfigError(
            f"{file}: wanted a name like tutorial-freeway-seed0{METRICS}.csv"
        )
    table = read_metrics(file, ("env_steps", "minutes", "test/return"))
    tested = table.dropna(subset=["test/return"])
    games = {game.lower(): game for game in REFERENCE}
    results = file.with_name(file.name.replace(f"{METRICS}.csv", ".json"))
    recorded = preset_in(results) if results.is_file() else None
    columns = {
        "preset": recorded or named["preset"],
        "game": games.get(named["game"], named["game"].capitalize()),
        "seed": int(named["seed"]),
        "steps": tested["env_steps"].astype(int),
        "minutes": tested["minutes"],
        "score": tested["test/return"],
    }
    return pd.DataFrame(columns)


def preset_in(file: Path) -> str | None:
    """What a results.json says of its preset."""
    content = read_json(file)
    preset = content.get("preset") if isinstance(content, dict) else content
    if preset is not None and not isinstance(preset, str):
        raise ConfigError(f"{file} is not the results.json of a run: {preset!r:.80}")
    return preset


class MeanReturn(NamedTuple):
    """Of test episodes; remark: what is said of a way to play, e.g. its action "UP"."""

    mean: float
    standard_error: float
    remark: str = ""


class FinalTest(NamedTuple):
    """All of the same test episodes; None where it was not measured. blind: drawn with
    the agent's own shares of actions. cpu_minutes: of training; nan if not known."""

    run: OwnRun
    cpu_minutes: float
    agent: MeanReturn
    random: MeanReturn | None
    constant: MeanReturn | None
    blind: MeanReturn | None


def final_test(file: Path) -> FinalTest:
    """Read the results.json of a run; ConfigError for a file that is not one."""
    run, content = run_of_json(file), read_json(file)
    try:
        found = {}
        for row in content["table"]:
            name, _, remark = row["name"].partition(" (")
            if row["mean"] is None:
                continue
            mean = finite_number(row["mean"], str(file), "mean")
            error = finite_number(row["standard_error"] or 0.0, str(file), "error")
            found[name] = MeanReturn(mean, error, remark.removesuffix(")"))
        agent = found[THIS_AGENT]
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} has no table of a final test") from error
    minutes = content.get("training_cpu_minutes", float("nan"))
    if minutes == minutes:  # not nan
        minutes = finite_number(minutes, str(file), "training_cpu_minutes")
    return FinalTest(run, minutes, agent, *map(found.get, BASELINES))


def sweep_names(folder: Path) -> list[str]:
    """The names before GAME and seed in a folder of own runs: tutorial, laptop ..."""
    named = [NAME.fullmatch(file.stem) for file in folder.glob(RESULTS)]
    return sorted({name["preset"] for name in named if name})


def final_tests(folder: Path, sweep: str) -> list[FinalTest]:
    """Of the runs of a sweep in a folder, SWEEP-GAME-seedN.json, by game and seed.

    ConfigError if there is none.
    """
    tests = [final_test(file) for file in folder.glob(f"{sweep}-{RESULTS}")]
    if not tests:
        raise ConfigError(f"no {sweep}-GAME-seedN.json in {folder}")
    return sorted(tests, key=lambda test: test.run[:2])


def run_table(tests: Sequence[FinalTest]) -> str:
    """A Markdown table of runs, in the order given."""
    header, *rows = (
        f"| {' | '.join(cells)} |" for cells in (TABLE_COLUMNS, *map(run_row, tests))
    )
    rule = "| --- |" + " ---: |" * (len(TABLE_COLUMNS) - 1)
    return "\n".join([header, rule, *rows, "", NOTES, ""])


def run_row(test: FinalTest) -> list[str]:
    """The cells of one run; empty where nothing was measured, or nobody has played."""
    run, own = test.run, test.agent
    reach = 1.96 * own.standard_error
    known = run.game in REFERENCE
    return [
        *(run.game, str(run.seed)),
        *map(format_mean, (test.random, test.constant, test.blind)),
        f"{own.mean:.2f} [{own.mean - reach:.2f}, {own.mean + reach:.2f}]",
        published_iris(run.game),
        f"{REFERENCE[run.game].human:g}" if known else "",
        f"{run.steps:,}",
        f"{run.minutes:.1f} ({test.cpu_minutes:.1f})",
    ]


def format_mean(baseline: MeanReturn | None) -> str:
    """A mean, with its remark in brackets; empty if it was not measured."""
    if baseline is None:
        return ""
    return f"{baseline.mean:.2f}" + f" ({baseline.remark})" * bool(baseline.remark)


def published_iris(game: str) -> str:
    """IRIS's mean of a game; empty where it is not known."""
    try:
        return f"{iris_means()[game]:.2f}"
    except KeyError:
        return ""


@cache
def iris_means() -> dict[str, float]:
    """The mean of IRIS's published runs, by game; none outside a clone."""
    if scores.find_data() is None:
        return {}
    table = scores.load_scores()
    return {game: scores.run_scores(table, "IRIS", game).mean() for game in REFERENCE}
