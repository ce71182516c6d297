"""What a session looks like, what is kept of it, and how a page talks to it."""

import io
import json
import threading
import urllib.error
import urllib.request

import av
import imageio.v3 as imageio
import numpy as np
import pytest
from playing import make_agent

from iris_core import cli
from iris_core.config import ConfigError
from iris_core.play.recording import add_to_replay, new_path, save_video, to_episode
from iris_core.play.render import PANELS, hit_test, render
from iris_core.play.server import PageServer, PlayServer
from iris_core.play.session import Session
from iris_core.replay import Replay

MODES = ["parallel", "autoregressive"]


def make_session(mode: str = "parallel", steps: int = 6, **settings) -> Session:
    session = Session(make_agent(mode, never_ends=True), **settings)
    for _ in range(steps):
        session.advance()
    return session


def make_branches(mode: str = "parallel", place: str = "dream") -> Session:
    """A session with a branch and a token pointed at; a dream's with the game beside
    it."""
    session = make_session(mode, place=place)
    session.token = 5
    if place == "dream":
        session.set_real_rollout(True)
        session.seek(2)
        session.act(1)
        session.extend_real_rollout()
    return session


@pytest.fixture
def server(tmp_path) -> PlayServer:
    return PlayServer(make_session(steps=0), tmp_path)


def send(server: PlayServer, command: str, *args) -> dict:
    """The state after a command; an error fails."""
    header, _ = server.answer({"do": command, "args": args})
    assert header["kind"] == "frame", header
    return header["state"]


# Pictures


@pytest.mark.parametrize("mode", MODES)
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


def test_what_is_pointed_at_has_a_box():
    session = make_session()
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


def test_points_mean_something():
    session = make_branches()
    assert hit_test(session, "tokens", 70, 70) == ("token", 5)
    assert hit_test(session, "tokens", 255, 255) == ("token", 15)
    assert hit_test(session, "timeline", 0, 5) == ("step", 0)
    assert hit_test(session, "timeline", 511, 5) == ("step", 3)
    assert hit_test(session, "tree", 100, 20) == ("branch", 0)
    assert hit_test(session, "tree", 100, 80) == ("branch", 1)
    assert hit_test(session, "policy", 1, 1) is None


# Files


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


def test_the_frame_alone_is_exact_but_for_compression(tmp_path):
    flat = [np.full((256, 256, 3), level, np.uint8) for level in (30, 120, 240)]
    save_video(flat, tmp_path / "a.mp4", 15)
    decoded = imageio.imread(tmp_path / "a.mp4", plugin="pyav")
    assert np.abs(decoded.astype(int) - np.stack(flat)).max() <= 4
    save_video(flat, tmp_path / "a.gif", 15)
    assert np.array_equal(imageio.imread(tmp_path / "a.gif")[..., :3], flat)


def test_a_video_of_nothing_or_of_another_kind(tmp_path):
    with pytest.raises(ConfigError, match="nothing to save"):
        save_video([], tmp_path / "a.mp4", 15)
    with pytest.raises(ConfigError, match="neither .mp4 nor .gif"):
        save_video([np.zeros((2, 2, 3), np.uint8)], tmp_path / "a.avi", 15)


def test_play_becomes_an_episode_to_learn_from(tmp_path):
    session = make_session(place="game", steps=30)
    episode = to_episode(session.cursor.path())
    assert len(episode) == 28 and episode.finished
    add_to_replay(session.cursor.path(), tmp_path)
    path = add_to_replay(session.cursor.path(), tmp_path)
    assert path.name == "000001.npz"
    kept = Replay.load(tmp_path)
    assert kept.num_episodes == 2
    assert np.array_equal(kept[1].frames, episode.frames)
    with pytest.raises(ConfigError, match="play a step first"):
        to_episode(session.line[:1])


def test_names_are_free(tmp_path):
    assert new_path(tmp_path, "a", "png").name == "a-001.png"
    (tmp_path / "a-001.mp4").touch()
    assert new_path(tmp_path, "a", "png").name == "a-002.png"


# Talking


def test_an_answer_is_json_and_pixels(server):
    header, data = server.answer({"do": "look"})
    json.dumps(header)
    first = header["pictures"][0]
    assert (first["panel"], first["height"], first["width"]) == ("frame", 64, 64)
    rgba = np.frombuffer(data[: 64 * 64 * 4], np.uint8).reshape(64, 64, 4)
    assert np.array_equal(rgba[..., :3], server.session.cursor.obs.frame)
    assert (rgba[..., 3] == 255).all()
    sizes = [4 * p["height"] * p["width"] for p in header["pictures"]]
    assert sum(sizes) == len(data)


def test_hello_says_what_the_page_needs(server):
    header, _ = server.answer({"do": "hello"})
    assert header["actions"] == ["NOOP", "LEFT", "RIGHT"]
    assert header["keys"]["LEFT"] == ["ArrowLeft", "a"]
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


