"""What notebook 05 draws of dreams, and what it counts in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iris_core.plotting.frame_strip import draw_frame
from iris_core.plotting.palette import BLUE, FAINT, LIGHT, VERMILLION
from lessons.plots.kept import FPS, Control, Panel, Scene
from lessons.plots.sliders import png, show

CHICKEN_COLUMNS = slice(16, 21)  # where the player's chicken walks up and down
PADDLE_ROWS = slice(61, 63)
HELD = 5  # times that each button is pressed in the film of play_buttons
BRIGHT, YELLOW = 190, 50  # of 255; a yellow car is darker, the road's lines are grey


@dataclass(frozen=True)
class PlayedStep:
    """What a player sees after one step: pixels uint8 (64, 64, 3), what led there, and
    how many tokens the cache holds."""

    pixels: np.ndarray
    action: str
    cache: int
    reward: float = 0.0
    end: bool = False


def draw_play(steps: Sequence[PlayedStep], most: int, last: int = 12) -> Figure:
    """The screen and how full the cache is (of `most` tokens) on the left, the `last`
    frames on the right."""
    lines = -(-last // 6)
    figure = plt.figure(figsize=(9.0, 1.2 + 0.95 * lines))
    parts = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 2.2])
    left, right = parts[0]
    screen, cache = left.subplots(2, 1, height_ratios=[6 * lines, 1])
    now = steps[-1]
    draw_frame(screen, now.pixels)
    screen.set_title(f"step {len(steps) - 1}: {caption(now)}")
    cache.barh([0], [now.cache], color=BLUE)
    cache.set(xlim=(0, most), yticks=[], xticks=[0, most])
    cache.set_xlabel(f"{now.cache} of {most} tokens in the cache", fontsize=9)
    cache.tick_params(labelsize=8)
    cache.grid(False)
    axes = right.subplots(lines, 6, squeeze=False).flat
    recent = list(enumerate(steps))[-last:]
    for ax, (number, played) in zip(axes, recent, strict=False):
        draw_frame(ax, played.pixels)
        colour = VERMILLION if played.reward or played.end else FAINT
        ax.set_title(f"{number} {caption(played)}", fontsize=8, color=colour)
    for ax in right.axes[len(recent) :]:
        ax.set_axis_off()
    return figure


def caption(played: PlayedStep) -> str:
    """The action, and what it brought if it brought anything."""
    reward = f" {played.reward:+.0f}" if played.reward else ""
    return f"{played.action}{reward}{' END' if played.end else ''}"


def play_buttons(
    names: Sequence[str],
    press: Callable[[int | None], object],
    draw: Callable[[], Figure],
) -> Panel:
    """A button for each action and one to start again, above the picture.

    press(i) takes action i, press(None) starts again; draw() gives the picture then.
    An error is shown below the picture.
    """
    picture, trouble = widgets.Image(format="png"), widgets.HTML()

    def button(label: str, action: int | None) -> widgets.Button:
        def played() -> Figure:
            press(action)
            return draw()

        made = widgets.Button(description=label)
        made.on_click(lambda _: show(played, picture, trouble))
        return made

    row = [button(name, action) for action, name in enumerate(names)]
    row.append(button("start again", None))
    show(draw, picture, trouble)

    use = partial(press_each, names, press, draw)
    return Panel([widgets.HBox(row)], picture, trouble, use)


def press_each(
    names: Sequence[str],
    press: Callable[[int | None], object],
    draw: Callable[[], Figure],
) -> Iterator[Scene]:
    """A new start, then each button pressed HELD times; a new start in the end."""
    presses = [None, *(action for action in range(len(names)) for _ in range(HELD))]
    for action in presses:
        press(action)
        label = "start again" if action is None else names[action]
        yield Scene([Control("pressed", label, moves=True)], png(draw()), FPS // 2)
    press(None)


def count_chickens(pixels: np.ndarray) -> np.ndarray:
    """Freeway's chickens on each frame: uint8 (..., 64, 64, 3) -> int (...).

    A chicken is a group of rows with a bright yellow pixel, in the chicken's columns;
    two groups are at least two rows apart.
    """
    found = chicken_rows(pixels)
    first = found.copy()  # the first row of a group
    first[..., 1:] &= ~found[..., :-1]
    first[..., 2:] &= ~found[..., :-2]
    return first.sum(-1)


def chicken_rows(pixels: np.ndarray) -> np.ndarray:
    """Where a row has something of a chicken: bool (..., 64)."""
    x = pixels[..., CHICKEN_COLUMNS, :].astype(np.int64)
    brightness = np.minimum(x[..., 0], x[..., 1])
    yellow = (brightness > BRIGHT) & (brightness - x[..., 2] > YELLOW)
    return np.asarray(yellow.any(-1))


def chicken_row(pixels: np.ndarray) -> np.ndarray:
    """The middle row of Freeway's chicken, (...); NaN unless there is exactly one."""
    middle = centre(chicken_rows(pixels))
    return np.where(count_chickens(pixels) == 1, middle, np.nan)


