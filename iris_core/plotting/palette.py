"""The colours of every picture, and what all of matplotlib's figures have in common.

The colours are Okabe and Ito's, which colour-blind readers tell apart.
"""

from __future__ import annotations

from typing import Any

INK, FAINT = "#222222", "#6b6b6b"
LIGHT, GRID = "#d9d9d9", "#e4e4e4"
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY = "#CC79A7", "#56B4E9"
HEAT = "viridis"  # for magnitudes; it keeps its order in grey
DIFFERENCE = "PuOr"  # for values on both sides of zero
ERROR = "cividis"  # for errors of pictures
# Of baselines' lines: a colour and a dash each
BASELINES: tuple[tuple[str, Any], ...] = (
    *((ORANGE, "--"), (GREEN, ":"), (VERMILLION, "-.")),
    *((PINK, (0, (8, 2))), (SKY, (0, (1, 3)))),
)

STYLE: dict[Any, Any] = {  # rcParams; figures and lessons add their sizes
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "legend.frameon": False,
    "image.interpolation": "nearest",
}
