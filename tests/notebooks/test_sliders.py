"""Sliders and menus: where they begin, what they draw, what they do with an error."""

from __future__ import annotations

import ipywidgets as widgets
import matplotlib.pyplot as plt
import pytest
from lessons.plots.sliders import control, explore
from matplotlib.figure import Figure

calls: list[tuple[str, int, float]] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


def draw(game: str, step: int = 3, lam: float = 0.5) -> Figure:
    """Notes what it is asked for, and draws it."""
    calls.append((game, step, lam))
    if step == 9:
        raise ValueError("no <step> 9")
    figure, ax = plt.subplots(figsize=(1, 1))
    ax.plot([step, lam])
    return figure


def panel() -> widgets.VBox:
    return explore(draw, game=["Pong", "Catch"], step=(0, 9, 1), lam=(0.0, 1.0, 0.05))


def test_controls_begin_at_the_defaults_or_first() -> None:
    game, step, lam, picture, trouble = panel().children
    assert calls == [("Pong", 3, 0.5)]
    assert (game.value, step.value, lam.value) == ("Pong", 3, 0.5)
    assert (step.min, step.max, step.step) == (0, 9, 1)
    assert isinstance(step, widgets.IntSlider) and isinstance(lam, widgets.FloatSlider)
    assert lam.readout_format == ".2f"
    assert bytes(picture.value).startswith(b"\x89PNG") and trouble.value == ""


def test_a_moved_control_draws_anew() -> None:
    game, step, _, picture, _ = panel().children
    before = picture.value
    step.value = 7
    assert picture.value != before
    game.value = "Catch"
    assert calls == [("Pong", 3, 0.5), ("Pong", 7, 0.5), ("Catch", 7, 0.5)]


def test_an_error_is_shown_and_goes_when_it_is_over() -> None:
    _, step, _, picture, trouble = panel().children
    before = picture.value
    step.value = 9
    assert "ValueError: no &lt;step&gt; 9" in trouble.value
    assert picture.value == before
    step.value = 2
    assert trouble.value == ""


@pytest.mark.parametrize(
    ("step", "shown"), [(0.1, ".1f"), (0.005, ".3f"), (2.5, ".1f")]
)
def test_a_value_is_shown_to_its_step(step: float, shown: str) -> None:
    assert control("gamma", (0.0, 1.0, step), 0.0).readout_format == shown


def test_no_figure_stays_open() -> None:
    panel()
    assert plt.get_fignums() == []
