"""What a page is told to draw."""

from __future__ import annotations

import json

import numpy as np
import pytest
from playing import make_branches

from iris_core.tools.play.panels import PANELS, palette, timeline
from iris_core.tools.play.server import PlayServer


@pytest.mark.parametrize("mode", ["parallel", "autoregressive"])
@pytest.mark.parametrize("place", ["dream", "game"])
def test_every_panel_is_json_and_pictures(mode, place):
    session = make_branches(mode, place)
    for name, panel in PANELS.items():
        data, pictures = panel.content(session, session.cursor)
        json.dumps(data)
        for picture in pictures.values():
            assert picture.dtype == np.uint8 and picture.shape[2] == 3, name
        again, _ = panel.content(session, session.cursor)
        assert again == data, name  # pure
        assert panel.title
        if place in panel.places:
            assert data is not None or pictures, name


def test_original_and_reconstruction_are_two_pictures():
    session = make_branches(place="game")
    frame = session.cursor.obs.frame
    for name, same in (("original", True), ("reconstruction", False)):
        _, pictures = PANELS[name].content(session, session.cursor)
        assert np.array_equal(pictures[name], frame) is same  # Catch draws 64x64


def test_the_tree_shares_what_branches_have_in_common():
    session = make_branches()
    data, pictures = PANELS["tree"].content(session, session.cursor)
    upper, lower = data["rows"]
    assert data["steps"][0] == 2  # the fork
    assert [row["branch"] for row in data["rows"]] == [0, 1]
    assert (upper["current"], lower["current"]) == (False, True)
    assert lower["cells"][0] == {"column": 0, "shared": True}
    at_cursor = [c for row in data["rows"] for c in row["cells"] if c.get("cursor")]
    (cell,) = at_cursor
    assert np.array_equal(pictures[cell["picture"]], session.cursor.obs.frame)


def test_the_timeline_says_where_things_happened():
    session = make_branches()
    data, _ = timeline(session, session.cursor)
    assert (data["length"], data["at"], data["first"]) == (4, 3, 0)
    assert data["forks"] == [2]
    expected = [[i, n.obs.reward] for i, n in enumerate(session.line) if n.obs.reward]
    assert data["rewards"] == expected


def test_the_twin_is_the_real_game():
    session = make_branches()
    data, pictures = PANELS["twin"].content(session, session.cursor)
    rollout = session.real_rollout
    assert data["divergence"] == rollout.divergence and data["at"] == 3
    assert np.array_equal(pictures["real"], rollout.frames[3])


@pytest.mark.parametrize("mode", ["parallel", "autoregressive"])
def test_a_palette_shows_how_the_selected_token_would_look(mode):
    session = make_branches(mode)
    data, pictures = palette(session, session.cursor)
    strip, (code, *_) = pictures["palette"], data["codes"]
    session.paint(5, code)
    shown = session.cursor.obs.frame[16:32, 16:32]  # token 5 of 4x4: row 1, column 1
    assert np.array_equal(strip[:, :16], shown)
    session.playing = True
    assert palette(session, session.cursor) == (None, {})


def test_the_page_gets_the_panels_it_shows_where_they_apply(tmp_path):
    server = PlayServer(make_branches(place="game"), tmp_path, ["tokens", "twin"])
    header, _ = server.answer({"do": "look"})
    assert set(header["data"]) == {"timeline", "tokens", "palette"}
    names = [picture["name"] for picture in header["pictures"]]
    assert names == ["frame", "reconstruction"]
