"""The page without a notebook, and who is let in."""

import json
import select
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playing import served_page

from iris_core.tools.play import page as page_module
from iris_core.tools.play.page import CONNECTIONS, LARGEST, PageServer

LOOK = b'{"do": "look", "view": "a"}'


@pytest.fixture
def page(tmp_path) -> Iterator[PageServer]:
    with served_page(tmp_path) as page:
        yield page


def connect(page: PageServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", page.server_port), timeout=20)


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side ends it."""
    got = b""
    try:
        while part := connection.recv(1 << 16):
            got += part
    except ConnectionResetError:
        pass
    return got


def send(page: PageServer, request: bytes) -> int:
    """The status of the answer, 0 without one, to a request on a new connection."""
    with connect(page) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = everything(connection)
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0


def post(page: PageServer, body: bytes = LOOK, **headers: str | None) -> int:
    """The status of a message, with other headers than the page sends, or without."""
    known: dict[str, str | None] = {"Host": f"127.0.0.1:{page.server_port}"}
    known["Content-Length"] = str(len(body))
    known |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"POST /{page.secret}/message HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in known.items() if value is not None]
    return send(page, "\r\n".join([*lines, "", ""]).encode() + body)


def test_it_is_played(page):
    html = urllib.request.urlopen(page.address).read().decode()
    assert "player.js" in html
    script = urllib.request.urlopen(f"{page.address}player.js").read()
    assert b"export default" in script
    answer = urllib.request.urlopen(f"{page.address}message", LOOK).read()
    length = int.from_bytes(answer[:4], "big")
    header = json.loads(answer[4 : 4 + length])
    assert header["kind"] == "frame" and header["view"] == "a"


def test_the_secret_is_asked_for(page):
    host = f"Host: 127.0.0.1:{page.server_port}\r\n\r\n".encode()
    for path in ("/", "/message", "/player.js", "player.js", "/x/", f"/{page.secret}"):
        assert send(page, f"GET {path} HTTP/1.1\r\n".encode() + host) == 404
    assert send(page, b"POST /message HTTP/1.1\r\n" + host) == 404


def test_host_and_origin_are_our_own(page):
    ours = f"127.0.0.1:{page.server_port}"
    assert post(page) == post(page, Origin=f"http://{ours}") == 200
    tunnel = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}
    assert post(page, **tunnel) == 200
    for host in ("evil.example", f"evil.example:{page.server_port}", "", None):
        assert post(page, Host=host) == 403
    for origin in (
        "http://evil.example",
        "null",
        f"https://{ours}",
        "http://localhost",
    ):
        assert post(page, Origin=origin) == 403


@pytest.mark.parametrize(
    ("status", "body", "length"),
    [
        (400, b"\xff\x00garbage", ...),
        (400, b"", ...),
        (400, b"[" * 60_000, ...),
        (400, b"[1]", ...),
        (400, b'{"do": "seek", "args": "12"}', ...),
        (400, LOOK, "-1"),
        (400, LOOK, "many"),
        (400, LOOK, "9" * 5000),
        (400, LOOK, str(len(LOOK) + 1)),
        (411, LOOK, None),
        (413, LOOK, str(LARGEST + 1)),
    ],
)
def test_bodies_that_are_none(page, status, body, length):
    length = str(len(body)) if length is ... else length
    assert post(page, body, Content_Length=length) == status
    assert post(page) == 200


def test_garbage_is_refused(page):
    assert send(page, b"\x16\x03\x01 \x00\xff\r\n\r\n") == 400
    assert send(page, b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n") == 404
    assert send(page, b"x" * 65_537) == 414
    assert post(page) == 200


def ended(connections: list[socket.socket]) -> int:
    """How many have been ended by the other side."""
    return len(select.select(connections, [], [], 0)[0])


def test_half_open_connections_are_few_and_end(page, monkeypatch):
    monkeypatch.setattr(page_module, "WAIT", 1000.0)
    before = threading.active_count()
    opened = [connect(page) for _ in range(3 * CONNECTIONS)]
    for number, connection in enumerate(opened):
        with suppress(ConnectionError):
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x"[: number % 25])
    while ended(opened) < 2 * CONNECTIONS:
        time.sleep(0.01)
    assert len(page.waiting) == CONNECTIONS
    assert threading.active_count() <= before + CONNECTIONS
    monkeypatch.setattr(page_module, "WAIT", 0.0)
    while ended(opened) < len(opened) or page.waiting:
        time.sleep(0.01)
    monkeypatch.setattr(page_module, "WAIT", 1000.0)
    assert post(page) == 200
    for connection in opened:
        connection.close()


def test_a_request_that_drips_in_is_ended(page, monkeypatch):
    monkeypatch.setattr(page_module, "WAIT", 1.0)
    with connect(page) as connection:
        begun = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() < begun + 100:
                connection.sendall(b"G")
                time.sleep(0.1)
