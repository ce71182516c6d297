"""What own runs came to, a row a run: beside random, constant and blind play on the
same test episodes, and beside IRIS with 100,000 steps and a human."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from iris_core.final_test import Control, FinalTest
from iris_core.scores import REFERENCE, load_scores, run_scores

COLUMNS = (
    *("game", "seed", "random", "best constant action", "blind, own action shares"),
    *("this agent [95%]", "IRIS, 100k steps", "human", "steps", "minutes (CPU)"),
)
NOTES = (
    "The first four: mean returns of the same test episodes; the interval is of the"
    " mean over these. Blind: the agent's own shares of actions, drawn without looking."
    " IRIS: mean of its published runs. Minutes: of training, tests left out; in"
    " brackets those of the processor, in which other programs do not count."
)


def run_table(tests: Sequence[FinalTest]) -> str:
    """A Markdown table of runs, in the order given."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "| --- |" + " ---: |" * (len(COLUMNS) - 1),
    ]
    lines += ["| " + " | ".join(run_row(test)) + " |" for test in tests]
    return "\n".join([*lines, "", NOTES, ""])


def run_row(test: FinalTest) -> list[str]:
    """The cells of one run; empty where nothing was measured, or nobody has played."""
    run, own = test.run, test.agent
    reach = 1.96 * own.standard_error
    return [
        run.game,
        str(run.seed),
        cell(test.random),
        cell(test.constant),
        cell(test.blind),
        f"{own.mean:.2f} [{own.mean - reach:.2f}, {own.mean + reach:.2f}]",
        *published(run.game),
        f"{run.steps:,}",
        f"{run.minutes:.1f} ({test.cpu_minutes:.1f})",
    ]


def cell(control: Control | None) -> str:
    if control is None:
        return ""
    return f"{control.mean:.2f}" + f" ({control.remark})" * bool(control.remark)


def published(game: str) -> tuple[str, str]:
    """IRIS's mean with 100,000 steps, and a human's score; empty for other games."""
    if game not in REFERENCE:
        return "", ""
    return f"{iris_means()[game]:.2f}", f"{REFERENCE[game].human:g}"


@cache
def iris_means() -> dict[str, float]:
    """The mean of IRIS's published runs, by game."""
    scores = load_scores()
    return {game: run_scores(scores, "IRIS", game).mean() for game in REFERENCE}
