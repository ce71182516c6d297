"""What a saved notebook shows of a widget: its picture, and a film of its use."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps

from iris_core.plotting.palette import FAINT, INK, LIGHT, VERMILLION
from iris_core.tools.play.recording import write_h264

FILMS = "IRIS_FILMS"  # set in the environment where outputs are kept
PNG, MP4 = "image/png", "video/mp4"
FPS = 4
PAUSE = 6  # frames that a scene stays which is read, not passed through
CRF = "30"  # of x264: the lines of a plot stay sharp
HIGHEST = 560  # pixels of a picture in a film
ROW, LEFT, TRACK = 26, 12, 240  # pixels: a control's height, a margin, a slider's width


class Control(NamedTuple):
    """A control as a film shows it."""

    name: str
    value: str
    at: float | None = None  # of a slider: 0 is its low end, 1 its high end
    moves: bool = False


@dataclass
class Scene:
    """A picture (PNG), the controls above it, and how many frames it stays."""

    controls: list[Control]
    picture: bytes
    frames: int = 1


class Panel(widgets.VBox):
    """A widget with a picture. Where outputs are kept it is filmed: `use` moves its
    controls and gives what is seen; it ends as it began."""

    def __init__(
        self,
        inputs: list[widgets.Widget],
        picture: widgets.Image,
        trouble: widgets.HTML,
        use: Callable[[], Iterable[Scene]],
    ) -> None:
        super().__init__([*inputs, picture, trouble])
        self.picture, self.use = picture, use

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The live widget for those who can show it, else the picture."""
        data: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        data[PNG] = b64encode(self.picture.value).decode()
        if FILMS in os.environ:
            with torch.random.fork_rng(devices=[]):  # the next cell must not notice
                data[MP4] = b64encode(film(self.use())).decode()
        return data


def film(scenes: Iterable[Scene]) -> bytes:
    """An mp4 of the scenes, on sheets as large as the largest scene wants."""
    sheets, lengths = [], []
    for scene in scenes:
        sheets.append(sheet(scene))
        lengths.append(scene.frames)
    width = even(max(each.width for each in sheets))
    height = even(max(each.height for each in sheets))
    frames = (
        fitted(each, width, height)
        for each, length in zip(sheets, lengths, strict=True)
        for _ in range(length)
    )
    file = BytesIO()
    write_h264(frames, file, height, width, FPS, CRF)
    return file.getvalue()


def even(pixels: int) -> int:
    return pixels + pixels % 2


def sheet(scene: Scene) -> Image.Image:
    """The controls, one a row, above the picture; a very high one is made smaller."""
    picture = Image.open(BytesIO(scene.picture)).convert("RGB")
    if picture.height > HIGHEST:
        picture = ImageOps.contain(picture, (picture.width, HIGHEST))
    top = ROW * len(scene.controls)
    column = LEFT + 16 + max((len(each.name) for each in scene.controls), default=0) * 8
    whole = Image.new("RGB", (picture.width, top + picture.height), "white")
    whole.paste(picture, (0, top))
    pen = ImageDraw.Draw(whole)
    for row, control in enumerate(scene.controls):
        draw_control(pen, control, column, row * ROW + ROW // 2)
    return whole


def draw_control(pen: ImageDraw.ImageDraw, it: Control, x: int, y: int) -> None:
    """Name, track with handle, value; the one that moves is red."""
    font, colour = ImageFont.load_default(14), VERMILLION if it.moves else INK
    pen.text((LEFT, y), it.name, fill=FAINT, font=font, anchor="lm")
    if it.at is None:
        pen.text((x, y), it.value, fill=colour, font=font, anchor="lm")
        return
    handle = x + it.at * TRACK
    pen.rounded_rectangle((x, y - 2, x + TRACK, y + 2), 2, fill=LIGHT)
    pen.ellipse((handle - 6, y - 6, handle + 6, y + 6), fill=colour)
    pen.text((x + TRACK + 16, y), it.value, fill=colour, font=font, anchor="lm")


def fitted(picture: Image.Image, width: int, height: int) -> np.ndarray:
    """The picture on a white sheet of this size, uint8 (height, width, 3)."""
    whole = Image.new("RGB", (width, height), "white")
    whole.paste(picture)
    return np.array(whole)


def stops(control: widgets.ValueWidget, most: int = 13) -> Iterator[Any]:
    """Where a control is filmed: every entry of a menu but the one that it shows, a
    slider from end to end."""
    if isinstance(control, widgets.Dropdown):
        yield from (entry for entry in control.options if entry != control.value)
        return
    steps = round((control.max - control.min) / control.step)
    for step in np.unique(np.linspace(0, steps, most).round()):
        at = control.min + float(step) * control.step
        yield type(control.value)(at)


def seen(control: widgets.ValueWidget, value: Any, moves: bool) -> Control:
    """A slider or a menu as it looks with another value."""
    if isinstance(control, widgets.Dropdown):
        return Control(control.description, value, moves=moves)
    at = (value - control.min) / ((control.max - control.min) or 1)
    shown = format(value, control.readout_format)
    return Control(control.description, shown, at, moves)
