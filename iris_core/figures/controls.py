"""Own runs beside the ways to play that have learned nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iris_core.config.schema import ConfigError
from iris_core.envs.atari_100k import REFERENCE
from iris_core.figures.style import (
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PINK,
    WIDTH,
    Look,
    handle,
    mark,
    note,
    styled,
)
from iris_core.tools.scores.run_records import FinalTest, MeanReturn, iris_means, span

AGENT = Look("agent, 95% interval", GREEN, "o")
CONSTANT = Look("best constant action", ORANGE, "s", hollow=True)
BLIND = Look("blind, own action shares", PINK, "D", hollow=True)
EDGES = (-1.0, 2.0)  # of the way from random play to IRIS; few lie outside


@styled
def draw_controls(tests: Sequence[FinalTest]) -> Figure:
    """A line a run: its agent, its best constant action and its blind twin, on the way
    from random play (0) to IRIS after 100,000 steps (1).

    ConfigError if none of the runs is of one of the 26 games.
    """
    tests = [test for test in tests if test.run.game in REFERENCE and test.random]
    if not tests:
        raise ConfigError("no run of one of the 26 games, tested with random play")
    several = len({test.run.seed for test in tests}) > 1
    figure = Figure(figsize=(WIDTH, 0.8 + 0.24 * len(tests)))
    ax = figure.subplots()
    for y, test in enumerate(tests):
        draw_test(ax, y, test)
    for level, text in ((0, "random"), (1, "IRIS, 100k steps")):
        ax.axvline(level, color=FAINT, linestyle=":", linewidth=1)
        ax.text(level, -0.75, text, ha="center", fontsize=6.5, color=FAINT)
    names = [t.run.game + f", seed {t.run.seed}" * several for t in tests]
    ax.set_yticks(range(len(tests)), names)
    ax.set(ylim=(len(tests) - 0.4, -0.6), xlim=(EDGES[0] - 0.35, EDGES[1] + 0.35))
    ax.set_xlabel("share of the way from random play to IRIS")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y")
    handles = [handle(look) for look in (AGENT, CONSTANT, BLIND)]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    episodes = span(pd.Series([test.run.episodes for test in tests]), "{}")
    note(
        figure,
        f"Each line: {episodes} test episodes of one run, and of its controls."
        " Filled: better than its blind twin by two standard errors of the difference."
        + "".join(f"\n{preset}." for preset in sorted({t.run.preset for t in tests})),
    )
    return figure


def draw_test(ax: Axes, y: int, test: FinalTest) -> None:
    """One run, at height y."""
    assert test.random is not None
    random = test.random.mean
    way = iris_means()[test.run.game] - random
    for look, control in ((CONSTANT, test.constant), (BLIND, test.blind)):
        if control is not None:
            mark_within(ax, look, (control.mean - random) / way, y)
    x, reach = (test.agent.mean - random) / way, 1.96 * test.agent.standard_error / way
    ax.plot([x - reach, x + reach], [y, y], color=INK, linewidth=1.2, zorder=3)
    mark_within(ax, AGENT._replace(hollow=not sees(test)), x, y)


def mark_within(ax: Axes, look: Look, x: float, y: int) -> None:
    """A mark; what lies outside stands at the edge, with its value."""
    low, high = EDGES
    at = min(max(x, low), high)
    mark(ax, look, at, y)
    if at != x:
        side, offset = ("right", -4) if x < low else ("left", 4)
        ax.annotate(
            f"{x:.1f}",
            (at, y),
            (offset, 2),
            textcoords="offset points",
            ha=side,
            fontsize=6,
            color=INK,
        )


def sees(test: FinalTest) -> bool:
    """Whether looking pays: better than the blind twin by two standard errors."""
    return test.blind is not None and lead(test.agent, test.blind) > 2


def lead(ours: MeanReturn, theirs: MeanReturn) -> float:
    """The difference of two means, in its standard errors."""
    error = (ours.standard_error**2 + theirs.standard_error**2) ** 0.5
    difference = ours.mean - theirs.mean
    if error:
        return difference / error
    return math.copysign(math.inf, difference) if difference else 0.0