def paddle_column(pixels: np.ndarray) -> np.ndarray:
    """The middle column of Catch's green paddle, (...); NaN if there is none."""
    x = pixels[..., PADDLE_ROWS, :, :].astype(np.int64)
    green = (x[..., 1] > 160) & (x[..., 0] < 150)
    return centre(np.asarray(green.any(-2)))


def centre(found: np.ndarray) -> np.ndarray:
    """The mean index of what was found: bool (..., N) -> (...); NaN if nothing was."""
    total = found.sum(-1)
    total_index = (found * np.arange(found.shape[-1])).sum(-1)
    return np.where(total > 0, total_index / np.maximum(total, 1), np.nan)


def mean_where_seen(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis without what is NaN; NaN where all is."""
    seen = ~np.isnan(values)
    total, n = np.where(seen, values, 0).sum(axis=0), seen.sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def mean_and_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the first axis, and half the width of its 95% interval."""
    mean = values.mean(axis=0)
    if len(values) < 2:
        return mean, np.zeros_like(mean)
    return mean, 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))


def plot_means(
    ax: Axes, curves: Mapping[str, np.ndarray], colours: Sequence[str] = ()
) -> None:
    """Each curve (dreams, steps) as its mean over the dreams, with a 95% interval."""
    for i, (name, values) in enumerate(curves.items()):
        mean, half = mean_and_interval(values.astype(np.float64))
        steps = np.arange(len(mean))
        (line,) = ax.plot(
            steps, mean, label=name, color=colours[i] if colours else None
        )
        ax.fill_between(
            steps, mean - half, mean + half, color=line.get_color(), alpha=0.2, lw=0
        )
    ax.set_xlabel("step of the dream")


def stack_counts(ax: Axes, counts: np.ndarray, title: str) -> None:
    """In what share of the dreams there are none, one, or more, over the steps.

    counts: int (dreams, steps).
    """
    shares = [(counts == 0).mean(0), (counts == 1).mean(0), (counts > 1).mean(0)]
    steps = np.arange(counts.shape[1])
    ax.stackplot(
        steps,
        shares,
        colors=[LIGHT, BLUE, VERMILLION],
        labels=["none", "one", "more"],
    )
    ax.set(xlim=(0, steps[-1]), ylim=(0, 1), xlabel="step")
    ax.set_title(title, fontsize=10)
    ax.grid(False)


def mark_steps(ax: Axes, steps: Sequence[int], label: str) -> None:
    """Dotted lines where something happens, named at the first."""
    for step in steps:
        ax.axvline(step, color=FAINT, linestyle=":", linewidth=1)
    ax.annotate(
        label,
        (steps[0], 1),
        xycoords=("data", "axes fraction"),
        xytext=(3, -9),
        textcoords="offset points",
        color=FAINT,
        fontsize=8,
    )
