"""Panels and sheets: pictures of a session."""

import numpy as np
import pytest
from playing import make_branches, make_session

from iris_core.config import ConfigError
from iris_core.tools.play.render import PANELS, render


@pytest.mark.parametrize("mode", ["parallel", "autoregressive"])
@pytest.mark.parametrize("place", ["dream", "game"])
def test_every_panel_is_a_picture(mode, place):
    session = make_branches(mode, place)
    for name, (title, draw) in PANELS.items():
        picture = draw(session, session.cursor)
        assert picture.dtype == np.uint8 and picture.ndim == 3, name
        assert picture.shape[2] == 3 and min(picture.shape[:2]) >= 32
        assert np.array_equal(draw(session, session.cursor), picture), name  # pure
        assert title


def test_a_sheet_has_even_sides_and_holds_the_frame():
    session = make_branches()
    sheet = render(session, ["frame", "tokens", "policy"])
    assert sheet.shape[0] % 2 == sheet.shape[1] % 2 == 0
    shown = sheet[60 + 0 : 60 + 256, 8 : 8 + 256]
    top = next(
        y
        for y in range(40, 80)
        if np.array_equal(
            sheet[y : y + 256 : 4, 8 : 8 + 256 : 4], session.cursor.obs.frame
        )
    )
    assert 40 < top < 80 and shown.shape == (256, 256, 3)


def test_original_input_and_reconstruction_are_three_things():
    session = make_branches(place="game")
    frame = session.cursor.obs.frame
    drawn = {name: draw(session, session.cursor) for name, (_, draw) in PANELS.items()}
    assert np.array_equal(drawn["input"], frame)
    assert np.array_equal(drawn["original"], frame)  # of Catch
    assert not np.array_equal(drawn["reconstruction"], frame)


def test_the_selected_token_has_a_box():
    session = make_session(steps=6)
    pictures = []
    for session.token in (5, None):
        pictures.append(PANELS["tokens"].draw(session, session.cursor))
    differs = (pictures[0] != pictures[1]).any(-1)
    rows, columns = np.nonzero(differs)
    assert rows.min() >= 60 and rows.max() <= 132  # token 5 of 4x4: row 1, column 1
    assert columns.min() >= 60 and columns.max() <= 132


def test_unknown_panels_are_named():
    with pytest.raises(ConfigError, match="Unknown panel moon: choose among frame, "):
        render(make_branches(), ["moon"])
