"""What own runs came to, a row a run: beside random, constant and blind play on the
same test episodes, and beside IRIS with 100,000 steps and a human."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from iris_core.config.schema import ConfigError
from iris_core.own_runs import run_of_json
from iris_core.scores import REFERENCE, load_scores, read_json, run_scores

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


def run_table(files: Sequence[Path]) -> str:
    """A Markdown table of runs, from their results.json, in the order given.

    ConfigError for a file that is not one.
    """
    rows = [run_row(file) for file in files]
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "| --- |" + " ---: |" * (len(COLUMNS) - 1),
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", NOTES, ""])


def run_row(file: Path) -> list[str]:
    """The cells of one run; empty where nothing was measured, or nobody has played."""
    run, content = run_of_json(file), read_json(file)
    try:
        table = {row["name"].partition(" (")[0]: row for row in content["table"]}
        own = table["this agent"]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{file} has no table of a final test") from error

    def mean(name: str) -> str:
        return f"{table[name]['mean']:.2f}" if name in table else ""

    constant = mean("best constant action")
    if constant:
        action = table["best constant action"]["name"].partition(" (")[2]
        constant = f"{constant} ({action}"
    cpu_minutes = content.get("training_cpu_minutes", float("nan"))
    reach = 1.96 * (own["standard_error"] or 0.0)
    interval = f"[{own['mean'] - reach:.2f}, {own['mean'] + reach:.2f}]"
    return [
        run.game,
        str(run.seed),
        mean("random"),
        constant,
        mean("blind, this agent's action shares"),
        f"{own['mean']:.2f} {interval}",
        *published(run.game),
        f"{run.steps:,}",
        f"{run.minutes:.1f} ({cpu_minutes:.1f})",
    ]


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
