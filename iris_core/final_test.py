"""A run's final test: its agent beside random, constant and blind play, as the table in
results.json has it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from iris_core.config.schema import ConfigError
from iris_core.own_runs import OwnRun, run_of_json
from iris_core.scores import read_json

RESULTS = "*-seed*.json"  # PRESET-GAME-seedN.json, in a folder of own runs
OWN = "this agent"
CONTROLS = ("random", "best constant action", "blind, this agent's action shares")


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


def final_tests(folder: Path, preset: str = "*") -> list[FinalTest]:
    """Of the runs in a folder, `PRESET-GAME-seedN.json`, by game and seed.

    ConfigError if there is none.
    """
    files = sorted(folder.glob(f"{preset}-{RESULTS}"))
    if not files:
        raise ConfigError(f"no {preset}-GAME-seedN.json in {folder}")
    return sorted(map(final_test, files), key=lambda test: test.run[:2])
