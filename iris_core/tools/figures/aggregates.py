"""Figures over all 26 games: aggregates, performance profiles, P(improvement)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iris_core.plotting.palette import BLUE, FAINT, INK, ORANGE
from iris_core.tools.figures import style
from iris_core.tools.figures.style import WIDTH, Look, cost_notes, looks, note, styled
from iris_core.tools.scores.scores import games_of
from iris_core.tools.scores.statistics import PROFILE_TAUS, STATISTICS, Estimates

BEST = 4  # games that are told apart in the mean
BETTER = {"optimality gap": "lower is better"}


@styled
def draw_aggregates(
    estimates: Estimates, algorithms: Sequence[str], remark: str = ""
) -> Figure:
    """Median, IQM, mean and optimality gap: a value and its 95% interval each.

    remark: written below, e.g. `note_missing_games`.
    """
    look = looks(algorithms)
    figure = Figure(figsize=(WIDTH, 0.75 + 0.27 * len(algorithms)))
    panels = figure.subplots(1, len(STATISTICS), sharey=True)
    for ax, statistic in zip(panels, STATISTICS, strict=True):
        for y, name in enumerate(algorithms):
            value, low, high = estimates.aggregates.loc[(name, statistic)]
            style.mark_interval(ax, look[name], y, value, low, high)
            text = {"ha": "center", "va": "bottom", "fontsize": 6.5, "color": INK}
            ax.annotate(f"{value:.3f}", (value, y), (0, 5.5), **style.OFFSET, **text)
        ax.set_title(f"{statistic}\n({BETTER.get(statistic, 'higher is better')})")
        ax.grid(axis="x")
        ax.use_sticky_edges = False
        ax.margins(x=0.2)
        ax.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    style.name_rows(panels[0], [look[a].label for a in algorithms], 0.5, 0.75)
    values = estimates.aggregates["low"].unstack()
    single = [name for name in algorithms if np.isnan(values.loc[name, "mean"])]
    note(
        figure,
        "Human-normalised score over 26 games (0 random, 1 human). Bars: 95%"
        " stratified bootstrap intervals."
        f"{note_single_runs(look, single)}{cost_notes(look)}{remark}",
    )
    return figure


def note_single_runs(look: Mapping[str, Look], names: Sequence[str]) -> str:
    """Why some algorithms have no intervals."""
    labels = ", ".join(look[name].label for name in names)
    return f"\nOne score a game, so no interval: {labels}." if names else ""


def note_missing_games(scores: pd.DataFrame, partial: Sequence[str]) -> str:
    """Why some algorithms are not in a figure of all games."""
    games = {name: games_of(scores, name) for name in partial}
    return "".join(
        f"\nNot drawn, for want of games: {name} ({len(found)} of 26:"
        f" {', '.join(found)})."
        for name, found in games.items()
    )


@styled
def draw_profiles(profiles: dict[str, np.ndarray], remark: str = "") -> Figure:
    """The share of runs that score above tau: up to a human's score, and all of it.

    profiles: name -> (taus, 3), the share and the ends of its interval.
    """
    figure = Figure(figsize=(WIDTH, 2.6))
    near, far = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.25))
    look = looks(list(profiles))
    for ax, ticks, every in ((near, 6, (3, 8)), (far, 9, (5, 25))):
        for name, values in profiles.items():
            share, low, high = values.T
            colour, label = look[name].colour, look[name].label
            ax.fill_between(PROFILE_TAUS, low, high, color=colour, alpha=0.18, lw=0)
            marks = {**look[name].marks, "markevery": every, "markersize": 4}
            ax.plot(PROFILE_TAUS, share, label=label, **marks)
        ax.axvline(1, color=FAINT, linestyle=":", linewidth=1)
        ax.grid()
        ax.xaxis.set_major_locator(MaxNLocator(ticks))
        ax.set_xlabel("human-normalised score \N{GREEK SMALL LETTER TAU}")
    near.set(xlim=(0, 1.05), ylim=(0, 1.0), ylabel="share of runs above it")
    near.set_title("up to a human's score", loc="left")
    far.set(xlim=(0, PROFILE_TAUS[-1]))
    far.set_title("all of it", loc="left")
    far.legend(loc="upper right")
    far.text(1.1, 0.96, "human", fontsize=6.5, color=FAINT, va="top")
    single = [name for name, values in profiles.items() if np.isnan(values[0, 1])]
    note(
        figure,
        "Bands: 95% stratified bootstrap intervals."
        f"{note_single_runs(look, single)}{cost_notes(look)}{remark}",
    )
    return figure


@styled
def draw_improvement(table: pd.DataFrame, ours: str, remark: str = "") -> Figure:
    """P(ours beats each other algorithm) on a random game, with intervals.

    table: of `probabilities_of_improvement`.
    """
    look = looks([ours, *table.index])
    figure = Figure(figsize=(WIDTH, 0.8 + 0.27 * len(table)))
    ax = figure.subplots()
    for y, (name, (value, low, high)) in enumerate(table.iterrows()):
        style.mark_interval(ax, look[name], y, value, low, high)
        end = high if np.isfinite(high) else value
        white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        text: dict[str, Any] = {"va": "center", "fontsize": 7, "bbox": white}
        ax.annotate(f"{value:.3f}", (end, y), (5, 0), **style.OFFSET, **text)
    ax.axvline(0.5, color=FAINT, linestyle=":", linewidth=1)
    ax.set_xlim(0, 1)
    style.name_rows(ax, [look[name].label for name in table.index], 0.5, 0.5)
    name = look[ours].label
    ax.set_xlabel(f"chance that a run of {name} beats one of theirs, on a random game")
    for x, side, word in ((0.48, "right", "worse"), (0.52, "left", "better")):
        ax.text(x, -0.6, f"{name} is {word}", color=FAINT, ha=side, fontsize=7)
    ax.grid(axis="x")
    note(
        figure,
        "Ties count as half. Bars: 95% stratified bootstrap intervals."
        f"{cost_notes(look)}{remark}",
    )
    return figure


@styled
def draw_mean_and_median(estimates: Estimates, name: str) -> Figure:
    """Which games decide an algorithm's mean, and which its median."""
    games = estimates.games.loc[name]["value"].sort_values(ascending=False)
    figure = Figure(figsize=(WIDTH, 3.15))
    left, right = figure.subplots(1, 2, width_ratios=(1.9, 1))
    colours = [BLUE] * BEST + [FAINT] * (len(games) - BEST)
    middle = (len(games) - 1) // 2, len(games) // 2
    for i in middle:
        colours[i] = ORANGE
    left.bar(range(len(games)), games, color=colours, width=0.8)
    draw_level(left, games.mean(), "mean", BLUE)
    draw_level(left, games.median(), "median", ORANGE)
    left.set_xticks(range(len(games)), games.index, rotation=90, fontsize=6.5)
    left.tick_params(axis="x", length=0)
    left.set(ylabel="mean human-normalised score", xlim=(-0.7, len(games) - 0.3))
    best = ", ".join(games.index[:BEST])
    share = games.iloc[:BEST].sum() / games.sum()
    title = f"{best} are {share:.0%} of the mean;\nthe median is the average of "
    title += " and ".join(games.index[i] for i in middle)
    left.set_title(title, loc="left", fontsize=7)
    draw_without(right, games)
    look = looks([name])
    note(figure, f"{look[name].label}, means over its runs.{cost_notes(look)}")
    return figure


def draw_level(ax: Axes, value: float, name: str, colour: str) -> None:
    """A named horizontal line."""
    ax.axhline(value, color=colour, linewidth=1, linestyle="--")
    text: dict[str, Any] = {"color": INK, "fontsize": 7, "ha": "right", "va": "bottom"}
    at = ax.get_yaxis_transform()
    ax.text(1.0, value, f"{name} {value:.3f}", transform=at, **text)


def draw_without(ax: Axes, games: pd.Series) -> None:
    """Mean and median as the best games are left out, one more at a time."""
    left_out = range(2 * BEST + 1)
    for label, colour, marker in (("mean", BLUE, "o"), ("median", ORANGE, "s")):
        values = [games.iloc[n:].agg(label) for n in left_out]
        ax.plot(left_out, values, color=colour, marker=marker, markersize=3.5)
        ax.text(0.4, values[0], label, va="bottom", fontsize=7)
    ax.set(ylim=(0, None), xlabel="best games left out")
    ax.set_title("what is left without\nthe best games", loc="left", fontsize=7)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.grid(axis="y")
