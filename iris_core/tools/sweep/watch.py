"""The live table of a sweep: what runs, how far it is, and how long it will take."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from iris_core.config import Config, ConfigError
from iris_core.tools.benchmarks.run_cost import Seconds, span, training_minutes
from iris_core.tools.scores.run_records import final_test, run_row
from iris_core.tools.sweep.plan import Sweep
from iris_core.tools.sweep.work import ATTEMPTS
from iris_core.training.logger import read

HEADER = (
    f"{'run':22}{'try':>4}{'epoch':>7}{'steps':>10}{'min':>7}{'test':>10}{'left':>9}"
)
NEEDED = {"epoch", "env_steps", "minutes", "cpu_minutes"}


@dataclass(frozen=True)
class Status:
    """How far a run is. test: mean return of its last test, if there was one; left:
    minutes of training."""

    tries: int
    epoch: int = 0
    steps: int = 0
    minutes: float = 0.0
    test: str = ""
    left: float = 0.0


def minutes_left(config: Config, seconds: Seconds, last: dict[str, str]) -> float:
    """Of training: what the budget leaves, or the schedule at the run's own pace."""
    if budget := config.training.cpu_minutes:
        return max(0.0, budget - float(last["cpu_minutes"]))
    so_far = training_minutes(config, seconds, int(last["epoch"]))
    pace = float(last["minutes"]) / so_far if so_far else 1.0
    return (training_minutes(config, seconds) - so_far) * pace


def epochs_of(metrics: Path) -> list[dict[str, str]]:
    """The rows of a run; none of a damaged file, which resuming that run will say."""
    try:
        rows = read(metrics)
    except ConfigError:
        return []
    return [row for row in rows if row.keys() >= NEEDED]


@dataclass
class LiveTable:
    """Prints a line as each run ends, and below it the table of those under way."""

    sweep: Sweep
    seconds: Seconds
    slots: int
    tried: dict[str, int] = field(default_factory=dict)  # before this sweep began
    drawn: int = 0  # lines of the table on the screen

    def __post_init__(self) -> None:
        self.tried = {run: at.tries for run, at in self.unfinished().items()}

    def plan(self, source: str) -> str:
        """What the sweep will cost, and how that is known."""
        sweep, configs = self.sweep, list(self.sweep.configs.values())
        found = self.unfinished()
        each = span(training_minutes(configs[0], self.seconds))
        return (
            f"{sweep.name}: {len(configs)} runs, {len(configs) - len(found)} finished,"
            f" {self.slots} side by side; {each} of training each, {self.left(found)}"
            f" for what is left, tests not counted (by {source})"
        )

    def status(self, run: str) -> Status:
        """Read a run's folder; what is left is priced by the times of its epochs."""
        config, folder = self.sweep.configs[run], self.sweep.path(run)
        attempts, metrics = folder / ATTEMPTS, folder / "metrics.csv"
        tries = len(attempts.read_bytes().splitlines()) if attempts.is_file() else 0
        rows = epochs_of(metrics) if metrics.is_file() else []
        if not rows:
            return Status(tries, left=training_minutes(config, self.seconds))
        last = rows[-1]
        tests = [row["test/return"] for row in rows if "test/return" in row]
        return Status(
            tries,
            int(last["epoch"]),
            int(float(last["env_steps"])),
            float(last["minutes"]),
            f"{float(tests[-1]):.2f}" if tests else "",
            minutes_left(config, self.seconds, last),
        )

    def unfinished(self) -> dict[str, Status]:
        """How far the runs are that have not had their final test."""
        sweep = self.sweep
        return {r: self.status(r) for r in sweep.configs if not sweep.finished(r)}

    def left(self, found: dict[str, Status]) -> str:
        """The time for what is left of some runs: of all slots, or of the longest."""
        left = [at.left for at in found.values()]
        return span(max(sum(left) / self.slots, *left, 0.0))

    def run_ended(self, run: str, problem: str) -> None:
        """Say how a run ended."""
        self.clear()
        if problem:
            print(f"{run}: {problem}", flush=True)
            return
        _, _, random, constant, blind, own, *_ = run_row(
            final_test(self.sweep.path(run) / "results.json")
        )
        print(
            f"{run}: {own} (random {random}, best constant action {constant},"
            f" blind {blind})",
            flush=True,
        )

    def refresh(self) -> None:
        """Draw the table anew; a file or a pipe gets the lines of ended runs only."""
        if sys.stdout.isatty():
            self.clear()
            lines = self.lines()
            print("\n".join(lines), flush=True)
            self.drawn = len(lines)

    def clear(self) -> None:
        """Take the table off the screen."""
        if self.drawn:
            print(f"\033[{self.drawn}A\033[J", end="")
            self.drawn = 0

    def lines(self) -> list[str]:
        """The runs under way, and the sweep as a whole."""
        found = self.unfinished()
        rows = [
            f"{run:22}{at.tries:4}{at.epoch:7}{at.steps:10,}{at.minutes:7.1f}"
            f"{at.test:>10}{span(at.left):>9}"
            for run, at in found.items()
            if at.tries > self.tried[run]
        ]
        done, waiting = len(self.sweep.configs) - len(found), len(found) - len(rows)
        total = (
            f"{done} done, {len(rows)} under way, {waiting} waiting;"
            f" about {self.left(found)} of training left"
        )
        return [HEADER, *rows, total]
