"""This project's own runs: beside the published ones, and while they learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iris_core.config.setting import ConfigError
from iris_core.envs.atari_100k import REFERENCE
from iris_core.plotting.learning_curve import step_axis
from iris_core.plotting.palette import BLUE, FAINT, INK, SKY
from iris_core.tools.figures.games import draw_game_panels, mean_interval
from iris_core.tools.figures.style import OFFSET, WIDTH, note, styled
from iris_core.tools.scores.run_records import (
    OWN,
    add_own_runs,
    own_names,
    presets_by_games,
    span,
)
from iris_core.tools.scores.scores import PAPER


def draw_own_runs(
    scores: pd.DataFrame, own: pd.DataFrame, replicates: int = 2000
) -> Figure:
    """Own runs beside the paper's, on the games that they played.

    ConfigError if there is none.
    """
    if own.empty:
        raise ConfigError("there are no own runs to draw")
    together = add_own_runs(scores, own, raw=True)
    together = together[together["game"].isin(own["game"])]
    theirs = [name for name in PAPER if name in set(together["algorithm"])]
    return draw_game_panels(together, [*theirs, *own_names(together)], replicates)


@styled
def draw_learning_curves(curves: pd.DataFrame, replicates: int = 2000) -> Figure:
    """Test scores while own runs learned, a panel for each preset and game: thin lines
    are seeds; from two on, the thick one is their mean with its 95% interval. The note
    says which preset "own 1", "own 2" ... are.

    curves: of `learning_curves`.
    """
    labels = own_labels(curves)
    groups = sorted(
        curves.groupby(["preset", "game"]),
        key=lambda group: (list(labels).index(group[0][0]), group[0][1]),
    )
    columns = min(3 if len(groups) < 13 else 4, len(groups))
    lines = -(-len(groups) // columns)
    figure = Figure(figsize=(WIDTH, 0.15 + (2.3 if lines < 5 else 1.35) * lines))
    panels = figure.subplots(lines, columns, squeeze=False)
    for ax in panels.flat[len(groups) :]:
        ax.set_axis_off()
    for ax, ((preset, game), rows) in zip(panels.flat, groups, strict=False):
        draw_curves(ax, rows, replicates)
        seeds = rows["seed"].nunique()
        minutes = span(rows.groupby("seed")["minutes"].max(), "{:.0f}")
        title = f"{game}" + f", {seeds} seeds" * (seeds > 1)
        title += f"\n{labels[preset]}, {minutes} min"
        ax.set_title(title, loc="left", fontsize=6.5)
        draw_references(ax, str(game))
    for line in panels:
        line[0].set_ylabel("mean test score", fontsize=7)
    for ax in panels[-1]:
        ax.set_xlabel("environment steps", fontsize=7)
    note(
        figure,
        "Thin: seeds. Thick and band: mean of the seeds and its 95% bootstrap interval,"
        " where two or more are tested. Minutes: until the last test. The paper's runs"
        " play 100,000 steps."
        + "".join(f"\n{label}: {preset}." for preset, label in labels.items()),
    )
    return figure


def own_labels(curves: pd.DataFrame) -> dict[str, str]:
    """Own 1, own 2 ... of each preset, numbered as beside the published runs; those
    without one of the 26 games come last."""
    beside = presets_by_games(curves[curves["game"].isin(REFERENCE)])
    presets = dict.fromkeys([*beside, *curves["preset"].unique()])
    return {preset: f"{OWN} {n}" for n, preset in enumerate(presets, 1)}


def draw_curves(ax: Axes, rows: pd.DataFrame, replicates: int) -> None:
    """Seeds, their mean and its interval."""
    for _, seed in rows.groupby("seed"):
        ax.plot(seed["steps"], seed["score"], ".-", color=SKY, linewidth=0.9)
    tested = {
        steps: mean_interval(seeds["score"].to_numpy(), replicates)
        for steps, seeds in rows.groupby("steps")
        if len(seeds) > 1
    }
    if tested:
        steps, (mean, low, high) = list(tested), np.transpose(list(tested.values()))
        ax.plot(steps, mean, color=BLUE, linewidth=2)
        ax.fill_between(steps, low, high, color=BLUE, alpha=0.2, lw=0)
    step_axis(ax, 2)
    ax.tick_params(labelsize=6)
    ax.grid(axis="y")


def draw_references(ax: Axes, game: str, right: float = 1.0) -> None:
    """Where random play and humans stand, for the 26 games. right: where their names
    end, as a share of the panel."""
    if game not in REFERENCE:
        return
    ax.margins(y=0.2)  # room for what stands below the lowest line
    sides = (("random", -1.5, "top"), ("human", 1.5, "bottom"))
    for value, (text, offset, side) in zip(REFERENCE[game], sides, strict=True):
        ax.axhline(value, color=FAINT, linestyle="--", linewidth=0.8)
        look: dict[str, Any] = {"ha": "right", "va": side, "fontsize": 6.5}
        look |= {"color": INK, "xycoords": ax.get_yaxis_transform()}
        ax.annotate(f"{text} {value:g}", (right, value), (0, offset), **OFFSET, **look)
    ax.autoscale_view(scalex=False)  # a line within the view asks for no room
