"""A run's final test: its agent beside random, constant and blind play, as the table in
results.json has it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from iris_core.config.schema import ConfigError
from iris_core.own_runs import NAME, OwnRun, run_of_json
from iris_core.scores import read_json

RESULTS = "*-seed*.json"  # in a folder of own runs
OWN, RANDOM, CONSTANT = "this agent", "random", "best constant action"  # of its rows
BLIND = "blind, this agent's action shares"
CONTROLS = (RANDOM, CONSTANT, BLIND)


class Control(NamedTuple):
    """A way to play: mean return, its standard error, what is said of it ("UP")."""

    mean: float
    standard_error: float
    remark: str = ""


class FinalTest(NamedTuple):
    """All of the same test episodes; None where it was not measured. blind: drawn with
    the agent's own shares of actions. cpu_minutes: of training; nan if not known."""

    run: OwnRun
    cpu_minutes: float
    agent: Control
    random: Control | None
    constant: Control | None
    blind: Control | None


def final_test(file: Path) -> FinalTest:
    """Read the results.json of a run; ConfigError for a file that is not one."""
    run, content = run_of_json(file), read_json(file)
    try:
        rows = {}
        for row in content["table"]:
            name, _, remark = row["name"].partition(" (")
            error = row["standard_error"] or 0.0
            rows[name] = Control(row["mean"], error, remark.removesuffix(")"))
        agent = rows[OWN]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{file} has no table of a final test") from error
    minutes = content.get("training_cpu_minutes", float("nan"))
    return FinalTest(run, minutes, agent, *(rows.get(name) for name in CONTROLS))


def sweeps(folder: Path) -> list[str]:
    """The names before GAME and seed in a folder of own runs: tutorial, laptop ..."""
    named = [NAME.fullmatch(file.stem) for file in folder.glob(RESULTS)]
    return sorted({name["preset"] for name in named if name})


def final_tests(folder: Path, sweep: str) -> list[FinalTest]:
    """Of the runs of a sweep in a folder, SWEEP-GAME-seedN.json, by game and seed.

    ConfigError if there is none.
    """
    files = sorted(folder.glob(f"{sweep}-{RESULTS}"))
    if not files:
        raise ConfigError(f"no {sweep}-GAME-seedN.json in {folder}")
    return sorted(map(final_test, files), key=lambda test: test.run[:2])
