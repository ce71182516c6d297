"""This project's own runs: beside the published ones, and while they learned."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iris_core.config.schema import ConfigError
from iris_core.envs.atari_100k import REFERENCE
from iris_core.figures.games import draw_game_panels
from iris_core.figures.style import BLUE, FAINT, INK, SKY, WIDTH, note, styled
from iris_core.tools.scores.run_records import (
    OWN,
    add_own_runs,
    own_names,
    presets_by_games,
    span,
)
from iris_core.tools.scores.scores import PAPER
from iris_core.tools.scores.statistics import bootstrap


def draw_own_runs(
    scores: pd.DataFrame,
    own: pd.DataFrame,
    algorithms: tuple[str, ...] = PAPER,
    replicates: int = 2000,
) -> Figure:
    """Own runs beside the published ones, on the games that they played.

    ConfigError if none of these is one of the 26 games.
    """
    played = sorted(set(own["game"]) & set(REFERENCE))
    if not played:
        raise ConfigError(
            "no own run played one of the 26 games; there are runs of"
            f" {', '.join(sorted(set(own['game']))) or 'none'}"
        )
    together = add_own_runs(scores, own)
    together = together[together["game"].isin(played)]
    names = [*algorithms, *own_names(together)]
    return draw_game_panels(together, names, replicates)


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
        ax.set_title(
            f"{title}\n{labels[preset]}, {minutes} min", loc="left", fontsize=6.5
        )
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
    others = [each for each in curves["preset"].unique() if each not in beside]
    presets = [*beside, *others]
    return {preset: f"{OWN} {n}" for n, preset in enumerate(presets, 1)}


def draw_curves(ax: Axes, rows: pd.DataFrame, replicates: int) -> None:
    """Seeds, their mean and its interval."""
    for _, seed in rows.groupby("seed"):
        ax.plot(seed["steps"], seed["score"], ".-", color=SKY, linewidth=0.9)
    tested = [
        (steps, seeds["score"].to_numpy()) for steps, seeds in rows.groupby("steps")
    ]
    several = [(steps, values) for steps, values in tested if len(values) > 1]
    if several:
        steps = [step for step, _ in several]
        ends = np.stack(
            [
                bootstrap(lambda s: s.mean(0), (v[:, None],), replicates, 0)[0]
                for _, v in several
            ]
        )  # (steps, 3)
        ax.plot(steps, ends[:, 0], color=BLUE, linewidth=2)
        ax.fill_between(steps, ends[:, 1], ends[:, 2], color=BLUE, alpha=0.2, lw=0)
    ax.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    ax.tick_params(labelsize=6)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.grid(axis="y")


def draw_references(ax: Axes, game: str) -> None:
    """Where random play and humans stand, for the 26 games."""
    if game not in REFERENCE:
        return
    ax.margins(y=0.2)  # room for what stands below the lowest line
    below, above = (-1.5, "top"), (1.5, "bottom")
    for value, text, (offset, side) in zip(
        REFERENCE[game], ("random", "human"), (below, above), strict=True
    ):
        ax.axhline(value, color=FAINT, linestyle="--", linewidth=0.8)
        ax.annotate(
            f"{text} {value:g}",
            (1, value),
            (0, offset),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va=side,
            fontsize=6.5,
            color=INK,
        )
    ax.autoscale_view(scalex=False)  # a line within the view asks for no room