def test_held_keys_arrive(server):
    send(server, "driver")
    assert send(server, "step", ["ArrowRight"])["action"] == "RIGHT"
    assert send(server, "step", [], 1)["action"] == "LEFT"
    assert send(server, "act", 2)["action"] == "RIGHT"


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
    assert send(server, "faster")["speed"] == 30
    assert send(server, "slower")["speed"] == 15
    assert send(server, "temperature", 0.5)["temperature"] == 0.5
    assert send(server, "policy_temperature", 2)["policy_temperature"] == 2
    assert send(server, "seed", 7)["seed"] == 7
    assert send(server, "panel", "tokens")["panels"] == ["frame", "tokens", "policy"]
    assert send(server, "click", "tokens", 70, 70)["token"] == 5
    code = (send(server, "look")["code"] + 1) % 32
    assert send(server, "code", code)["code"] == code
    assert send(server, "place", "game")["place"] == "game"
    assert send(server, "here")["place"] == "dream"
    assert send(server, "twin")["twin"]
    assert send(server, "head", 1)["head"] == 1
    assert send(server, "layer", 9)["layer"] == 9
    assert send(server, "reset")["step"] == 0


def test_errors_are_answers(server):
    header, _ = server.answer({"do": "moon"})
    assert header["kind"] == "error" and "Unknown command 'moon'" in header["text"]
    header, _ = server.answer({"do": "place", "args": ["replay"]})
    assert "no recorded episodes" in header["text"]
    header, _ = server.answer({"do": "seek", "args": ["x"]})
    assert "Traceback" in header["text"] and "TypeError" in header["text"]


def test_saving_and_keeping(server, tmp_path):
    send(server, "step")
    header, data = server.answer({"do": "save"})
    assert header["kind"] == "file" and data[4:8] == b"ftyp"
    header, data = server.answer({"do": "sheet"})
    assert data.startswith(b"\x89PNG")
    assert send(server, "keep")["saved"].endswith("000000.npz")
    assert Replay.load(tmp_path / "replay").num_steps == 1


def test_the_page_without_a_notebook(server):
    page = PageServer(server)
    thread = threading.Thread(target=page.serve_forever)
    thread.start()
    try:
        html = urllib.request.urlopen(page.address).read().decode()
        assert "player.js" in html
        script = urllib.request.urlopen(f"{page.address}player.js").read()
        assert b"export default" in script
        message = json.dumps({"do": "look", "view": "a"}).encode()
        answer = urllib.request.urlopen(f"{page.address}message", message).read()
        length = int.from_bytes(answer[:4], "big")
        header = json.loads(answer[4 : 4 + length])
        assert header["kind"] == "frame" and header["view"] == "a"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{page.server_port}/message")
    finally:
        page.shutdown()
        page.server_close()
        thread.join()


# Commands


@pytest.fixture
def agent_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    make_agent(never_ends=True).save(tmp_path / "agent.safetensors")
    return tmp_path / "agent.safetensors"


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.png"])
def test_iris_play_writes_a_file(agent_file, name, capsys):
    out = agent_file.parent / name
    more = ["--steps", "4", "--panels", "frame,policy,surprise"]
    assert cli.main(["play", str(agent_file), "--out", str(out), *more]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert out.stat().st_size > 500


@pytest.mark.skipif("sys.platform == 'darwin'")
def test_iris_play_without_a_display(agent_file, capsys):
    assert cli.main(["play", str(agent_file), "--steps", "2"]) == 0
    assert capsys.readouterr().out == "media/recordings/catch-agent-dream-001.mp4\n"
    assert cli.main(["play", str(agent_file), "--mode", "human-dream"]) == 2
    assert "add --serve" in capsys.readouterr().err


def test_iris_play_refuses_what_it_cannot_do(agent_file, capsys):
    for arguments, told in (
        (["--out", "a.avi"], "a.avi is none of .mp4, .gif, .png"),
        (["--panels", "moon"], "Unknown panel moon"),
        (["--mode", "replay"], "no recorded episodes"),
        (["--temperature", "0"], "temperature is 0.0; it must be above 0"),
    ):
        assert cli.main(["play", str(agent_file), *arguments]) == 2
        assert told in capsys.readouterr().err


def test_iris_record_keeps_everything(agent_file, capsys):
    arguments = ["--episodes", "2", "--out", "kept"]
    assert cli.main(["record", str(agent_file), *arguments]) == 0
    kept = agent_file.parent / "kept"
    names = sorted(path.name for path in kept.glob("*.*"))
    stems = ["catch-agent-game-001", "catch-agent-game-002"]
    assert names == [f"{s}.{k}" for s in stems for k in ("mp4", "npz", "png")]
    assert [len(e) for e in Replay.load(kept / "replay")] == [28, 28]
    assert "28 steps, return" in capsys.readouterr().out
