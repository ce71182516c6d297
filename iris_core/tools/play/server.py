"""A page's messages and their answers.

The page asks for each frame, after it has shown the last: nothing runs in the
background, and a paused or closed page leaves nothing behind. Of several pages the one
that was used last sets the pace.

A message is {"do": command, "args": [...], "view": the sender's id}. An answer is a
JSON header with the same "view", and bytes: {"kind": "frame"} with the state, what the
panels show ("data") and one RGBA picture after another, {"kind": "file"} with a file to
download, {"kind": "hello"}, or {"kind": "error"} with a text. The page without a kernel
speaks the same (web/session.js).
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from iris_core.config.setting import ConfigError
from iris_core.runtime.command_line import COLDEST
from iris_core.tools.play import recording
from iris_core.tools.play.keys import COMMANDS, buttons_of, key_map
from iris_core.tools.play.panels import PANELS, Pictures, palette, timeline
from iris_core.tools.play.render import PREDICTION_PANELS, action_name
from iris_core.tools.play.session import Session
from iris_core.tools.play.source import open_source
from iris_core.tools.play.starts import list_dreams
from iris_core.tools.play.worlds import Node

SESSION_STATE = (  # attributes of a session that the page shows as they are
    *("playing", "speed", "place", "driver", "temperature"),
    *("policy_temperature", "seed", "kind", "number", "token"),
)
FOLLOWING = ("hello", "look", "next")  # of a page that may just be open
AWAY = 1.0  # seconds of silence after which another page sets the pace

Answer = tuple[dict[str, Any], bytes]


def text(value: Any) -> bool:
    return isinstance(value, str)


def whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 2**31


def above_zero(value: Any) -> bool:
    return number(value) and value >= COLDEST


def whole_or_none(value: Any) -> bool:
    return value is None or whole(value)


Fits = Callable[[Any], bool]
TAKES: dict[str, tuple[Fits, ...]] = {  # what commands can be given; others nothing
    **dict.fromkeys(("place", "driver", "kind", "panel", "agent"), (text,)),
    **dict.fromkeys(("seek", "seed", "number", "select", "layer", "head"), (whole,)),
    "paint": (whole, whole),
    "temperature": (number,),  # the session says what is wrong with it
    "policy_temperature": (above_zero,),
    **dict.fromkeys(("next", "step", "token"), (whole_or_none,)),
}


class PlayServer:
    """Answers a page's messages about a session.

    folder: for recordings. panels: shown at first, those of `panels.PANELS`; the frame
    always is.
    """

    def __init__(
        self, session: Session, folder: Path, panels: Sequence[str] = ("policy",)
    ) -> None:
        self.folder = folder
        self.panels = check_panels(panels)
        self.saved = ""
        self.received_at = 0.0
        self.view: object = None  # of the page that sets the pace
        self.show(session)

    def show(self, session: Session) -> None:
        """Answer about this session from now on."""
        self.session = session
        self.recording: list[Node] | None = None
        self.commands: dict[str, Callable[..., Answer | None]] = {
            "hello": self.hello,
            "look": self.frame,
            "next": self.next,
            "step": self.step,
            "play": session.play_or_pause,
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
            "select": session.select_branch,
            "here": session.dream_from_here,
            "token": partial(setattr, session, "token"),
            "paint": session.paint,
            "panel": self.toggle_panel,
            "twin": self.toggle_real_rollout,
            "layer": partial(setattr, session, "layer"),
            "head": partial(setattr, session, "head"),
            "agent": self.open_agent,
            "record": self.record,
            "save": self.save,
            "sheet": self.save_sheet,
            "keep": self.add_to_replay,
        }
        self.update_predict()

    def answer(self, message: Mapping[str, Any]) -> Answer:
        """Carry out a message; an error is an answer too, so that the page shows it."""
        try:
            header, data = self.dispatch(message)
        except Exception as error:
            self.session.playing = False
            expected = isinstance(error, ConfigError)
            text = str(error) if expected else traceback.format_exc()
            header, data = {"kind": "error", "text": text}, b""
        return {**header, "view": message.get("view")}, data

    def dispatch(self, message: Mapping[str, Any]) -> Answer:
        """Run a command; the answer is a frame unless the command has its own."""
        command, view = message.get("do"), message.get("view")
        if not isinstance(command, str) or command not in self.commands:
            raise ConfigError(
                f"Unknown command {command!r:.80}: choose {', '.join(self.commands)}."
            )
        carry_out, given = self.commands[command], message.get("args", ())
        check_takes(command, carry_out, given)
        waited = time.perf_counter() - self.received_at
        if view != self.view and command in ("look", "next") and waited < AWAY:
            return self.frame()
        self.view, self.received_at = view, time.perf_counter()
        return carry_out(*given) or self.frame()

    # Answers

    def hello(self) -> Answer:
        """What the page needs once, before the first frame."""
        session = self.session
        actions, episodes = session.action_names, session.episodes
        return {
            "kind": "hello",
            "game": session.agent.game,
            "grid": session.agent.tokenizer.grid_size,
            "actions": actions,
            "buttons": {action: sorted(buttons_of(action)) for action in actions},
            "keys": key_map(actions, session.agent.game),
            "commands": COMMANDS,
            "can": list(self.commands),
            "places": ["dream", "game", *["replay"] * bool(episodes)],
            "panels": {
                name: {"title": panel.title, "places": panel.places}
                for name, panel in PANELS.items()
            },
            "episodes": {kind: len(episodes[kind]) for kind in episodes},
            "agents": list_dreams(),
            "flashes": session.starts is not None and session.starts.flashes,
        }, b""

    def frame(self) -> Answer:
        """The state, what the panels show, and pictures as RGBA."""
        session = self.session
        if "twin" in self.panels and session.real_rollout is None:
            session.set_real_rollout(session.started_in_game)
        session.extend_real_rollout()
        node = session.cursor
        if self.recording is not None and node is not self.recording[-1]:
            self.recording.append(node)
        stepped = time.perf_counter()
        data, pictures = self.contents(node)
        sizes = [
            {"name": name, "height": len(picture), "width": picture.shape[1]}
            for name, picture in pictures.items()
        ]
        milliseconds = {
            "model": 1000 * (stepped - self.received_at),
            "drawing": 1000 * (time.perf_counter() - stepped),
        }
        header = {"kind": "frame", "pictures": sizes, "data": data, "ms": milliseconds}
        header["state"] = self.state(session, node)
        return header, b"".join(map(rgba, pictures.values()))

    def contents(self, node: Node) -> tuple[dict[str, Any], Pictures]:
        """What the panels say of a node, and their pictures."""
        session = self.session
        names = [name for name in self.panels if session.place in PANELS[name].places]
        sources = {name: PANELS[name].content for name in names}
        sources |= {"timeline": timeline}
        if "tokens" in names:
            sources |= {"palette": palette}
        found = {name: content(session, node) for name, content in sources.items()}
        pictures = {"frame": node.obs.frame}
        for _, more in found.values():
            pictures |= more
        return {name: data for name, (data, _) in found.items()}, pictures

    def state(self, session: Session, node: Node) -> dict[str, Any]:
        """What the page writes beside the pictures."""
        obs, rollout, leaves = node.obs, session.real_rollout, session.leaves
        return {name: getattr(session, name) for name in SESSION_STATE} | {
            "step": node.step,
            "total": node.total,
            "action": action_name(session, node),
            "reward": obs.reward,
            "end": obs.end,
            "cache": [len(obs.past), session.agent.config.world_model.max_blocks],
            "cache_refilled": node.cache_refilled,
            "branches": len(leaves),
            "branch": leaves.index(session.line[-1]) + 1,
            **self.shown_head(),
            "twin": rollout is not None,
            "can_twin": session.started_in_game,
            "diverged_at": rollout.diverged_at if rollout else None,
            "recording": None if self.recording is None else len(self.recording),
            "saved": self.saved,
            "panels": self.panels,
        }

    def shown_head(self) -> dict[str, int]:
        """The layer and the head that attention is drawn of."""
        model = self.session.agent.config.world_model
        layer, head = self.session.layer, self.session.head
        return {
            "layer": min(layer, model.num_layers - 1),
            "head": min(head, model.num_heads - 1),
        }

    # Commands

    def next(self, action: int | None = None) -> None:
        """The next frame, if the session is playing."""
        if self.session.playing:
            self.session.advance(action)

    def step(self, action: int | None = None) -> None:
        """One step, and a pause."""
        self.session.playing = False
        self.session.advance(action)

    def open_agent(self, name: str) -> Answer:
        """Play with another agent."""
        source = open_source(name)
        session = Session(source.agent, episodes=source.episodes, starts=source.starts)
        session.speed, session.playing = self.session.speed, True
        self.show(session)
        return self.hello()

    def toggle_panel(self, name: str) -> None:
        shown = {*self.panels} ^ {*check_panels([name])}
        self.panels = [name for name in PANELS if name in shown]
        self.update_predict()

    def update_predict(self) -> None:
        """The world model predicts the game only for panels that show it."""
        self.session.set_predict(not PREDICTION_PANELS.isdisjoint(self.panels))

    def toggle_real_rollout(self) -> None:
        """The real game beside the dream, with its panel."""
        self.session.set_real_rollout("twin" not in self.panels)
        self.toggle_panel("twin")

    # Files

    def record(self) -> Answer | None:
        """Start recording what is shown, or stop and save it."""
        if self.recording is None:
            self.recording = [self.session.cursor]
            return None
        nodes, self.recording = self.recording, None
        return self.save(nodes)

    def save(self, nodes: list[Node] | None = None) -> Answer:
        """Save nodes as video and arrays, the path to the cursor if None. The answer is
        the video."""
        session, nodes = self.session, nodes or self.session.cursor.path()
        name = f"{session.agent.game}-{session.place}-{session.driver}"
        path = recording.new_path(self.folder, name, "mp4")
        frames = recording.render_nodes(session, nodes, ["frame", *self.panels])
        recording.save_video(frames, path, session.speed)
        recording.save_arrays(nodes, path.with_suffix(".npz"))
        return self.download(path, f"{path} and {path.stem}.npz")

    def save_sheet(self) -> Answer:
        """Save a contact sheet of the path to the cursor."""
        name = f"{self.session.agent.game}-sheet"
        path = recording.new_path(self.folder, name, "png")
        recording.save_sheet(self.session, self.session.cursor.path(), path)
        return self.download(path, str(path))

    def add_to_replay(self) -> None:
        """Save the path to the cursor as an episode."""
        path, replay = self.session.cursor.path(), self.folder / "replay"
        self.saved = str(recording.add_to_replay(path, replay))

    def download(self, path: Path, saved: str) -> Answer:
        self.saved = saved
        return {"kind": "file", "name": path.name, "saved": saved}, path.read_bytes()


def check_panels(names: Sequence[str]) -> list[str]:
    """The names of panels; ConfigError if one is unknown. The frame is always shown."""
    unknown = [name for name in names if name not in PANELS and name != "frame"]
    if unknown:
        raise ConfigError(
            f"Unknown panel {', '.join(unknown)}: choose among {', '.join(PANELS)}."
        )
    return [name for name in PANELS if name in names]


def check_takes(command: str, carry_out: Callable, given: Sequence[Any]) -> None:
    """ConfigError for what a command cannot be given."""
    takes = TAKES.get(command, ())
    try:
        signature(carry_out).bind(*given)
        fits = len(given) <= len(takes) and all(
            map(lambda fit, v: fit(v), takes, given)
        )
    except TypeError:
        fits = False
    if not fits:
        raise ConfigError(f"{command} cannot be given {[*given]!r:.80}.")


def rgba(picture: np.ndarray) -> bytes:
    """uint8 (H, W, 3), in the format of a canvas."""
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    return np.dstack([picture, alpha]).tobytes()
