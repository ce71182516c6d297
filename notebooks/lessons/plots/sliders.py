"""Sliders that redraw a picture: the widget only listens and shows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from html import escape
from inspect import Parameter, signature
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from iris_core.plotting.palette import VERMILLION
from lessons.plots.kept import PAUSE, Panel, Scene, seen, stops

Range = tuple[float, float, float]  # lowest, highest, step


def explore(draw: Callable[..., Figure], /, **controls: Range | Sequence[str]) -> Panel:
    """A picture with a slider for each (low, high, step) and a menu for each list.

    `draw` gets the controls' values by name and returns a figure. Where it has a
    default, its control begins there, else at the lowest value or the first entry. An
    error in it is shown below the picture. Whole-numbered ranges give whole numbers.
    """
    picture, trouble = widgets.Image(format="png"), widgets.HTML()
    begin = defaults(draw)
    inputs = {
        name: control(name, what, begin.get(name, what[0]))
        for name, what in controls.items()
    }

    def redraw(_: object = None) -> None:
        show(lambda: draw(**values(inputs)), picture, trouble)

    for each in inputs.values():
        each.observe(redraw, names="value")
    redraw()
    use = partial(move_each, draw, inputs)
    return Panel(list(inputs.values()), picture, trouble, use)


def move_each(
    draw: Callable[..., Figure], inputs: Mapping[str, widgets.ValueWidget]
) -> Iterator[Scene]:
    """The start; then one control after another goes from end to end, while the others
    stay at the start."""
    begin = values(inputs)

    def scene(moved: str | None, now: Mapping[str, Any], frames: int) -> Scene:
        shown = [seen(each, now[name], name == moved) for name, each in inputs.items()]
        return Scene(shown, png(draw(**now)), frames)

    yield scene(None, begin, PAUSE)
    for name, each in inputs.items():
        for value in stops(each):
            slides = not isinstance(each, widgets.Dropdown)
            yield scene(name, begin | {name: value}, 1 if slides else PAUSE)


def show(
    draw: Callable[[], Figure], picture: widgets.Image, trouble: widgets.HTML
) -> None:
    """Draw anew, or say what went wrong: a callback's error would vanish."""
    try:
        picture.value = png(draw())
        trouble.value = ""
    except Exception as error:
        message = escape(f"{type(error).__name__}: {error}")
        trouble.value = f"<pre style='color:{VERMILLION}'>{message}</pre>"


def defaults(draw: Callable[..., Figure]) -> dict[str, Any]:
    """The arguments of `draw` that have a default."""
    given = {name: each.default for name, each in signature(draw).parameters.items()}
    return {
        name: value for name, value in given.items() if value is not Parameter.empty
    }


def control(
    name: str, what: Range | Sequence[str], begin: float | str
) -> widgets.ValueWidget:
    """The slider or menu of one argument."""
    look: dict[str, Any] = {
        "value": begin,
        "description": name.replace("_", " "),
        "style": {"description_width": "initial"},  # or long names are cut off
    }
    if isinstance(what[0], str):
        return widgets.Dropdown(options=list(what), **look)
    low, high, step = what
    look |= {"min": low, "max": high, "step": step}
    if all(isinstance(x, int) for x in what):
        return widgets.IntSlider(**look)
    places = len(f"{step:g}".partition(".")[2])  # 0.995 must not be shown as 1.00
    return widgets.FloatSlider(readout_format=f".{places}f", **look)


def values(inputs: Mapping[str, widgets.ValueWidget]) -> dict[str, Any]:
    return {name: each.value for name, each in inputs.items()}


def png(figure: Figure) -> bytes:
    """The figure as a PNG; it is closed, so that nothing piles up."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    return buffer.getvalue()
