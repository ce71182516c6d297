"""The page without a notebook: `serve` shows one, on this machine alone.

    GET  /SECRET/          the page (web/kernel.html), and the files it asks for
    POST /SECRET/message   a message; its answer is the header's length (4 bytes), the
                           header and the bytes

The secret in the address keeps other pages of the browser out; Host and Origin keep out
those that came by it. What does not know it is answered briefly, and held to `WAIT`.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import sys
import time
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import Lock
from typing import Any

from iris_core.tools.play.server import PlayServer

CONNECTIONS = 32  # at a time, each a thread; more are closed. A browser opens 6
WAIT = 20.0  # seconds for a whole request to come, also the next of a connection
LARGEST = 1 << 16  # bytes of a message; the page sends some hundred
HOSTS = ("127.0.0.1", "localhost")  # with any port: it may be forwarded

WEB = Path(__file__).with_name("web")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


class Refused(Exception):
    """A request is not carried out: its status, and why."""


class PageServer(ThreadingHTTPServer):
    """Serves one page; port 0 takes a free one.

    A browser opens several connections, each in a thread here, but messages are
    answered one after another.
    """

    request_queue_size = 128  # so that those too many do not delay the others

    def __init__(self, play_server: PlayServer, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), PageHandler)
        self.play_server = play_server
        self.lock = Lock()
        self.secret = secrets.token_urlsafe(24)
        # Connections, and since when each is waited for; infinity: it waits for us
        self.waiting: dict[Any, float] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.secret}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for a connection, unless there are too many."""
        if len(self.waiting) >= CONNECTIONS:
            self.shutdown_request(request)
            return
        self.waiting[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.waiting.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End connections that keep us waiting; called twice a second."""
        late = time.monotonic() - WAIT
        for request, since in list(self.waiting.items()):
            if since < late:
                with suppress(OSError):
                    request.shutdown(SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed while it was answered is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class PageHandler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    server: PageServer
    connection: socket
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"  # keeps the connection open for all frames
    default_request_version = "HTTP/1.0"  # garbage, too, is answered with a status

    def handle_one_request(self) -> None:
        self.server.waiting[self.connection] = time.monotonic()
        try:
            super().handle_one_request()
        except Refused as refused:
            self.send_error(*refused.args)  # and ends the connection

    def do_GET(self) -> None:
        name = self.asked() or "kernel.html"
        file = WEB / name
        if "/" in name or file.suffix not in TYPES or not file.is_file():
            raise Refused(HTTPStatus.NOT_FOUND)
        self.reply(f"{TYPES[file.suffix]}; charset=utf-8", file.read_bytes())

    def do_POST(self) -> None:
        if self.asked() != "message":
            raise Refused(HTTPStatus.NOT_FOUND)
        message = read_message(self.body())
        self.server.waiting[self.connection] = math.inf
        with self.server.lock:
            answer, data = self.server.play_server.answer(message)
        header = json.dumps(answer).encode()
        size = len(header).to_bytes(4, "big")
        self.reply("application/octet-stream", size + header + data)

    def asked(self) -> str:
        """What is asked for, behind the secret; of our own page, and by its address."""
        host, origin = self.headers["Host"] or "", self.headers["Origin"]
        if host.partition(":")[0] not in HOSTS:
            raise Refused(HTTPStatus.FORBIDDEN, "Host is not this machine")
        if origin is not None and origin != f"http://{host}":
            raise Refused(HTTPStatus.FORBIDDEN, "Origin is another page")
        secret, slash, name = self.path.removeprefix("/").partition("/")
        known = secrets.compare_digest(secret.encode(), self.server.secret.encode())
        if not (known and slash):
            raise Refused(HTTPStatus.NOT_FOUND)
        return name

    def body(self) -> bytes:
        """The body of a request, all of it."""
        length = self.headers["Content-Length"]
        if length is None:
            raise Refused(HTTPStatus.LENGTH_REQUIRED)
        if not re.fullmatch("[0-9]{1,18}", length):
            raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
        if int(length) > LARGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Refused(HTTPStatus.BAD_REQUEST, "The body was cut short")
        return body

    def reply(self, content_type: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """No line on the terminal for every frame."""


def read_message(body: bytes) -> Mapping[str, Any]:
    """The message in a body; `Refused` if there is none."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "The body is no JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("args", []), list):
        raise Refused(HTTPStatus.BAD_REQUEST, "The body is no message")
    return message


def serve(play_server: PlayServer, port: int = 0, browse: bool = True) -> None:
    """Serve the page until Ctrl-C; open it in a browser if `browse`."""
    with PageServer(play_server, port) as server:
        print(f"{server.address}\nCtrl-C ends it.", flush=True)
        if browse:
            webbrowser.open(server.address)
        server.serve_forever()
