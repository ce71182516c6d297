"""The picture of IRIS that the series opens with: its parts, and what goes round."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from iris_core.plotting.palette import BLUE, FAINT, GREEN, INK, ORANGE, PINK
from lessons.plots.style import bare

WIDTH, HEIGHT = 11.4, 4.9  # inches, and the units that everything is placed in
MIDDLE = 3.05  # the height of the row from the game to the dreamed frame
BOX_WIDTH, BOX_HEIGHT = 1.35, 0.9

Point = tuple[float, float]


def draw_iris(frame: np.ndarray, tokens: np.ndarray, dreamed: np.ndarray) -> Figure:
    """Game, tokenizer, world model and policy, with a real frame going through them.

    frame, dreamed: uint8 (64, 64, 3). tokens: integers (h, w), the frame's.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, HEIGHT))
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    bare(ax)
    put_picture(ax, frame, 1.0, 1.6, "frame $x_t$\nfrom the game")
    put_box(ax, (2.75, MIDDLE), "tokenizer", "encoder $E$", GREEN)
    put_tokens(ax, tokens, 4.95, 2.3)
    put_box(ax, (7.15, MIDDLE), "world model", "Transformer $G$", BLUE)
    put_box(ax, (8.8, MIDDLE), "tokenizer", "decoder $D$", GREEN)
    put_picture(ax, dreamed, 10.5, 1.6, "next frame $\\hat{x}_{t+1}$\nof the dream")
    put_box(ax, (8.8, 0.75), "policy", r"CNN + LSTM $\pi$", ORANGE)
    for start, end in ((1.8, 2.05), (3.45, 3.8), (6.1, 6.45), (7.83, 8.1), (9.5, 9.7)):
        put_arrow(ax, (start, MIDDLE), (end, MIDDLE))
    put_arrow(ax, (7.15, 3.55), (6.1, 3.95), bend=0.3)
    ax.text(6.95, 4.0, "next tokens $\\hat{z}_{t+1}$,\nand round again", color=INK)
    put_arrow(ax, (10.5, 2.2), (9.5, 0.75), bend=-0.35)
    put_arrow(ax, (8.1, 0.75), (7.3, 2.55), bend=-0.35)
    ax.text(7.4, 0.95, "action $a_t$", ha="right", color=INK)
    put_arrow(ax, (6.9, 2.55), (5.75, 1.3), bend=-0.25)
    ax.text(5.7, 1.2, "reward $\\hat{r}_t$, end $\\hat{d}_t$", ha="right", color=INK)
    ax.plot([3.62, 3.62], [0.2, 4.7], color=PINK, lw=1.5, ls=(0, (4, 3)))
    ax.text(3.52, 0.25, "once, at the start", ha="right", color=FAINT)
    ax.text(3.72, 0.25, "at every step of a dream", color=FAINT)
    return figure


def put_picture(
    ax: Axes, frame: np.ndarray, x: float, side: float, name: str = ""
) -> None:
    """A square picture in the middle row, centred at x, with a name above it."""
    left, bottom = x - side / 2, MIDDLE - side / 2
    extent = (left, left + side, bottom, bottom + side)
    ax.imshow(frame, extent=extent, aspect="auto", zorder=2)
    ax.text(x, bottom + side + 0.12, name, ha="center", color=INK)


def put_tokens(ax: Axes, tokens: np.ndarray, x: float, side: float) -> None:
    """A grid of tokens, coloured by their number."""
    colours = plt.get_cmap("Pastel1")(tokens % 9)[..., :3]
    name = f"its tokens $z_t$: {tokens.size} numbers"
    put_picture(ax, colours, x, side, name)
    rows, columns = tokens.shape
    left, top = x - side / 2, MIDDLE + side / 2
    for (row, column), token in np.ndenumerate(tokens):
        at = left + (column + 0.5) * side / columns, top - (row + 0.5) * side / rows
        ax.text(*at, str(token), ha="center", va="center", fontsize=6.5, color=INK)


def put_box(ax: Axes, centre: Point, title: str, below: str, colour: str) -> None:
    """A part of the agent."""
    x, y = centre
    shape = FancyBboxPatch(
        (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2),
        BOX_WIDTH,
        BOX_HEIGHT,
        boxstyle="round,pad=0.02,rounding_size=0.1",
        facecolor="white",
        edgecolor=colour,
        linewidth=2.2,
    )
    ax.add_patch(shape)
    ax.text(x, y + 0.1, title, ha="center", color=INK)
    ax.text(x, y - 0.27, below, ha="center", color=FAINT, fontsize=10)


def put_arrow(ax: Axes, start: Point, end: Point, bend: float = 0.0) -> None:
    """From start to end; bend: how far it curves."""
    ax.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": INK,
            "lw": 1.4,
            "connectionstyle": f"arc3,rad={bend}",
        },
    )
