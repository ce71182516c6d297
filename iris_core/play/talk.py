"""A page's messages and the answers to them.

The page asks, and asks again when it has drawn the answer, so nothing runs by itself:
a paused, closed or forgotten page leaves nothing behind.

A message is {"do": command, "value": ...}; where a human acts, also "held": [keys] or
"action": number. An answer is a header, ready for JSON, and bytes: {"kind": "frame"}
with the state and pictures as RGBA one behind another, {"kind": "file"} with a file to
download, {"kind": "hello"}, or {"kind": "error"} with a text.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iris_core.config.schema import ConfigError
from iris_core.play.keys import COMMANDS, key_map
from iris_core.play.recording import (
    free_name,
    keep_episode,
    pictures,
    save_arrays,
    save_sheet,
    save_video,
)
from iris_core.play.render import PANELS, TITLES, check_panels, hit
from iris_core.play.session import SPEEDS, Driver, Session
from iris_core.play.view import View, view_of
from iris_core.play.worlds import Moment

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
        self.token: int | None = None
        self.layer = self.head = 0
        self.recorded: list[Moment] | None = None
        self.held: list[str] = []
        self.wish: int | None = None
        self.saved = ""
        self.watch()
        self.commands: dict[str, Callable[[Any], Answer | None]] = {
            name.removeprefix("do_"): getattr(self, name)
            for name in dir(self)
            if name.startswith("do_")
        }

    def answer(self, message: Mapping[str, Any]) -> Answer:
        """Do what a message says; an error becomes an answer, so that it is seen."""
        try:
            return self.obey(message)
        except ConfigError as error:
            self.session.playing = False
            return {"kind": "error", "text": str(error)}, b""
        except Exception:
            self.session.playing = False
            return {"kind": "error", "text": traceback.format_exc()}, b""

    def obey(self, message: Mapping[str, Any]) -> Answer:
        name = message.get("do")
        if name not in self.commands:
            known = ", ".join(self.commands)
            raise ConfigError(f"There is no command {name!r}; there are: {known}.")
        self.held, self.wish = list(message.get("held", ())), message.get("action")
        started = time.perf_counter()
        other = self.commands[str(name)](message.get("value"))
        if other is not None:
            return other
        if "twin" in self.panels and self.session.twin is None:
            self.session.set_twin(self.session.has_game)
        self.session.follow()
        if self.recorded is not None and self.session.cursor is not self.recorded[-1]:
            self.recorded.append(self.session.cursor)
        stepped = time.perf_counter()
        shown = [*self.panels, "timeline"]
        view = view_of(self.session, shown, self.token, self.layer, self.head)
        drawn, data = self.draw(view, shown)
        ended = time.perf_counter()
        milliseconds = {
            "model": 1000 * (stepped - started),
            "drawing": 1000 * (ended - stepped),
        }
        header = {"kind": "frame", "pictures": drawn, "ms": milliseconds}
        return {**header, "state": self.state(view)}, data

    def draw(
        self, view: View, shown: Sequence[str]
    ) -> tuple[list[dict[str, Any]], bytes]:
        """Panels as RGBA."""
        drawn, data = [], []
        for name in shown:
            picture = PANELS[name](view)
            height, width = picture.shape[:2]
            drawn.append(
                {"panel": name, "title": TITLES[name], "height": height, "width": width}
            )
            data.append(np.dstack([picture, np.full((height, width), 255, np.uint8)]))
        return drawn, b"".join(rgba.tobytes() for rgba in data)

    def state(self, view: View) -> dict[str, Any]:
        """What the page writes beside the pictures."""
        session, sight = self.session, view.moment.sight
        config = session.agent.config
        code = None if self.token is None else int(sight.tokens[0, self.token])
        return {
            "title": view.title,
            "header": view.header,
            "step": session.cursor.step,
            "first": view.line[0].step,
            "last": view.line[-1].step,
            "action": view.action,
            "end": sight.end,
            "playing": session.playing,
            "speed": session.speed,
            "place": session.place,
            "driver": session.driver,
            "temperature": session.temperature,
            "policy_temperature": session.policy_temperature,
            "seed": session.seed,
            "memory": sight.filled,
            "refreshed": sight.refreshed,
            "branches": len(view.leaves),
            "branch": view.leaves.index(view.line[-1]) + 1,
            "twin": session.twin is not None,
            "parted": session.twin.parted if session.twin else None,
            "recording": None if self.recorded is None else len(self.recorded),
            "saved": self.saved,
            "kinds": {kind: len(found) for kind, found in session.episodes.items()},
            "kind": session.kind,
            "number": session.number,
            "panels": self.panels,
            "token": self.token,
            "code": code,
            "codes": config.tokenizer.vocab_size,
            "layer": self.layer,
            "layers": config.world_model.num_layers,
            "head": self.head,
            "heads": config.world_model.num_heads,
        }

    # Commands. Those that return nothing are answered with a frame

    def do_hello(self, value: Any) -> Answer | None:
        """What a page needs once, before the first frame."""
        names = {name: TITLES[name] for name in PANELS if name != "timeline"}
        meanings = self.session.meanings
        header = {
            "kind": "hello",
            "actions": meanings,
            "keys": key_map(meanings),
            "commands": COMMANDS,
            "panels": names,
        }
        return header, b""

    def do_look(self, value: Any) -> None:
        """The present, without a change."""

    def do_next(self, value: Any) -> None:
        """The next frame, if the session is playing."""
        if self.session.playing:
            self.session.advance(self.held, self.wish)

    def do_play(self, value: Any) -> None:
        self.session.playing = not self.session.playing and not self.over

    def do_step(self, value: Any) -> None:
        self.session.playing = False
        self.session.advance(self.held, self.wish)

    def do_act(self, value: Any) -> None:
        """An action, by its number: a step at once, whoever plays."""
        self.session.act(int(value))

    def do_back(self, value: Any) -> None:
        self.session.back()

    def do_seek(self, value: Any) -> None:
        self.session.seek(int(value))

    def do_first(self, value: Any) -> None:
        self.session.seek(0)

    def do_last(self, value: Any) -> None:
        self.session.seek(self.session.line[-1].step)

    def do_reset(self, value: Any) -> None:
        self.session.reset()

    def do_new(self, value: Any) -> None:
        self.session.new_start()

    def do_seed(self, value: Any) -> None:
        self.session.new_start(int(value))

    def do_place(self, value: Any) -> None:
        self.session.set_place(value)

    def do_driver(self, value: Any) -> None:
        """The one named, or the other one."""
        other: Driver = "human" if self.session.driver == "agent" else "agent"
        self.session.set_driver(value or other)

    def do_episode(self, value: Any) -> None:
        kind, number = value
        self.session.set_episode(kind, int(number))

    def do_slower(self, value: Any) -> None:
        slower = [speed for speed in SPEEDS if speed < self.session.speed]
        self.session.speed = max(slower, default=SPEEDS[0])

    def do_faster(self, value: Any) -> None:
        faster = [speed for speed in SPEEDS if speed > self.session.speed]
        self.session.speed = min(faster, default=SPEEDS[-1])

    def do_temperature(self, value: Any) -> None:
        self.session.temperature = float(value)

    def do_policy_temperature(self, value: Any) -> None:
        self.session.policy_temperature = float(value)

    def do_panels(self, value: Any) -> None:
        """Switch a panel on or off."""
        check_panels([value])
        chosen = {*self.panels} ^ {value}
        self.panels = [name for name in PANELS if name in chosen]
        self.watch()

    def watch(self) -> None:
        """The world model looks on in the game only where a panel shows it."""
        needed = {"surprise", "outcome", "attention"} & {*self.panels}
        self.session.set_watch(bool(needed))

    def do_token(self, value: Any) -> None:
        """Point at a token, or at none."""
        self.token = None if value is None else int(value)

    def do_code(self, value: Any) -> None:
        """Give the token that is pointed at another code, and dream on from there."""
        if self.token is None:
            raise ConfigError("Point at a token first: click on the token grid.")
        self.session.edit(self.token, int(value))

    def do_attention(self, value: Any) -> None:
        layer, head = value
        self.layer, self.head = int(layer), int(head)

    def do_click(self, value: Any) -> None:
        """A click on a picture, at its pixels."""
        panel, x, y = value
        found = hit(view_of(self.session), panel, int(x), int(y))
        if found is None:
            return
        what, number = found
        if what == "token":
            self.token = number
        elif what == "step":
            self.session.seek(number)
        elif what == "branch":
            self.session.choose_branch(number)

    def do_branch(self, value: Any) -> None:
        self.session.branch()

    def do_earlier(self, value: Any) -> None:
        self.session.choose_branch(self.branch - 1)

    def do_later(self, value: Any) -> None:
        self.session.choose_branch(self.branch + 1)

    @property
    def branch(self) -> int:
        return self.session.branches.index(self.session.line[-1])

    @property
    def over(self) -> bool:
        return self.session.cursor.sight.end

    def do_here(self, value: Any) -> None:
        self.session.dream_from_here()

    def do_twin(self, value: Any) -> None:
        """The real game beside the dream, or no more; its panel comes and goes too."""
        self.session.set_twin("twin" not in self.panels)
        self.do_panels("twin")

    # Files

    def do_record(self, value: Any) -> Answer | None:
        """Start recording what is shown, or stop and save it."""
        if self.recorded is None:
            self.recorded = [self.session.cursor]
            return None
        shown, self.recorded = self.recorded, None
        return self.save(shown)

    def do_save(self, value: Any) -> Answer:
        """Save the line from its start to here."""
        return self.save(self.session.cursor.path())

    def save(self, moments: list[Moment]) -> Answer:
        """Video and arrays; the video is the answer, to download."""
        session = self.session
        name = free_name(
            self.folder,
            f"{session.agent.game.lower()}-{session.place}-{session.driver}",
        )
        video = self.folder / f"{name}.mp4"
        view = view_of(session)
        save_video(pictures(view, moments, self.panels), video, session.speed)
        save_arrays(moments, video.with_suffix(".npz"))
        return self.offer(video, f"{video} and {name}.npz")

    def do_sheet(self, value: Any) -> Answer:
        """A contact sheet of the line from its start to here."""
        session = self.session
        name = free_name(self.folder, f"{session.agent.game.lower()}-sheet")
        path = self.folder / f"{name}.png"
        title = view_of(session).title
        save_sheet(session.cursor.path(), session.meanings, title, path)
        return self.offer(path, str(path))

    def do_keep(self, value: Any) -> None:
        """Add the line from its start to here to a replay."""
        path = keep_episode(self.session.cursor.path(), self.folder / "replay")
        self.saved = str(path)

    def offer(self, path: Path, told: str) -> Answer:
        self.saved = told
        return {"kind": "file", "name": path.name, "saved": told}, path.read_bytes()
