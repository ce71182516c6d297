"""Figures game by game: what an algorithm is good and bad at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iris_core.envs.atari_100k import REFERENCE, human_normalised, raw_score
from iris_core.plotting.palette import FAINT, GREEN, GRID, INK, VERMILLION
from iris_core.tools.figures import style
from iris_core.tools.figures.style import WIDTH, Look, cost_notes, looks, note, styled
from iris_core.tools.scores.scores import run_scores
from iris_core.tools.scores.statistics import Estimates, bootstrap

COLUMNS = 5  # of small panels


def normalised_runs(scores: pd.DataFrame, name: str, game: str) -> np.ndarray:
    """Human-normalised scores of an algorithm's runs of a game: (runs,)."""
    runs = run_scores(scores, name, game)
    return np.array([human_normalised(game, score) for score in runs])


@styled
def draw_games(
    scores: pd.DataFrame, estimates: Estimates, ours: str, others: Sequence[str]
) -> Figure:
    """One algorithm on every game, best first: its mean with a 95% interval, its runs,
    and where the means of others stand.

    others: may lack games (own runs): they are drawn where they have some.
    """
    look = looks([ours, *others])
    mine = estimates.games.loc[ours].sort_values("value", ascending=False)
    figure = Figure(figsize=(WIDTH, 6.9))
    ax = figure.subplots()
    colour = look[ours].colour
    for y, (game, (value, low, high)) in enumerate(mine.iterrows()):
        ax.barh(y, value, 0.72, color=colour, alpha=0.25, linewidth=0)
        ax.plot([low, high], [y, y], color=colour, linewidth=1.8, zorder=3)
        ax.plot([value] * 2, [y - 0.36, y + 0.36], color=colour, zorder=3)
        runs = normalised_runs(scores, ours, game)
        ax.plot(runs, np.full(len(runs), y + 0.2), ".", color=colour, markersize=2.5)
        for name in others:
            theirs = normalised_runs(scores, name, game)
            if len(theirs):
                style.mark(ax, look[name], float(theirs.mean()), y, size=3.6)
    style.name_levels(ax, ("random", "human"), -0.9)
    ax.set_xscale("symlog", linthresh=1, linscale=1.6)
    ticks = [0, 0.25, 0.5, 0.75, 1, 2, 5, 10]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xlim(-0.12, 1.15 * ax.get_xlim()[1])
    style.name_rows(ax, mine.index, 0.6, 0.7)
    ax.set_xlabel("mean human-normalised score (even steps up to 1, then logarithmic)")
    ax.grid(axis="x")
    style.legend_above(figure, list(look.values()))
    note(
        figure,
        f"Bar, line and dots: {look[ours].label}'s mean, 95% bootstrap interval, runs."
        f" Markers: means of the others.{cost_notes(look)}",
    )
    return figure


