"""Runs with the paper's networks on a part of the paper's schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iris_core.config import Config, config_from_yaml, load_config
from iris_core.config.setting import ConfigError
from iris_core.plotting.palette import BLUE, INK, SKY
from iris_core.runtime.files import read_json
from iris_core.runtime.table import read_metrics
from iris_core.tools.figures.own_runs import draw_references
from iris_core.tools.figures.style import OFFSET, WIDTH, note, styled
from iris_core.tools.scores.scores import finite_number, run_scores
from iris_core.training.schedule import COMPONENTS, total_updates

PAPERS_STEPS = 100_000
CONFIG = "-config.yaml"
COLUMNS = ("epoch", "env_steps", "test/return", "test/return_error")


@styled
def draw_paper_sizes(scores: pd.DataFrame, folder: Path) -> Figure:
    """Tests while such runs learned, on the way to the paper's last step, where IRIS's
    published scores stand.

    folder: holds GAME-seedN-config.yaml, -metrics.csv and -test.json (of `iris eval`,
    after the last epoch) of each run. ConfigError if it has none.
    """
    configs = sorted(folder.glob(f"*{CONFIG}"))
    if not configs:
        raise ConfigError(f"no GAME-seedN{CONFIG} in {folder}")
    figure = Figure(figsize=(WIDTH, 2.9))
    panels = figure.subplots(1, len(configs), squeeze=False)[0]
    shares = []
    for ax, file in zip(panels, configs, strict=True):
        config, run = config_from_yaml(file), str(file).removesuffix(CONFIG)
        game, rows = config.env.game, read_metrics(Path(f"{run}-metrics.csv"), COLUMNS)
        draw_tests(ax, rows, read_test(Path(f"{run}-test.json")))
        draw_published(ax, run_scores(scores, "IRIS", game))
        draw_references(ax, game, right=0.6)  # between our runs and IRIS's
        ax.set_title(game, loc="left")
        ax.set_xlabel("environment steps")
        shares.append(f"{game}: {share_of_schedule(config, rows)}")
    panels[0].set_ylabel("mean test score")
    note(
        figure,
        "At the left of a panel: tests while it learned, with 95% intervals; hollow,"
        " a little aside, the last weights in other games. At 100,000 steps: IRIS's"
        " published runs, and their mean.\n" + "\n".join(shares),
    )
    return figure


def draw_tests(ax: Axes, rows: pd.DataFrame, last: dict[str, Any]) -> None:
    """Tests while a run learned, and one of its last weights a little aside."""
    tested = rows.dropna(subset=["test/return"])
    around = 1.96 * tested["test/return_error"]
    steps, means = tested["env_steps"], tested["test/return"]
    ax.errorbar(steps, means, around, fmt=".-", color=SKY, linewidth=0.9)
    mean, (low, high) = last["mean"], last["interval_95"]
    aside, around = rows["env_steps"].max() + 3_000, [[mean - low], [high - mean]]
    ax.errorbar([aside], [mean], around, fmt="o", color=INK, mfc="white")


def read_test(file: Path) -> dict[str, Any]:
    """Mean and interval of `iris eval --out`; ConfigError if they are not there."""
    found = read_json(file)
    try:
        mean, (low, high) = found["mean"], found["interval_95"]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{file} is not of iris eval ({error!r})") from error
    low, high, mean = (finite_number(n, str(file), "mean") for n in (low, high, mean))
    return {"mean": mean, "interval_95": [low, high]}


def draw_published(ax: Axes, runs: np.ndarray) -> None:
    """IRIS after the whole schedule: its runs, and their mean."""
    mean = float(runs.mean())
    ax.plot([PAPERS_STEPS] * len(runs), runs, ".", color=BLUE, alpha=0.6)
    ax.plot([PAPERS_STEPS], [mean], "_", color=BLUE, markersize=14)
    look: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": 6.5, "color": BLUE}
    left = 0.94 * PAPERS_STEPS
    ax.annotate(f"IRIS {mean:.1f}", (left, mean), (0, -1.5), **OFFSET, **look)
    ax.set_xlim(0, 1.05 * PAPERS_STEPS)
    ax.set_xticks([0, PAPERS_STEPS // 2, PAPERS_STEPS])
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.grid(axis="y")


def share_of_schedule(config: Config, rows: pd.DataFrame) -> str:
    """How much of the paper's schedule a run did, in words."""
    paper = load_config("paper")
    done = total_updates(config, int(rows["epoch"].max()))
    whole = total_updates(paper, paper.training.epochs)
    steps = rows["env_steps"].max()
    parts = [f"{steps:,.0f} of {PAPERS_STEPS:,} steps ({steps / PAPERS_STEPS:.0%})"]
    names = ("tokenizer updates", "world-model updates", "policy updates")
    for name, part in zip(names, COMPONENTS, strict=True):
        share = done[part] / whole[part]
        ours, theirs = (getattr(c, part).updates.batch_size for c in (config, paper))
        batch = f", batches of {ours} and not {theirs}" if ours != theirs else ""
        parts.append(f"{done[part]:,} of {whole[part]:,} {name} ({share:.1%}{batch})")
    return ", ".join(parts) + "."
