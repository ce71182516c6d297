"""The widget's page without a notebook: one program, one page, on this machine alone.

    GET  /SECRET/           the page, player.js and player.css
    POST /SECRET/talk       a message; the answer is the header's length (4 bytes), the
                            header as JSON, and the bytes

The secret in the address keeps other pages of the browser out. A browser opens several
connections, so each has a thread, which ends with the program; messages are answered
one after another.
"""

from __future__ import annotations

import json
import secrets
import webbrowser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Lock

from iris_core.play.talk import Talk

HTML = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>iris play</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="player.css">
<body><div id="player"></div><script type="module">
import player from "./player.js";
const hearers = new Set();
let last = Promise.resolve();
async function send(message) {
  const answer = await fetch("talk", { method: "POST", body: JSON.stringify(message) });
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  for (const hear of hearers) hear(header, [new DataView(bytes, 4 + length)]);
}
const model = {
  on: (_, hear) => hearers.add(hear),
  off: (_, hear) => hearers.delete(hear),
  send: (message) => (last = last.then(() => send(message))),
};
player.render({ model, el: document.getElementById("player") });
</script></body></html>
"""
FILES = {"player.js": "text/javascript", "player.css": "text/css"}


class Server(ThreadingHTTPServer):
    """Serves one conversation; port 0 takes a free one."""

    def __init__(self, talk: Talk, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.talk = talk
        self.one_at_a_time = Lock()
        self.secret = secrets.token_urlsafe(12)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/{self.secret}/"


class Handler(BaseHTTPRequestHandler):
    """A request of the page."""

    server: Server
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"  # one connection for all frames

    def do_GET(self) -> None:
        name = self.path.removeprefix(f"/{self.server.secret}/")
        if name == "":
            self.reply("text/html; charset=utf-8", HTML.encode())
        elif name in FILES:
            found = files("iris_core").joinpath("widgets", name)  # without anywidget
            self.reply(FILES[name], found.read_bytes())
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        if self.path != f"/{self.server.secret}/talk":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        length = int(self.headers["Content-Length"])
        message = json.loads(self.rfile.read(length))
        with self.server.one_at_a_time:
            answer, data = self.server.talk.answer(message)
        header = json.dumps({**answer, "view": message.get("view")}).encode()
        size = len(header).to_bytes(4, "big")
        self.reply("application/octet-stream", size + header + data)

    def reply(self, kind: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Frames are not news."""


def serve(talk: Talk, port: int = 0, browse: bool = True) -> None:
    """Serve the page until Ctrl-C; open it in a browser if there is one."""
    with Server(talk, port) as server:
        print(f"{server.address}\nCtrl-C ends it.", flush=True)
        if browse:
            webbrowser.open(server.address)
        server.serve_forever()
