"""One look for every figure of results: the palette, markers, and sizes for print.

A figure is 5.5 inches wide, the text width of the paper, so that 7 to 8 points in it
are 7 to 8 points on paper. Markers tell algorithms apart without colours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iris_core.config.setting import ConfigError
from iris_core.plotting import palette
from iris_core.plotting.palette import BLUE, FAINT, GREEN, INK, ORANGE, PINK, SKY
from iris_core.tools.scores.run_records import OWN

WIDTH = 5.5  # inches
NOTE_LETTERS, NOTE_LINE = 19, 0.12  # of a note: letters an inch, inches a line
KEYS = 7  # of a legend, side by side

STYLE: dict[Any, Any] = {
    **palette.STYLE,
    "figure.dpi": 150,  # on screen
    "savefig.dpi": 250,
    "font.family": "DejaVu Sans",
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 8),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7),
    **dict.fromkeys(("xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("axes.linewidth", "grid.linewidth"), 0.6),
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,  # text stays text
}
OFFSET: dict[str, Any] = {"textcoords": "offset points"}  # of an annotation


class Look(NamedTuple):
    """How an algorithm is drawn, in every figure."""

    label: str
    colour: str
    marker: str
    hollow: bool = False

    @property
    def marks(self) -> dict[str, Any]:
        """Its markers, as matplotlib is told."""
        face = "white" if self.hollow else self.colour
        return {"color": self.colour, "marker": self.marker, "markerfacecolor": face}


LOOKS = {
    "IRIS": Look("IRIS", BLUE, "o"),
    "SimPLe": Look("SimPLe", FAINT, "v"),
    "CURL": Look("CURL", PINK, "D"),
    "DrQ(eps)": Look("DrQ(\N{GREEK SMALL LETTER EPSILON})", ORANGE, "s"),
    "SPR": Look("SPR", GREEN, "^"),
    "Delta-IRIS": Look("\N{GREEK CAPITAL LETTER DELTA}-IRIS", palette.VERMILLION, "P"),
    "DIAMOND": Look("DIAMOND", SKY, "X"),
    "MuZero": Look("MuZero", FAINT, "<", hollow=True),
    "EfficientZero": Look("EfficientZero", INK, ">", hollow=True),
}
OWN_MARKERS = "*dhPX8p"  # of own presets, in black
SPARE = ((PINK, "p"), (ORANGE, "H"), (SKY, "8"))  # hollow, for others


def looks(names: Sequence[str]) -> dict[str, Look]:
    """The look of each algorithm; those without a fixed one get a spare.

    Own runs are "own 1", "own 2" ...: what these are, `cost_notes` says.
    """
    own = [name for name in names if name.startswith(f"{OWN}, ")]
    found = dict(LOOKS)
    for i, name in enumerate(own):
        marker = OWN_MARKERS[i % len(OWN_MARKERS)]
        found[name] = Look(f"{OWN} {i + 1}", "black", marker)
    for i, name in enumerate(name for name in names if name not in found):
        found[name] = Look(name, *SPARE[i % len(SPARE)], hollow=True)
    return {name: found[name] for name in names}


def cost_notes(look: Mapping[str, Look]) -> str:
    """For a note: what own runs cost, never to be taken for the paper's."""
    lines = [
        f"\n{each.label}{name.removeprefix(OWN)}."
        for name, each in look.items()
        if each.label != name and name.startswith(OWN)
    ]
    published = "\nPublished runs played 100,000 steps."
    return "".join([*lines, published]) if lines else ""


P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in this style, whatever the reader's own settings are."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
            return draw(*args, **kwargs)

    return inside


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PDF and PNG, the same bytes whenever nothing has changed."""
    paths = [folder / f"{name}.pdf", folder / f"{name}.png"]
    dated = ({"CreationDate": None}, {"Software": None})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context(STYLE):
            for path, metadata in zip(paths, dated, strict=True):
                figure.savefig(path, metadata=metadata)
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror}") from error
    return paths


# What several figures are made of


def mark(ax: Axes, look: Look, x: float, y: float, size: float = 4.5) -> None:
    """One point of an algorithm."""
    ring: dict[str, Any] = {"markersize": size, "markeredgewidth": 0.9, "zorder": 4}
    ax.plot(x, y, linestyle="none", **look.marks, **ring)


def mark_interval(
    ax: Axes, look: Look, y: int, value: float, low: float, high: float
) -> None:
    """A value at height y, on the bar of its interval."""
    ax.barh(y, high - low, 0.5, low, color=look.colour, alpha=0.35, linewidth=0)
    mark(ax, look, value, y)


def name_rows(ax: Axes, names: Sequence[str], below: float, above: float) -> None:
    """What lies at 0, 1, 2 ... from the top, with so much room below and above."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 1 + below, -above)
    ax.tick_params(axis="y", length=0)


def name_levels(ax: Axes, levels: Sequence[str], y: float) -> None:
    """Dotted lines at x = 0, 1 ..., named at height y."""
    for level, text in enumerate(levels):
        ax.axvline(level, color=FAINT, linestyle=":", linewidth=1)
        ax.text(level, y, text, ha="center", fontsize=6.5, color=FAINT)


def handles(shown: Sequence[Look]) -> list[Line2D]:
    """The entries of a legend."""
    return [Line2D([], [], linestyle="none", label=x.label, **x.marks) for x in shown]


def legend_above(figure: Figure, shown: Sequence[Look]) -> None:
    """A legend above the whole figure."""
    figure.legend(handles=handles(shown), loc="outside upper left", ncols=KEYS)


def note(figure: Figure, text: str) -> None:
    """What a reader must know of a figure, in small type below it; it grows by that."""
    width = int(NOTE_LETTERS * figure.get_figwidth())
    lines = [line for part in text.splitlines() for line in wrap(part, width)]
    figure.set_figheight(figure.get_figheight() + NOTE_LINE * len(lines))
    figure.supxlabel("\n".join(lines), fontsize=6.5, color=FAINT, x=0.01, ha="left")
