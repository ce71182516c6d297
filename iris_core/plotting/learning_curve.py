"""What play is worth: test returns against steps as a plot, and results as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from iris_core.plotting.contact_sheet import save_png
from iris_core.plotting.palette import BASELINES, BLUE, INK, STYLE


def learning_curve(
    steps: Sequence[float],
    returns: Sequence[float],
    baselines: Mapping[str, float],
    game: str,
    errors: Sequence[float] | None = None,
    final: float | None = None,
) -> Figure:
    """How an agent improves, beside the lines that it is measured against.

    Args:
        steps: environment steps at each test.
        returns: the mean return of each test.
        baselines: mean returns by name, e.g. random, best constant action, human. The
            highest is named with an arrow where its line would flatten all else.
        game: for the title.
        errors: the standard error of each test, where they are to be drawn.
        final: the mean return of a final test, which then is named instead of the last.

    Raises:
        ValueError: not one return for each step, or none at all.
    """
    if len(steps) != len(returns) or not len(steps):
        raise ValueError(
            f"There are {len(steps)} steps and {len(returns)} returns; there must be"
            " as many of both, and one or more."
        )
    named = float(returns[-1] if final is None else final)
    # Whatever the reader's own rcParams are
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
        figure = Figure(figsize=(8, 5), dpi=100, layout=layout)
        axes = figure.subplots()
        plot_returns(axes, steps, returns, errors)
        axes.set_xlim(0, max(steps) or 1)
        axes.set_ylim(*value_range([*returns, named], baselines.values()))
        labels = [(named, f"this agent  {short(named)}", BLUE)]
        if final is not None:
            axes.plot(axes.get_xlim()[1], final, "D", color=BLUE, clip_on=False)
        for (name, value), (colour, dash) in zip(baselines.items(), cycle(BASELINES)):
            axes.axhline(value, color=colour, linestyle=dash, linewidth=1.8)
            labels.append((value, f"{name}  {short(value)}", colour))
        axes.set_title(f"{game}: mean test return", loc="left", color=INK)
        label_lines(axes, labels)
    return figure


def save_learning_curve(figure: Figure, path: str | Path) -> None:
    """Write a `learning_curve` as a PNG of 800x500, whole or not at all."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save_png(np.asarray(canvas.buffer_rgba())[..., :3], path)


def plot_returns(
    axes: Axes,
    steps: Sequence[float],
    returns: Sequence[float],
    errors: Sequence[float] | None = None,
    colour: str = BLUE,
) -> None:
    """Mean test returns and, where given, their standard errors."""
    look: dict[str, Any] = {"lw": 2.2, "ms": 4, "capsize": 3, "zorder": 3}
    axes.errorbar(steps, returns, errors, fmt="o-", color=colour, clip_on=False, **look)
    axes.set_xlabel("environment steps")
    step_axis(axes, 5)
    axes.yaxis.set_major_formatter("{x:,.6g}")
    axes.grid(axis="y")


def step_axis(axes: Axes, most: int) -> None:
    """Whole numbers of steps along x, at no more than so many ticks, as 10,000."""
    axes.xaxis.set_major_locator(MaxNLocator(most, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")


def value_range(
    returns: Sequence[float], baselines: Iterable[float]
) -> tuple[float, float]:
    """The returns that a plot shows: all, but not a highest baseline far above."""
    *others, highest = sorted(baselines) or [max(returns)]
    low, high = min([*returns, *others]), max([*returns, *others])
    if highest - low <= 10 * (high - low):
        low, high = min(low, highest), max(high, highest)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def label_lines(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Name lines (value, text, colour) to the right of the plot, clear of each other.

    Where lines are near each other, their labels move apart and a stroke leads there.
    A line above the plot is named at its top.
    """
    low, high = axes.get_ylim()
    labels = sorted(labels)
    line = 0.055 * (high - low)  # the height of a line of text
    heights = spread([value for value, _, _ in labels], line, low, high)
    for (value, text, colour), y in zip(labels, heights, strict=True):
        above = bool(value > high)
        axes.annotate(
            text + " \N{UPWARDS ARROW}" * above,
            xy=(1, min(value, high)),  # 1 is the right edge
            xycoords=axes.get_yaxis_transform(),
            xytext=(24, y),
            textcoords=("offset points", "data"),
            color=INK,
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0 if above else 1.4,
                "relpos": (0, 0.5),  # from the middle of the text's left side
                "shrinkB": 0,
            },
        )


def spread(
    values: Iterable[float], distance: float, low: float, high: float
) -> list[float]:
    """Ascending values, moved apart to a distance, within low and high if they fit."""
    placed: list[float] = []
    floor = low
    for value in values:
        placed.append(max(value, floor))
        floor = placed[-1] + distance
    ceiling = high
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - distance
    return placed


def short(value: float) -> str:
    """A return in three figures or more, with a real minus sign."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def result_table(rows: Sequence[tuple[str, float | None, float | None]]) -> str:
    """Results as aligned text for the terminal.

    Args:
        rows: (name, mean return, its standard error); None is left blank.

    Returns:
        a header and a line for each row, without a line break at the end.
    """
    means = [mean for _, mean, _ in rows if mean is not None]
    decimals = 1 if any(abs(mean) >= 100 for mean in means) else 2

    def column(values: Sequence[float | None]) -> list[str]:
        texts = ["" if value is None else f"{value:.{decimals}f}" for value in values]
        width = max(map(len, texts), default=0)
        return [text.rjust(width) for text in texts]

    errors = column([error for _, _, error in rows])
    errors = [f"± {error}" if error.strip() else "" for error in errors]
    names = [name for name, _, _ in rows]
    cells = zip(names, column([mean for _, mean, _ in rows]), errors, strict=True)
    table = [("", "mean return", "std. error"), *cells]
    widths = [max(map(len, texts)) for texts in zip(*table, strict=True)]
    return "\n".join(
        f"{name:<{widths[0]}}  {mean:>{widths[1]}}  {error:>{widths[2]}}".rstrip()
        for name, mean, error in table
    )
