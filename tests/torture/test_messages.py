"""Drawn messages to the player and its page: refused in a sentence, and it goes on."""

from __future__ import annotations

import json
import math
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from playing import make_session, served_page
from torturing import mutate

from iris_core.tools.play.page import PageServer
from iris_core.tools.play.panels import PANELS
from iris_core.tools.play.server import PlayServer

NUMBERS = [0, 1, 2, -1, 0.5, -0.0, 1e308, 2**31, 2**70, -(2**63), math.nan, math.inf]
WORDS = ["", "agent", "human", "dream", "game", "replay", "ArrowLeft", "x" * 999, "é\0"]
STATUSES = {200, 400, 403, 404, 411, 413, 414, 431, 501, 505}  # 0: closed unanswered


def odd(draw: random.Random, depth: int = 0) -> Any:
    """Anything that JSON can say."""
    match draw.randrange(8 if depth < 3 else 6):
        case 0:
            return draw.choice([None, True, False])
        case 1 | 2 | 3:
            return draw.choice(NUMBERS)
        case 4 | 5:
            return draw.choice([*WORDS, *PANELS])
        case 6:
            return [odd(draw, depth + 1) for _ in range(draw.randrange(3))]
    return {str(odd(draw, 3)): odd(draw, depth + 1)}


def message(server: PlayServer, draw: random.Random) -> dict[str, Any]:
    """A command with odd arguments, or none, or no command at all."""
    known = draw.choice([*server.commands, "step", "step", "look"])
    command = known if draw.random() < 0.95 else odd(draw)
    arguments = [odd(draw) for _ in range(draw.choice([0, 0, 1, 1, 1, 2, 3]))]
    return {"do": command, "args": arguments, "view": odd(draw)}


@pytest.mark.timeout(3600)
def test_drawn_messages(full, keep, tmp_path) -> None:
    draw, kinds, faults = random.Random(2), Counter(), []
    server = PlayServer(make_session(), tmp_path)
    for _ in range(1500 if full else 150):
        sent = message(server, draw)
        header, _ = server.answer(sent)
        kinds[header["kind"]] += 1
        if "Traceback" in json.dumps(header):
            faults.append(f"{sent}: {header['text'][-300:]}")
        assert server.answer({"do": "look"})[0]["kind"] == "frame", sent
    assert not faults, f"{len(faults)}: " + "\n".join(faults[:40])
    keep("messages to the player", all=kinds.total(), kinds=dict(kinds))


@pytest.fixture
def page(tmp_path) -> Iterator[PageServer]:
    with served_page(tmp_path) as page:
        yield page


def send(page: PageServer, request: bytes) -> int:
    """The status of the answer; 0 without one."""
    answer = b""
    with socket.create_connection(("127.0.0.1", page.server_port), 60) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                answer += part
        except ConnectionError:
            pass
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0


def requests(page: PageServer) -> list[bytes]:
    """As a browser sends them."""
    host = f"Host: 127.0.0.1:{page.server_port}\r\n"
    body = '{"do": "look", "view": "a", "args": []}'
    posted = f"POST /{page.secret}/message HTTP/1.1\r\n{host}"
    posted += (
        f"Content-Length: {len(body)}\r\nOrigin: http://{host[6:-2]}\r\n\r\n{body}"
    )
    got = f"GET /{page.secret}/player.css HTTP/1.1\r\n{host}Accept: */*\r\n\r\n"
    return [posted.encode(), got.encode()]


@pytest.mark.timeout(3600)
def test_drawn_requests(page, full, keep, monkeypatch) -> None:
    errors: list[object] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    monkeypatch.setattr(
        "socketserver.BaseServer.handle_error", lambda *details: errors.append(details)
    )
    draw, whole, found = random.Random(3), requests(page), Counter()
    for _ in range(500 if full else 50):
        sent = mutate(draw.choice(whole), draw)
        status = send(page, sent)
        found[str(status)] += 1
        assert status in STATUSES | {0}, sent
        assert not errors, (sent, errors)
    assert [send(page, request) for request in whole] == [200, 200]
    keep("requests to its page", all=found.total(), statuses=dict(found))