@styled
def draw_game_panels(
    scores: pd.DataFrame,
    algorithms: Sequence[str],
    replicates: int = 2000,
    estimates: Estimates | None = None,
) -> Figure:
    """A panel a game: each algorithm's mean as a bar with its 95% bootstrap interval,
    and the scores of its runs as points. Algorithms may lack games; those without human
    scores come last.

    estimates: whose intervals are taken where it has them; else they are computed, with
    this many replicates.
    """
    played = set(scores.loc[scores["algorithm"].isin(algorithms), "game"])
    games = [game for game in REFERENCE if game in played]
    games += sorted(played.difference(games))
    look = looks(algorithms)
    columns = min(COLUMNS, len(games))
    lines = -(-len(games) // columns)
    blank = lines * columns - len(games)
    keys = 0 if blank > 1 else -(-len(look) // style.KEYS)  # lines of the legend
    figure = Figure(figsize=(WIDTH, 0.3 + 1.22 * lines + 0.17 * keys))
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax, game in zip(panels, games, strict=False):
        draw_game(ax, scores, game, look, replicates, estimates)
    for ax in panels[len(games) :]:
        ax.set_axis_off()
    if keys:
        style.legend_above(figure, list(look.values()))
    else:  # in the empty panels
        entries = style.handles(list(look.values()))
        wide = -(-len(look) // style.KEYS)
        key = panels[len(games)].legend(handles=entries, loc="upper left", ncols=wide)
        key.set_in_layout(False)
    note(
        figure,
        "Bars: mean score. Lines: its 95% bootstrap interval. Points: runs. Dashes: a"
        f" human.{cost_notes(look)}",
    )
    return figure


def draw_game(
    ax: Axes,
    scores: pd.DataFrame,
    game: str,
    look: Mapping[str, Look],
    replicates: int,
    estimates: Estimates | None,
) -> None:
    """Raw scores of one game."""
    rng = np.random.default_rng(0)  # spreads the points
    present = [name for name in look if len(run_scores(scores, name, game))]
    for x, name in enumerate(present):
        runs = run_scores(scores, name, game)
        if estimates is not None and (name, game) in estimates.games.index:
            normalised = estimates.games.loc[(name, game)]
            value, low, high = (raw_score(game, each) for each in normalised)
        else:
            value, low, high = mean_interval(runs, replicates)
        ax.bar(x, value, 0.8, color=look[name].colour, alpha=0.35, linewidth=0)
        at = x + rng.uniform(-0.28, 0.28, len(runs))
        many = len(runs) > 20
        size, alpha = (1.2, 0.5) if many else (2.6, 1)
        points = {**look[name].marks, "markersize": size, "markeredgewidth": 0.5}
        ax.plot(at, runs, linestyle="none", alpha=alpha, clip_on=False, **points)
        ax.plot([x, x], [low, high], color=INK, linewidth=1.1)
    if game in REFERENCE:
        human = REFERENCE[game].human
        ax.axhline(human, color=FAINT, linestyle="--", linewidth=0.8)
    ax.axhline(0, color=GRID, linewidth=0.6, zorder=0)
    ax.set_title(game, fontsize=7, pad=2)
    ax.set_xticks([])
    ax.set_xlim(-0.6, len(present) - 0.4)
    ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.yaxis.set_major_formatter(lambda value, _: short(value))
    ax.tick_params(axis="y", labelsize=6, pad=1.5, length=2)


def mean_interval(runs: np.ndarray, replicates: int) -> np.ndarray:
    """The mean of runs (n,) and its 95% bootstrap interval: (3,)."""
    return bootstrap(lambda s: s.mean(0), (runs[:, None],), replicates)[0]


def short(value: float) -> str:
    """A score on a small axis: 20k for 20000."""
    text = f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"
    return text.replace("-", "\N{MINUS SIGN}")


@styled
def draw_differences(tables: Mapping[str, pd.DataFrame], ours: str) -> Figure:
    """Ours minus theirs on every game, with 95% intervals, in the order of the first.

    tables: the other algorithm -> its `differences` from ours.
    """
    look = looks([ours, *tables])
    order = next(iter(tables.values()))["value"].sort_values(ascending=False).index
    figure = Figure(figsize=(WIDTH, 5.45))
    panels = figure.subplots(1, len(tables), sharey=True, sharex=True, squeeze=False)[0]
    for ax, (name, table) in zip(panels, tables.items(), strict=True):
        rows = table.loc[order]
        for y, (value, low, high) in enumerate(rows.itertuples(index=False)):
            colour, marker = FAINT, "o"
            if low > 0 or high < 0:
                colour, marker = (GREEN, "^") if low > 0 else (VERMILLION, "v")
            ax.plot([low, high], [y, y], color=colour, linewidth=1.6)
            ax.plot(value, y, marker, color=colour, markersize=4)
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.set_xscale("symlog", linthresh=0.1, linscale=0.7)
        ticks = [-5, -1, -0.1, 0, 0.1, 1, 5]
        ax.set_xticks(ticks, [short(tick) for tick in ticks])
        ax.set_xticks([], minor=True)
        ax.grid(axis="x")
        title = f"{look[ours].label} minus {look[name].label}\n{count(rows)}"
        ax.set_title(title, fontsize=7.5)
        ax.tick_params(axis="y", length=0)
    style.name_rows(panels[0], order, 0.6, 0.6)
    panels[len(panels) // 2].set_xlabel("difference of mean human-normalised scores")
    note(
        figure,
        "Lines: 95% bootstrap intervals. Triangle up: better; down: worse; grey: the"
        f" interval holds 0.{cost_notes(look)}",
    )
    return figure


def count(rows: pd.DataFrame) -> str:
    """On how many games the interval excludes 0, either way."""
    better, worse = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
    return f"{better} better, {worse} worse"
