"""A page's messages and their answers."""

import io
import json

import av
import numpy as np
import pytest
from playing import make_session

from iris_core.data.replay_buffer import Replay
from iris_core.tools.play.server import PlayServer


@pytest.fixture
def server(tmp_path) -> PlayServer:
    return PlayServer(make_session(), tmp_path)


def send(server: PlayServer, command: str, *args) -> dict:
    """The state after a command; an error fails."""
    header, _ = server.answer({"do": command, "args": args})
    assert header["kind"] == "frame", header
    return header["state"]


def test_a_video_decodes_to_what_was_shown(server, tmp_path):
    send(server, "record")
    for _ in range(5):
        send(server, "step")
    assert send(server, "look")["recording"] == 6
    header, data = server.answer({"do": "record"})
    assert header["kind"] == "file" and header["name"] == "catch-dream-agent-001.mp4"
    shown = [node.obs.frame for node in server.session.cursor.path()]
    kept = np.load(tmp_path / "catch-dream-agent-001.npz")
    assert np.array_equal(kept["frames"], shown)
    assert kept["actions"][0] == -1 and kept["steps"].tolist() == [0, 1, 2, 3, 4, 5]
    with av.open(io.BytesIO(data)) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        decoded = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(decoded) == 6


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("seed", [1.5]),  # as a number field may have it
        ("temperature", [None]),
        ("policy_temperature", [0]),
        ("layer", [-1]),
        ("seek", []),
        ("next", ["ArrowLeft"]),
        ("paint", [1]),
        ("token", ["1"]),
        ("look", [1]),
    ],
)
def test_what_a_command_cannot_be_given(server, command, given):
    before = send(server, "look")
    header, _ = server.answer({"do": command, "args": given})
    assert header["kind"] == "error" and "cannot be given" in header["text"]
    assert send(server, "look") == before
    assert send(server, "step", None)["step"] == 1  # as the page sends it


def test_an_answer_is_json_and_pixels(server):
    header, data = server.answer({"do": "look"})
    json.dumps(header)
    first = header["pictures"][0]
    assert (first["name"], first["height"], first["width"]) == ("frame", 64, 64)
    rgba = np.frombuffer(data[: 64 * 64 * 4], np.uint8).reshape(64, 64, 4)
    assert np.array_equal(rgba[..., :3], server.session.cursor.obs.frame)
    assert (rgba[..., 3] == 255).all()
    sizes = [4 * p["height"] * p["width"] for p in header["pictures"]]
    assert sum(sizes) == len(data)


def test_hello_says_what_the_page_needs(server):
    header, _ = server.answer({"do": "hello"})
    assert header["actions"] == ["NOOP", "LEFT", "RIGHT"]
    assert header["keys"]["LEFT"] == ["ArrowLeft", "a"]
    assert header["buttons"] == {"NOOP": [], "LEFT": ["LEFT"], "RIGHT": ["RIGHT"]}
    assert header["places"] == ["dream", "game"]  # there are no recorded episodes
    assert header["commands"]["p"][0] == "play"
    json.dumps(header)


def test_every_command_of_the_keyboard_exists(server):
    header, _ = server.answer({"do": "hello"})
    known = {command for command, _ in header["commands"].values()}
    assert known <= set(server.commands)


def test_a_paused_page_gets_no_new_frames(server):
    assert send(server, "next")["step"] == 0
    assert send(server, "play")["playing"]
    assert send(server, "next")["step"] == 1
    assert not send(server, "play")["playing"]
    assert send(server, "next")["step"] == 1


def test_actions_arrive(server):
    send(server, "driver")
    assert send(server, "step", 2)["action"] == "RIGHT"
    assert send(server, "step", 1)["action"] == "LEFT"
    assert send(server, "step", None)["action"] == "NOOP"
    header, _ = server.answer({"do": "step", "args": [3]})
    assert "Action 3 does not exist" in header["text"]


