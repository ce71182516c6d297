"""The player's Python side: it passes messages on, and leaves nothing behind."""

from __future__ import annotations

import gc
import resource
import threading

import numpy as np
import pytest
from playing import make_agent

from iris_core.config import ConfigError
from iris_core.tools.play import Player, play
from iris_core.tools.play.server import PlayServer
from iris_core.tools.play.session import Session


class Kept(Player):
    """Keeps what it would send to the page."""

    def __init__(self, server: PlayServer) -> None:
        super().__init__(server)
        self.sent: list[tuple[dict, list[bytes]]] = []

    def send(self, content, buffers=None) -> None:
        self.sent.append((content, buffers))


@pytest.fixture
def player(tmp_path) -> Kept:
    session = Session(make_agent(never_ends=True))
    return Kept(PlayServer(session, tmp_path, ("frame", "policy")))


def test_the_view_that_asked_is_answered(player):
    player.on_message(player, {"do": "look", "view": "a"}, [])
    header, (data,) = player.sent[0]
    assert header["kind"] == "frame" and header["view"] == "a"
    rgba = np.frombuffer(data[: 64 * 64 * 4], np.uint8).reshape(64, 64, 4)
    assert np.array_equal(rgba[..., :3], player.session.cursor.obs.frame)


def test_errors_reach_the_page(player):
    player.on_message(player, {"do": "seek", "view": "a"}, [])
    header, _ = player.sent[0]
    assert header["kind"] == "error" and "seek cannot be given []" in header["text"]


def test_no_thread_is_left_behind(player):
    before = set(threading.enumerate())
    other = play(make_agent())
    for command in ("play", "next", "next", "twin", "play"):
        player.on_message(player, {"do": command}, [])
    other.close()
    assert set(threading.enumerate()) == before


def test_what_can_not_be_played_is_said():
    with pytest.raises(ConfigError, match="Unknown panel moon"):
        play(make_agent(), panels=("moon",))
    with pytest.raises(ConfigError, match="No agent at"):
        play("nowhere.safetensors")


@pytest.mark.slow
@pytest.mark.timeout(3600)  # half a minute, but on a busy machine
@pytest.mark.skipif("sys.platform != 'linux'")
def test_ten_thousand_frames_leave_memory_flat(tmp_path):
    session = Session(make_agent(never_ends=True), max_nodes=500)
    server = PlayServer(session, tmp_path, [])
    server.answer({"do": "play"})
    sizes = []
    for _ in range(2000):  # the allocator's pools fill, whatever ran in this process
        server.answer({"do": "next"})
    for frame in range(1, 10_001):
        header, _ = server.answer({"do": "next"})
        if frame % 2000 == 0:
            gc.collect()
            sizes.append(current_size())
    assert header["state"]["step"] == 12_000
    assert sizes[-1] - sizes[0] < 10_000_000, sizes


def current_size() -> int:
    """Bytes of memory this process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
