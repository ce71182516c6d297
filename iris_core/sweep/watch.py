"""The live table of a sweep: what runs, how far it is, and how long it will take."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from iris_core.config import Config
from iris_core.cost import Seconds, span, training_minutes
from iris_core.sweep.plan import Sweep
from iris_core.sweep.work import ATTEMPTS
from iris_core.tools.scores.run_records import final_test, run_row
from iris_core.training.loggers import read

HEADER = (
    f"{'run':22}{'try':>4}{'epoch':>7}{'steps':>10}{'min':>7}{'test':>10}{'left':>9}"
)


@dataclass(frozen=True)
class Standing:
    """How far a run is. test: mean return of its last test, if there was one; left:
    minutes of training."""

    tries: int
    epoch: int = 0
    steps: int = 0
    minutes: float = 0.0
    test: str = ""
    left: float = 0.0


def standing(sweep: Sweep, run: str, seconds: Seconds) -> Standing:
    """Read a run's folder; what is left is priced with the times of its own epochs."""
    config, folder = sweep.configs[run], sweep.path(run)
    attempts, metrics = folder / ATTEMPTS, folder / "metrics.csv"
    tries = len(attempts.read_text().splitlines()) if attempts.is_file() else 0
    rows = read(metrics) if metrics.is_file() else []
    if not rows:
        return Standing(tries, left=training_minutes(config, seconds))
    last = rows[-1]
    tests = [row["test/return"] for row in rows if "test/return" in row]
    return Standing(
        tries,
        int(last["epoch"]),
        int(float(last["env_steps"])),
        float(last["minutes"]),
        f"{float(tests[-1]):.2f}" if tests else "",
        minutes_left(config, seconds, last),
    )


def minutes_left(config: Config, seconds: Seconds, last: dict[str, str]) -> float:
    """Of training: what the budget leaves, or the schedule at the run's own pace."""
    if budget := config.training.cpu_minutes:
        return max(0.0, budget - float(last["cpu_minutes"]))
    so_far = training_minutes(config, seconds, int(last["epoch"]))
    pace = float(last["minutes"]) / so_far if so_far else 1.0
    return (training_minutes(config, seconds) - so_far) * pace


@dataclass
class Watch:
    """Prints a line as each run ends, and below it the table of those under way."""

    sweep: Sweep
    seconds: Seconds
    slots: int
    tried: dict[str, int] = field(default_factory=dict)  # before this sweep began
    drawn: int = 0  # lines of the table on the screen

    def __post_init__(self) -> None:
        standings = {run: self.standing(run) for run in self.sweep.configs}
        self.tried = {run: found.tries for run, found in standings.items()}

    def plan(self, source: str) -> str:
        """What the sweep will cost, and how that is known."""
        sweep, configs = self.sweep, list(self.sweep.configs.values())
        left = [self.standing(r).left for r in sweep.configs if not sweep.finished(r)]
        each = span(training_minutes(configs[0], self.seconds))
        total = span(max(sum(left) / self.slots, *left, 0.0))
        return (
            f"{sweep.name}: {len(configs)} runs, {len(configs) - len(left)} finished,"
            f" {self.slots} side by side; {each} of training each, {total} for what is"
            f" left, tests not counted (by {source})"
        )

    def standing(self, run: str) -> Standing:
        return standing(self.sweep, run, self.seconds)

    def ended(self, run: str, problem: str) -> None:
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

    def look(self) -> None:
        """Draw the table anew; a file or a pipe gets the lines of ended runs only."""
        if sys.stdout.isatty():
            self.clear()
            lines = self.table()
            print("\n".join(lines), flush=True)
            self.drawn = len(lines)

    def clear(self) -> None:
        """Take the table off the screen."""
        if self.drawn:
            print(f"\033[{self.drawn}A\033[J", end="")
            self.drawn = 0

    def table(self) -> list[str]:
        """The runs under way, and the sweep as a whole."""
        open_runs = [run for run in self.sweep.configs if not self.sweep.finished(run)]
        found = {run: self.standing(run) for run in open_runs}
        under_way = [run for run in open_runs if found[run].tries > self.tried[run]]
        lines = [HEADER]
        for run in under_way:
            at = found[run]
            lines.append(
                f"{run:22}{at.tries:4}{at.epoch:7}{at.steps:10,}{at.minutes:7.1f}"
                f"{at.test:>10}{span(at.left):>9}"
            )
        left = [at.left for at in found.values()]
        total = max(sum(left) / self.slots, *left, 0.0)
        done, waiting = len(self.sweep.configs) - len(left), len(left) - len(under_way)
        lines.append(
            f"{done} done, {len(under_way)} under way, {waiting} waiting;"
            f" about {span(total)} of training left"
        )
        return lines
