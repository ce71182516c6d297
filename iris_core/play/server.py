"""A page's messages and the answers to them, and the page without a notebook.

The page asks, and asks again when it has drawn the answer, so nothing runs by itself:
a paused, closed or forgotten page leaves nothing behind.

A message is {"do": command, "args": [...], "view": who asks}. An answer is a header,
ready for JSON and with the same "view", and bytes: {"kind": "frame"} with the state and
pictures as RGBA one behind another, {"kind": "file"} with a file to download,
{"kind": "hello"}, or {"kind": "error"} with a text.

`serve` shows one page on this machine alone:

    GET  /SECRET/       the page, player.js and player.css
    POST /SECRET/talk   a message; the answer is the header's length (4 bytes), the
                        header as JSON, and the bytes

The secret in the address keeps other pages of the browser out.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
import traceback
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from iris_core.config.schema import ConfigError
from iris_core.play.keys import COMMANDS, key_map
from iris_core.play.recording import (
    free_path,
    keep_episode,
    pictures,
    save_arrays,
    save_sheet,
    save_video,
)
from iris_core.play.render import (
    PANELS,
    WATCHING,
    action_name,
    check_panels,
    header,
    hit,
)
from iris_core.play.session import Session
from iris_core.play.worlds import Moment

TOLD = (  # what the page shows of a session as it is
    *("title", "playing", "speed", "place", "driver", "temperature"),
    *("policy_temperature", "seed", "kind", "number", "token", "layer", "head"),
)

Answer = tuple[dict[str, Any], bytes]


class Talk:
    """One page's conversation with a session."""

    def __init__(
        self,
        session: Session,
        folder: Path,
        panels: Sequence[str] = ("frame", "policy"),
    ) -> None:
        check_panels(panels)
        self.session = session
        self.folder = folder
        self.panels = list(panels)
        self.recorded: list[Moment] | None = None
        self.saved = ""
        self.asked_at = 0.0
        self.commands: dict[str, Callable[..., Answer | None]] = {
            "hello": self.hello,
            "look": self.frame,
            "next": self.next,
            "step": self.step,
            "play": session.play_or_pause,
            "act": session.act,
            "back": session.back,
            "seek": session.seek,
            "first": partial(session.seek, 0),
            "last": partial(session.seek, sys.maxsize),
            "reset": session.reset,
            "new": session.new_start,
            "seed": session.new_start,
            "place": session.set_place,
            "driver": session.set_driver,
            "kind": session.set_episode,
            "number": partial(session.set_episode, None),
            "slower": partial(session.change_speed, -1),
            "faster": partial(session.change_speed, 1),
            "temperature": partial(setattr, session, "temperature"),
            "policy_temperature": partial(setattr, session, "policy_temperature"),
            "branch": session.branch,
            "earlier": partial(session.change_branch, -1),
            "later": partial(session.change_branch, 1),
            "here": session.dream_from_here,
            "code": self.set_code,
            "panel": self.switch_panel,
            "twin": self.twin,
            "layer": partial(setattr, session, "layer"),
            "head": partial(setattr, session, "head"),
            "click": self.click,
            "record": self.record,
            "save": self.save,
            "sheet": self.sheet,
            "keep": self.keep,
        }
        self.watch()

    def answer(self, message: Mapping[str, Any]) -> Answer:
        """Do what a message says; an error becomes an answer, so that it is seen."""
        try:
            header, data = self.obey(message)
        except Exception as error:
            self.session.playing = False
            known = isinstance(error, ConfigError)
            text = str(error) if known else traceback.format_exc()
            header, data = {"kind": "error", "text": text}, b""
        return {**header, "view": message.get("view")}, data

    def obey(self, message: Mapping[str, Any]) -> Answer:
        """A command that has no answer of its own is answered with a frame."""
        self.asked_at = time.perf_counter()
        command = message.get("do")
        if command not in self.commands:
            known = ", ".join(self.commands)
            raise ConfigError(f"There is no command {command!r}; there are: {known}.")
        return self.commands[command](*message.get("args", ())) or self.frame()

    # Answers

    def hello(self) -> Answer:
        """What a page needs once, before the first frame."""
        names = self.session.meanings
        panels = {name: PANELS[name].title for name in PANELS if name != "timeline"}
        episodes = {kind: len(found) for kind, found in self.session.episodes.items()}
        return {
            "kind": "hello",
            "actions": names,
            "keys": key_map(names),
            "commands": COMMANDS,
            "panels": panels,
            "episodes": episodes,
        }, b""

    def frame(self) -> Answer:
        """The state, and the panels as RGBA."""
        if "twin" in self.panels and self.session.twin is None:
            self.session.set_twin(self.session.has_game)
        self.session.follow()
        if self.recorded is not None and self.session.cursor is not self.recorded[-1]:
            self.recorded.append(self.session.cursor)
        stepped = time.perf_counter()
        shown = [*self.panels, "timeline"]
        moment = self.session.cursor
        drawn = {name: PANELS[name].draw(self.session, moment) for name in shown}
        data = b"".join(map(rgba, drawn.values()))
        sizes = [
            {"panel": name, "height": len(picture), "width": picture.shape[1]}
            for name, picture in drawn.items()
        ]
        milliseconds = {
            "model": 1000 * (stepped - self.asked_at),
            "drawing": 1000 * (time.perf_counter() - stepped),
        }
        header = {"kind": "frame", "pictures": sizes, "ms": milliseconds}
        return {**header, "state": self.state(self.session, moment)}, data

    def state(self, session: Session, moment: Moment) -> dict[str, Any]:
        """What the page writes beside the pictures."""
        sight, twin, leaves = moment.sight, session.twin, session.branches
        token, config = session.token, session.agent.config
        told = {name: getattr(session, name) for name in TOLD}
        return told | {
            "header": header(session, moment),
            "step": moment.step,
            "action": action_name(session, moment),
            "end": sight.end,
            "memory": [len(sight.past), config.world_model.max_blocks],
            "refreshed": moment.refreshed,
            "branches": len(leaves),
            "branch": leaves.index(session.line[-1]) + 1,
            "twin": twin is not None,
            "parted": twin.parted if twin else None,
            "recording": None if self.recorded is None else len(self.recorded),
            "saved": self.saved,
            "panels": self.panels,
            "code": None if token is None else int(sight.tokens[0, token]),
            "codes": config.tokenizer.vocab_size,
        }

    # Commands

    def next(self, held: Sequence[str] = (), action: int | None = None) -> None:
        """The next frame, if the session is playing."""
        if self.session.playing:
            self.session.advance(held, action)

    def step(self, held: Sequence[str] = (), action: int | None = None) -> None:
        self.session.playing = False
        self.session.advance(held, action)

    def switch_panel(self, name: str) -> None:
        """A panel on or off."""
        check_panels([name])
        chosen = {*self.panels} ^ {name}
        self.panels = [name for name in PANELS if name in chosen]
        self.watch()

    def watch(self) -> None:
        """The world model looks on in the game only where a panel shows it."""
        self.session.set_watch(not WATCHING.isdisjoint(self.panels))

    def twin(self) -> None:
        """The real game beside the dream, or no more; its panel comes and goes too."""
        self.session.set_twin("twin" not in self.panels)
        self.switch_panel("twin")

    def click(self, panel: str, x: float, y: float) -> None:
        """A click on a picture, at its pixels: points at a token, a step, a branch."""
        match hit(self.session, panel, int(x), int(y)):
            case "token", number:
                self.session.token = number
            case "step", number:
                self.session.seek(number)
            case "branch", number:
                self.session.choose_branch(number)

    def set_code(self, code: int) -> None:
        """Give the token that is pointed at another code, and dream on from there."""
        if self.session.token is None:
            raise ConfigError("Point at a token first: click on the token grid.")
        self.session.edit(self.session.token, code)

    # Files

    def record(self) -> Answer | None:
        """Start recording what is shown, or stop and save it."""
        if self.recorded is None:
            self.recorded = [self.session.cursor]
            return None
        shown, self.recorded = self.recorded, None
        return self.save(shown)

    def save(self, moments: list[Moment] | None = None) -> Answer:
        """Save moments, or the line from its start to here, as video and arrays; the
        video is the answer, to download."""
        session, moments = self.session, moments or self.session.cursor.path()
        name = f"{session.agent.game}-{session.place}-{session.driver}"
        path = free_path(self.folder, name, "mp4")
        save_video(pictures(session, moments, self.panels), path, session.speed)
        save_arrays(moments, path.with_suffix(".npz"))
        return self.offer(path, f"{path} and {path.stem}.npz")

    def sheet(self) -> Answer:
        """A contact sheet of the line from its start to here."""
        path = free_path(self.folder, f"{self.session.agent.game}-sheet", "png")
        save_sheet(self.session, self.session.cursor.path(), path)
        return self.offer(path, str(path))

    def keep(self) -> None:
        """Add the line from its start to here to a replay."""
        path = keep_episode(self.session.cursor.path(), self.folder / "replay")
        self.saved = str(path)

    def offer(self, path: Path, told: str) -> Answer:
        self.saved = told
        return {"kind": "file", "name": path.name, "saved": told}, path.read_bytes()


def rgba(picture: np.ndarray) -> bytes:
    """uint8 (H, W, 3) as a canvas wants it."""
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    return np.dstack([picture, alpha]).tobytes()


# The page without a notebook

HTML = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>iris play</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="player.css">
<body><div id="player"></div><script type="module">
import player from "./player.js";
let hear;
let last = Promise.resolve();
async function send(message) {
  const answer = await fetch("talk", { method: "POST", body: JSON.stringify(message) });
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  hear(header, [new DataView(bytes, 4 + length)]);
}
const model = {
  on: (_, listener) => (hear = listener),
  send: (message) => (last = last.then(() => send(message))),
};
player.render({ model, el: document.getElementById("player") });
</script></body></html>
"""
FILES = {"player.js": "text/javascript", "player.css": "text/css"}


class Server(ThreadingHTTPServer):
    """Serves one conversation; port 0 takes a free one.

    A browser opens several connections, each with a thread here; messages are answered
    one after another.
    """

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
            self.reply(FILES[name], Path(__file__).with_name(name).read_bytes())
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
        header = json.dumps(answer).encode()
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
