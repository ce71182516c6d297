"""One look for every figure of results: fixed colours, markers, sizes for print.

A figure is 5.5 inches wide, the text width of the paper, so that 7 to 8 points in it
are 7 to 8 points on paper. Colours are Okabe and Ito's; markers tell the same apart
without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple, ParamSpec

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from iris_core.config.schema import ConfigError
from iris_core.tools.scores.run_records import OWN

WIDTH = 5.5  # inches
NOTE_LETTERS, NOTE_LINE = 19, 0.12  # of a note: letters an inch, inches a line
INK, FAINT, GRID = "#222222", "#6b6b6b", "#e4e4e4"
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY = "#CC79A7", "#56B4E9"

STYLE: dict[Any, Any] = {
    "figure.dpi": 150,  # on screen
    "savefig.dpi": 250,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "image.interpolation": "nearest",
    "pdf.fonttype": 42,  # text stays text
}


class Look(NamedTuple):
    """How an algorithm is drawn, in every figure."""

    label: str
    colour: str
    marker: str
    hollow: bool = False

    @property
    def face(self) -> str:
        """What the marker is filled with."""
        return "white" if self.hollow else self.colour


LOOKS = {
    "IRIS": Look("IRIS", BLUE, "o"),
    "SimPLe": Look("SimPLe", FAINT, "v"),
    "CURL": Look("CURL", PINK, "D"),
    "DrQ(eps)": Look("DrQ(\N{GREEK SMALL LETTER EPSILON})", ORANGE, "s"),
    "SPR": Look("SPR", GREEN, "^"),
    "Delta-IRIS": Look("\N{GREEK CAPITAL LETTER DELTA}-IRIS", VERMILLION, "P"),
    "DIAMOND": Look("DIAMOND", SKY, "X"),
    "MuZero": Look("MuZero", FAINT, "<", hollow=True),
    "EfficientZero": Look("EfficientZero", INK, ">", hollow=True),
}
OWN_MARKERS = "*dhP"  # of own presets, in black
SPARE = ((PINK, "p"), (ORANGE, "H"), (SKY, "8"))  # hollow, for others


def looks(names: list[str] | tuple[str, ...]) -> dict[str, Look]:
    """The look of each algorithm; those without a fixed one get a spare.

    Own runs are "own 1", "own 2" ...; below a figure stands what these are: `scales`.
    """
    found: dict[str, Look] = {}
    own = [name for name in names if name.startswith(f"{OWN}, ")]
    others = [name for name in names if name not in LOOKS and name not in own]
    for name in names:
        if name in own:
            number = own.index(name)
            marker = OWN_MARKERS[number % len(OWN_MARKERS)]
            found[name] = Look(f"{OWN} {number + 1}", "black", marker)
        elif name in others:
            colour, marker = SPARE[others.index(name) % len(SPARE)]
            found[name] = Look(name, colour, marker, hollow=True)
        else:
            found[name] = LOOKS[name]
    return found


def scales(look: Mapping[str, Look]) -> str:
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


def handle(look: Look) -> Line2D:
    """An entry of a legend."""
    return Line2D(
        [],
        [],
        color=look.colour,
        marker=look.marker,
        markerfacecolor=look.face,
        linestyle="none",
        label=look.label,
    )


def mark(ax: Axes, look: Look, x: float, y: float, size: float = 4.5) -> Artist:
    """One point of an algorithm."""
    (point,) = ax.plot(
        x,
        y,
        marker=look.marker,
        markersize=size,
        color=look.colour,
        markerfacecolor=look.face,
        markeredgewidth=0.9,
        linestyle="none",
        zorder=4,
    )
    return point


def note(figure: Figure, text: str) -> None:
    """What a reader must know of a figure, in small type below it; it grows by that."""
    width = int(NOTE_LETTERS * figure.get_figwidth())
    lines = [line for part in text.splitlines() for line in wrap(part, width)]
    figure.set_figheight(figure.get_figheight() + NOTE_LINE * len(lines))
    figure.supxlabel("\n".join(lines), fontsize=6.5, color=FAINT, x=0.01, ha="left")
