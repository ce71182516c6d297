"""What a saved notebook keeps of a widget: the picture, and a film of all it can do."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO

import av
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from lessons.plots import kept
from lessons.plots.kept import FILMS, MP4, PNG, Control, Scene, film, sheet, stops
from lessons.plots.nb05_dreams import HELD, play_buttons
from lessons.plots.sliders import control, explore
from matplotlib.figure import Figure
from PIL import Image

asked: list[tuple[str, int]] = []


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    asked.clear()


def draw(game: str, step: int = 3) -> Figure:
    """Notes what it is asked for; draws it, with chance."""
    asked.append((game, step))
    figure, ax = plt.subplots(figsize=(4, 2))
    ax.bar(["chance", "step"], [float(torch.rand(())), step])
    return figure


def decoded(data: bytes) -> np.ndarray:
    """A film's frames, (T, H, W, 3)."""
    with av.open(BytesIO(data)) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return np.stack(frames)


def picture(width: int, height: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), "navy").save(file, "PNG")
    return file.getvalue()


def panel() -> kept.Panel:
    return explore(draw, game=["Pong", "Catch"], step=(0, 4, 1))


def test_without_being_asked_for_there_is_no_film() -> None:
    shown = panel()
    bundle = shown._repr_mimebundle_()
    assert MP4 not in bundle and "application/vnd.jupyter.widget-view+json" in bundle
    assert b64decode(bundle[PNG]) == shown.picture.value
    assert asked == [("Pong", 3)]


def test_a_film_moves_each_control_over_its_range(monkeypatch) -> None:
    monkeypatch.setenv(FILMS, "1")
    frames = decoded(b64decode(panel()._repr_mimebundle_()[MP4]))
    sweep = [("Pong", step) for step in range(5)]
    assert asked == [("Pong", 3), ("Pong", 3), ("Catch", 3), *sweep]
    assert len(frames) == 2 * kept.PAUSE + 5
    changes = np.abs(np.diff(frames.astype(int), axis=0)).max((1, 2, 3)) > 60
    assert changes[-5:].all()


def test_the_next_cell_does_not_notice_a_film(monkeypatch) -> None:
    monkeypatch.setenv(FILMS, "1")
    shown = panel()
    before = torch.get_rng_state()
    shown._repr_mimebundle_()
    assert torch.equal(torch.get_rng_state(), before)
    assert plt.get_fignums() == []


def test_buttons_are_filmed_and_end_with_a_new_start(monkeypatch) -> None:
    monkeypatch.setenv(FILMS, "1")
    pressed: list[int | None] = []
    buttons = play_buttons(["LEFT", "RIGHT"], pressed.append, lambda: draw("Catch"))
    frames = decoded(b64decode(buttons._repr_mimebundle_()[MP4]))
    assert pressed == [None, *[0] * HELD, *[1] * HELD, None]
    assert len(frames) == (len(pressed) - 1) * kept.FPS // 2


def test_a_film_is_as_large_as_its_largest_picture() -> None:
    frames = decoded(film([Scene([], picture(301, 90)), Scene([], picture(40, 121))]))
    assert frames.shape[1:] == (122, 302, 3)
    assert frames[1, 60, 20].argmax() == 2 and frames[1, 60, 200].min() > 250


def test_a_high_picture_is_made_smaller() -> None:
    high = sheet(Scene([], picture(800, 2 * kept.HIGHEST)))
    assert (high.width, high.height) == (400, kept.HIGHEST)


def test_the_handle_is_where_the_value_is() -> None:
    def handle(at: float) -> int:
        controls = [Control("step", "7", at, moves=True), Control("game", "Pong")]
        row = np.array(sheet(Scene(controls, picture(600, 50))))[kept.ROW // 2, :310]
        columns = np.flatnonzero(row[:, 0].astype(int) - row[:, 2] > 100)
        return int(columns.mean())

    assert abs(handle(1.0) - handle(0.0) - kept.TRACK) <= 1
    assert abs(handle(0.5) - handle(0.0) - kept.TRACK / 2) <= 1


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (["a", "b", "c"], ["b", "c"]),
        ((0, 3, 1), [0, 1, 2, 3]),
        ((5, 50, 5), list(range(5, 51, 5))),
        ((0.0, 1.0, 0.5), [0.0, 0.5, 1.0]),
        ((0, 0, 1), [0]),
    ],
)
def test_stops_are_values_of_the_control(what, expected: list) -> None:
    found = list(stops(control("x", what, what[0])))
    assert found == expected
    assert {type(x) for x in found} == {type(x) for x in expected}


def test_a_long_range_has_few_stops() -> None:
    found = list(stops(control("x", (0, 599, 1), 0)))
    assert found[0] == 0 and found[-1] == 599 and len(found) == 13
