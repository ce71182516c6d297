"""Own runs beside the ways to play that have learned nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iris_core.config.setting import ConfigError
from iris_core.envs.atari_100k import REFERENCE
from iris_core.plotting.palette import GREEN, INK, ORANGE, PINK
from iris_core.tools.figures import style
from iris_core.tools.figures.style import OFFSET, WIDTH, Look, mark, note, styled
from iris_core.tools.scores.run_records import FinalTest, MeanReturn, iris_means, span

AGENT = Look("agent, 95% interval", GREEN, "o")
CONSTANT = Look("best constant action", ORANGE, "s", hollow=True)
BLIND = Look("blind, own action shares", PINK, "D", hollow=True)
EDGES = (-1.0, 2.0)  # of the way from random play to IRIS; few lie outside


@styled
def draw_baselines(tests: Sequence[FinalTest]) -> Figure:
    """A line a run: its agent, its best constant action and its blind baseline, on the
    way from random play (0) to IRIS after 100,000 steps (1).

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
    style.name_levels(ax, ("random", "IRIS, 100k steps"), -0.75)
    names = [t.run.game + f", seed {t.run.seed}" * several for t in tests]
    style.name_rows(ax, names, 0.6, 0.6)
    ax.set_xlim(EDGES[0] - 0.35, EDGES[1] + 0.35)
    ax.set_xlabel("share of the way from random play to IRIS")
    ax.grid(axis="y")
    style.legend_above(figure, (AGENT, CONSTANT, BLIND))
    episodes = span(pd.Series([test.run.episodes for test in tests]), "{}")
    note(
        figure,
        f"Each line: {episodes} test episodes of one run, and of its baselines."
        " Filled: better than the blind one by two standard errors of the difference."
        + "".join(f"\n{preset}." for preset in sorted({t.run.preset for t in tests})),
    )
    return figure


def draw_test(ax: Axes, y: int, test: FinalTest) -> None:
    """One run, at height y."""
    assert test.random is not None
    random = test.random.mean
    way = iris_means()[test.run.game] - random
    for look, baseline in ((CONSTANT, test.constant), (BLIND, test.blind)):
        if baseline is not None:
            mark_within(ax, look, (baseline.mean - random) / way, y)
    x, reach = (test.agent.mean - random) / way, 1.96 * test.agent.standard_error / way
    ax.plot([x - reach, x + reach], [y, y], color=INK, linewidth=1.2, zorder=3)
    mark_within(ax, AGENT._replace(hollow=not beats_blind(test)), x, y)


def mark_within(ax: Axes, look: Look, x: float, y: int) -> None:
    """A mark; what lies outside stands at the edge, with its value."""
    low, high = EDGES
    at = min(max(x, low), high)
    mark(ax, look, at, y)
    if at != x:
        side, offset = ("right", -4) if x < low else ("left", 4)
        text: dict[str, Any] = {"ha": side, "fontsize": 6, "color": INK}
        ax.annotate(f"{x:.1f}", (at, y), (offset, 2), **OFFSET, **text)


def beats_blind(test: FinalTest) -> bool:
    """Whether looking pays: better than the blind baseline by two standard errors."""
    return test.blind is not None and z_score(test.agent, test.blind) > 2


def z_score(ours: MeanReturn, theirs: MeanReturn) -> float:
    """The difference of two means, in its standard errors."""
    error = math.hypot(ours.standard_error, theirs.standard_error)
    difference = ours.mean - theirs.mean
    if error:
        return difference / error
    return math.copysign(math.inf, difference) if difference else 0.0