def test_of_two_pages_the_last_one_used_sets_the_pace(server):
    def ask(view: str, command: str) -> dict:
        return server.answer({"do": command, "view": view})[0]["state"]

    assert ask("one", "play")["playing"]
    assert ask("one", "next")["step"] == 1
    assert ask("two", "next")["step"] == 1  # it shows what the other plays
    assert ask("one", "next")["step"] == 2
    assert ask("two", "back")["step"] == 1
    ask("two", "play")
    assert ask("two", "next")["step"] == 2
    assert ask("one", "next")["step"] == 2


def test_a_page_that_is_gone_leaves_the_pace_to_the_other(server, monkeypatch):
    server.answer({"do": "play", "view": "gone"})
    monkeypatch.setattr("iris_core.tools.play.server.AWAY", 0.0)
    assert server.answer({"do": "next", "view": "here"})[0]["state"]["step"] == 1


def test_controls(server):
    for _ in range(3):
        send(server, "step")
    assert send(server, "back")["step"] == 2
    assert send(server, "first")["step"] == 0
    assert send(server, "last")["step"] == 3
    assert send(server, "seek", 1)["step"] == 1
    send(server, "branch")
    assert send(server, "step")["branches"] == 2
    assert send(server, "earlier")["branch"] == 1
    assert send(server, "later")["branch"] == 2
    assert send(server, "faster")["speed"] == 60
    assert send(server, "slower")["speed"] == 30
    assert send(server, "temperature", 0.5)["temperature"] == 0.5
    assert send(server, "policy_temperature", 2)["policy_temperature"] == 2
    assert send(server, "seed", 7)["seed"] == 7
    assert send(server, "panel", "tokens")["panels"] == ["tokens", "policy"]
    assert send(server, "token", 5)["token"] == 5
    send(server, "step")
    send(server, "paint", 5, 7)
    assert int(server.session.cursor.obs.tokens[0, 5]) == 7
    assert send(server, "select", 0)["branch"] == 1
    assert send(server, "place", "game")["place"] == "game"
    assert send(server, "here")["place"] == "dream"
    assert send(server, "twin")["twin"]
    assert send(server, "head", 1)["head"] == 1
    layers = server.session.agent.config.world_model.num_layers
    assert send(server, "layer", 9)["layer"] == layers - 1  # the last one is shown
    assert send(server, "reset")["step"] == 0


def test_another_agent_is_opened(server):
    header, _ = server.answer({"do": "agent", "args": ["catch"], "view": "a"})
    assert header["kind"] == "hello" and header["view"] == "a"
    assert header["grid"] == 8 and header["game"] == "Catch"
    state = send(server, "look")
    assert state["playing"] and state["step"] == 0
    assert send(server, "step")["step"] == 1
    header, _ = server.answer({"do": "agent", "args": ["moon"]})
    assert header["kind"] == "error" and "moon" in header["text"]
    assert send(server, "look")["step"] == 1


def test_errors_are_answers(server):
    header, _ = server.answer({"do": "moon"})
    assert header["kind"] == "error" and "Unknown command 'moon'" in header["text"]
    header, _ = server.answer({"do": "place", "args": ["replay"]})
    assert "no recorded episodes" in header["text"]
    server.commands["seek"] = lambda step: len(step)  # a mistake of ours
    header, _ = server.answer({"do": "seek", "args": [1]})
    assert "Traceback" in header["text"] and "TypeError" in header["text"]


def test_saving_and_keeping(server, tmp_path):
    send(server, "step")
    header, data = server.answer({"do": "save"})
    assert header["kind"] == "file" and data[4:8] == b"ftyp"
    header, data = server.answer({"do": "sheet"})
    assert data.startswith(b"\x89PNG")
    assert send(server, "keep")["saved"].endswith("000000.npz")
    assert Replay.load(tmp_path / "replay").num_steps == 1
