"""Figures over all 26 games: aggregates, performance profiles, P(improvement)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iris_core.figures.style import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    WIDTH,
    Look,
    looks,
    mark,
    note,
    scales,
    styled,
)
from iris_core.tools.scores.scores import games_of
from iris_core.tools.scores.statistics import PROFILE_TAUS, STATISTICS, Estimates

BETTER = {"optimality gap": "lower is better"}


@styled
def draw_aggregates(
    estimates: Estimates, algorithms: Sequence[str], remark: str = ""
) -> Figure:
    """Median, IQM, mean and optimality gap: a value and its 95% interval each.

    remark: written below, e.g. `about_partial`.
    """
    look = looks(list(algorithms))
    height = 0.75 + 0.27 * len(algorithms)
    figure = Figure(figsize=(WIDTH, height))
    panels = figure.subplots(1, len(STATISTICS), sharey=True)
    for ax, statistic in zip(panels, STATISTICS, strict=True):
        for y, name in enumerate(algorithms):
            value, low, high = estimates.aggregates.loc[(name, statistic)]
            colour = look[name].colour
            ax.barh(y, high - low, 0.5, low, color=colour, alpha=0.35, linewidth=0)
            mark(ax, look[name], value, y)
            ax.annotate(
                f"{value:.3f}",
                (value, y),
                (0, 5.5),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=6.5,
                color=INK,
            )
        ax.set_title(f"{statistic}\n({BETTER.get(statistic, 'higher is better')})")
        ax.grid(axis="x")
        ax.use_sticky_edges = False
        ax.margins(x=0.2)
        ax.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=2))
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    panels[0].set_yticks(range(len(algorithms)), [look[a].label for a in algorithms])
    panels[0].set_ylim(len(algorithms) - 0.5, -0.75)
    values = estimates.aggregates["low"].unstack()
    single = [name for name in algorithms if np.isnan(values.loc[name, "mean"])]
    note(
        figure,
        "Human-normalised score over 26 games (0 random, 1 human). Bars: 95%"
        " stratified bootstrap intervals."
        + about_single(look, single)
        + scales(look)
        + remark,
    )
    return figure


def about_single(look: Mapping[str, Look], names: Sequence[str]) -> str:
    """Why some algorithms have no intervals."""
    labels = ", ".join(look[name].label for name in names)
    return f"\nOne score a game, so no interval: {labels}." if names else ""


def about_partial(scores: pd.DataFrame, partial: Sequence[str]) -> str:
    """Why some algorithms are not in a figure of all games."""
    lines = []
    for name in partial:
        games = games_of(scores, name)
        lines.append(
            f"\nNot drawn, for want of games: {name} ({len(games)} of 26:"
            f" {', '.join(games)})."
        )
    return "".join(lines)


@styled
def draw_profiles(
    profiles: dict[str, np.ndarray],
    taus: np.ndarray = PROFILE_TAUS,
    remark: str = "",
) -> Figure:
    """The share of runs that score above tau: up to a human's score, and all of it.

    profiles: name -> (taus, 3), the share and the ends of its interval.
    """
    figure = Figure(figsize=(WIDTH, 2.6))
    near, far = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.25))
    look = looks(list(profiles))
    for ax, ticks in ((near, 6), (far, 9)):
        for name, values in profiles.items():
            share, low, high = values.T
            style = {"color": look[name].colour}
            ax.fill_between(taus, low, high, alpha=0.18, linewidth=0, **style)
            ax.plot(
                taus,
                share,
                label=look[name].label,
                marker=look[name].marker,
                markerfacecolor=look[name].face,
                markevery=(5, 25) if ax is far else (3, 8),
                markersize=4,
                **style,
            )
        ax.axvline(1, color=FAINT, linestyle=":", linewidth=1)
        ax.grid()
        ax.xaxis.set_major_locator(MaxNLocator(ticks))
        ax.set_xlabel("human-normalised score \N{GREEK SMALL LETTER TAU}")
    near.set(xlim=(0, 1.05), ylim=(0, 1.0), ylabel="share of runs above it")
    near.set_title("up to a human's score", loc="left")
    far.set(xlim=(0, taus[-1]))
    far.set_title("all of it", loc="left")
    far.legend(loc="upper right")
    far.text(1.1, 0.96, "human", fontsize=6.5, color=FAINT, va="top")
    single = [name for name, values in profiles.items() if np.isnan(values[0, 1])]
    note(
        figure,
        "Bands: 95% stratified bootstrap intervals."
        + about_single(look, single)
        + scales(look)
        + remark,
    )
    return figure


@styled
def draw_improvement(table: pd.DataFrame, ours: str, remark: str = "") -> Figure:
    """P(ours beats each other algorithm) on a random game, with intervals.

    table: of `probabilities_of_improvement`.
    """
    look = looks([ours, *table.index])
    lines = len(table)
    figure = Figure(figsize=(WIDTH, 0.8 + 0.27 * lines))
    ax = figure.subplots()
    for y, (name, (value, low, high)) in enumerate(table.iterrows()):
        colour = look[name].colour
        ax.barh(y, high - low, 0.5, low, color=colour, alpha=0.35, linewidth=0)
        mark(ax, look[name], value, y)
        ax.annotate(
            f"{value:.3f}",
            (high if np.isfinite(high) else value, y),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    ax.axvline(0.5, color=FAINT, linestyle=":", linewidth=1)
    ax.set(xlim=(0, 1), ylim=(lines - 0.5, -0.5))
    ax.set_yticks(range(lines), [look[name].label for name in table.index])
    name = look[ours].label
    ax.set_xlabel(f"chance that a run of {name} beats one of theirs, on a random game")
    for x, side, text in ((0.48, "right", "worse"), (0.52, "left", "better")):
        ax.text(x, -0.6, f"{name} is {text}", color=FAINT, ha=side, fontsize=7)
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    note(
        figure,
        "Ties count as half. Bars: 95% stratified bootstrap intervals."
        + scales(look)
        + remark,
    )
    return figure


@styled
def draw_mean_and_median(estimates: Estimates, name: str, most: int = 4) -> Figure:
    """Which games decide an algorithm's mean, and which its median.

    most: how many of the best games are told apart in the mean.
    """
    games = estimates.games.loc[name]["value"].sort_values(ascending=False)
    figure = Figure(figsize=(WIDTH, 3.15))
    left, right = figure.subplots(1, 2, width_ratios=(1.9, 1))
    colours = [BLUE] * most + [FAINT] * (len(games) - most)
    middle = (len(games) - 1) // 2, len(games) // 2
    for i in middle:
        colours[i] = ORANGE
    left.bar(range(len(games)), games, color=colours, width=0.8)
    mean, median = games.mean(), games.median()
    draw_level(left, mean, f"mean {mean:.3f}", BLUE)
    draw_level(left, median, f"median {median:.3f}", ORANGE)
    left.set_xticks(range(len(games)), games.index, rotation=90, fontsize=6.5)
    left.tick_params(axis="x", length=0)
    left.set(ylabel="mean human-normalised score", xlim=(-0.7, len(games) - 0.3))
    best = ", ".join(games.index[:most])
    share = games.iloc[:most].sum() / games.sum()
    left.set_title(
        f"{best} are {share:.0%} of the mean;\nthe median is the average of"
        f" {' and '.join(games.index[i] for i in middle)}",
        loc="left",
        fontsize=7,
    )
    draw_without(right, games, most)
    look = looks([name])
    note(figure, f"{look[name].label}, means over its runs.{scales(look)}")
    return figure


def draw_level(ax: Axes, value: float, text: str, colour: str) -> None:
    """A named horizontal line."""
    ax.axhline(value, color=colour, linewidth=1, linestyle="--")
    ax.text(
        1.0,
        value,
        text,
        color=INK,
        fontsize=7,
        ha="right",
        va="bottom",
        transform=ax.get_yaxis_transform(),
    )


def draw_without(ax: Axes, games: pd.Series, most: int) -> None:
    """Mean and median as the best games are left out, one more at a time."""
    left_out = range(0, 2 * most + 1)
    for values, label, colour, marker in (
        ([games.iloc[n:].mean() for n in left_out], "mean", BLUE, "o"),
        ([games.iloc[n:].median() for n in left_out], "median", ORANGE, "s"),
    ):
        ax.plot(left_out, values, color=colour, marker=marker, markersize=3.5)
        ax.text(0.4, values[0], label, va="bottom", fontsize=7)
    ax.set(ylim=(0, None), xlabel="best games left out")
    ax.set_title("what is left without\nthe best games", loc="left", fontsize=7)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.grid(axis="y")
