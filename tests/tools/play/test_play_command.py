"""`iris play` and `iris record`."""

import socket

import av
import pytest
from playing import make_agent

from iris_core import cli
from iris_core.data.replay_buffer import Replay
from iris_core.tools.play import recording
from iris_core.tools.play.session import Session


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
        (["--out", "a.gif", "--steps", "2000"], "A GIF takes at most 500 frames"),
        (["--panels", "moon"], "Unknown panel moon"),
        (["--mode", "replay"], "no recorded episodes"),
    ):
        assert cli.main(["play", str(agent_file), *arguments]) == 2
        assert told in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["play", str(agent_file), "--temperature", "0"])
    assert "--temperature: got '0', expected" in capsys.readouterr().err


def test_a_busy_port_is_said(agent_file, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert cli.main(["play", str(agent_file), "--serve", "--port", port]) == 2
    assert f"--port {port}: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["play", "record"])
def test_a_codec_is_tried_before_play_begins(command, agent_file, monkeypatch, capsys):
    """As in a build of FFmpeg without it."""

    def no_codec(*_):
        raise av.codec.codec.UnknownCodecError("libx264")

    def play(*_):
        raise AssertionError("play has begun")

    monkeypatch.setattr(recording, "write_h264", no_codec)
    monkeypatch.setattr(Session, "advance", play)
    out = ["--out", "a.mp4" if command == "play" else "kept"]
    assert cli.main([command, str(agent_file), *out]) == cli.BAD_INPUT
    assert "can't write H.264 here" in capsys.readouterr().err
    assert not (agent_file.parent / "kept").exists()


def test_iris_record_keeps_everything(agent_file, capsys):
    arguments = ["--episodes", "2", "--out", "kept"]
    assert cli.main(["record", str(agent_file), *arguments]) == 0
    kept = agent_file.parent / "kept"
    names = sorted(path.name for path in kept.glob("*.*"))
    stems = ["catch-agent-game-001", "catch-agent-game-002"]
    assert names == [f"{s}.{k}" for s in stems for k in ("mp4", "npz", "png")]
    assert [len(e) for e in Replay.load(kept / "replay")] == [28, 28]
    assert "28 steps, return" in capsys.readouterr().out
