"""Own runs beside the ways to play that have learned nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iris_core.config.setting import ConfigError
from iris_core.plotting.palette import FAINT, GREEN, INK, ORANGE, PINK
from iris_core.tools.figures import style
from iris_core.tools.figures.style import OFFSET, WIDTH, Look, mark, note, styled
from iris_core.tools.scores.run_records import FinalTest, MeanReturn, iris_means, span

AGENT = Look("agent, 95% interval", GREEN, "o")
CONSTANT = Look("best constant action", ORANGE, "s", hollow=True)
BLIND = Look("blind, own action shares", PINK, "D", hollow=True)
WAY = "share of the way from random play to IRIS"
EDGES = (-1.0, 2.0)  # of this way; few lie outside
RANDOM = " Upright bar: random play, where scores are shown."
EVERYWHERE = (-math.inf, math.inf)


@styled
def draw_baselines(tests: Sequence[FinalTest]) -> Figure:
    """A line a run: its agent, its best constant action and its blind baseline, on the
    way from random play (0) to IRIS after 100,000 steps (1). Games of which IRIS has no
    scores follow, each with its own.

    ConfigError if none of the runs was tested beside random play.
    """
    lacking = [f"{t.run.game}, seed {t.run.seed}" for t in tests if not t.random]
    groups = by_scale([test for test in tests if test.random])
    if not groups:
        raise ConfigError("no run was tested beside random play")
    heights = [0.5 + 0.24 * len(some) for some in groups.values()]
    figure = Figure(figsize=(WIDTH, 0.3 + sum(heights)))
    panels = figure.subplots(len(groups), squeeze=False, height_ratios=heights)[:, 0]
    for ax, (scale, some) in zip(panels, groups.items(), strict=True):
        draw_tests(ax, scale, some)
    style.legend_above(figure, (AGENT, CONSTANT, BLIND))
    episodes = span(pd.Series([test.run.episodes for test in tests]), "{}")
    note(
        figure,
        f"Each line: {episodes} test episodes of one run, and of its baselines."
        " Filled: better than the blind one by two standard errors of the difference."
        + RANDOM * any(scale != WAY for scale in groups)
        + f"\nNot tested beside random play: {'; '.join(lacking)}." * bool(lacking)
        + "".join(f"\n{preset}." for preset in sorted({t.run.preset for t in tests})),
    )
    return figure


def by_scale(tests: Sequence[FinalTest]) -> dict[str, list[FinalTest]]:
    """Tests by the axis on which they can be compared, the share of the way first."""
    groups: dict[str, list[FinalTest]] = {}
    for test in sorted(tests, key=lambda test: test.run.game not in iris_means()):
        known = test.run.game in iris_means()
        groups.setdefault(WAY if known else f"score in {test.run.game}", []).append(
            test
        )
    return groups


def draw_tests(ax: Axes, scale: str, tests: Sequence[FinalTest]) -> None:
    """Runs on one axis."""
    several = len({test.run.seed for test in tests}) > 1
    for y, test in enumerate(tests):
        draw_test(ax, y, test)
    if scale == WAY:
        style.name_levels(ax, ("random", "IRIS, 100k steps"), -0.75)
        ax.set_xlim(EDGES[0] - 0.35, EDGES[1] + 0.35)
    names = [t.run.game + f", seed {t.run.seed}" * several for t in tests]
    style.name_rows(ax, names, 0.6, 0.6)
    ax.set_xlabel(scale)
    ax.grid(axis="y")


def draw_test(ax: Axes, y: int, test: FinalTest) -> None:
    """One run, at height y."""
    assert test.random is not None
    random, iris = test.random.mean, iris_means().get(test.run.game)
    start, way, edges = 0.0, 1.0, EVERYWHERE
    if iris is not None:
        start, way, edges = random, iris - random, EDGES
    else:
        ax.plot(random, y, "|", color=FAINT, markersize=9)
    for look, baseline in ((CONSTANT, test.constant), (BLIND, test.blind)):
        if baseline is not None:
            mark_within(ax, look, (baseline.mean - start) / way, y, edges)
    x, reach = (test.agent.mean - start) / way, 1.96 * test.agent.standard_error / way
    ax.plot([x - reach, x + reach], [y, y], color=INK, linewidth=1.2, zorder=3)
    mark_within(ax, AGENT._replace(hollow=not beats_blind(test)), x, y, edges)


def mark_within(
    ax: Axes, look: Look, x: float, y: int, edges: tuple[float, float]
) -> None:
    """A mark; what lies outside stands at the edge, with its value."""
    low, high = edges
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
