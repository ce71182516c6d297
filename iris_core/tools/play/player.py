"""The widget: an agent, its game and its dream, to play with in a notebook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anywidget

from iris_core.agent import Agent
from iris_core.tools.play.options import Driver, Place
from iris_core.tools.play.server import PlayServer
from iris_core.tools.play.session import Session
from iris_core.tools.play.source import open_source

WEB = Path(__file__).with_name("web")
MODULES = ("keys.js", "panels.js", "player.js")  # each may import those before it


def read_modules() -> str:
    """The page's modules as the one that anywidget takes."""
    joined = "\n".join((WEB / name).read_text("utf-8") for name in MODULES)
    without_imports = re.sub(r"^import .*?;\n", "", joined, flags=re.M | re.S)
    return re.sub(r"^export (?!default)", "", without_imports, flags=re.M)


class Player(anywidget.AnyWidget):
    """Passes messages between a page and `PlayServer`."""

    _esm = read_modules()
    _css = (WEB / "player.css").read_text("utf-8")

    def __init__(self, server: PlayServer) -> None:
        super().__init__()
        self.server = server
        self.on_msg(self.on_message)

    @property
    def session(self) -> Session:
        """To inspect or to drive from other cells."""
        return self.server.session

    def on_message(self, _: object, message: dict[str, Any], __: object) -> None:
        """Answer a message."""
        header, data = self.server.answer(message)
        self.send(header, [data])


def play(
    source: str | Path | Agent,
    place: Place = "dream",
    driver: Driver = "agent",
    seed: int = 0,
    panels: tuple[str, ...] = ("policy",),
) -> Player:
    """A widget to play with an agent.

    Args:
        source: an agent, or what `iris_core.load_agent` takes: a name as
            "freeway_hour", a file, a run folder, or a published checkpoint.
        place: "dream", "game" or "replay" (recorded episodes of the run folder, or
            those beside the agent's file).
        driver: "agent" or "human"; the key m changes it.
        seed: of the start and of everything sampled.
        panels: shown at first beside the frame, names of
            `iris_core.tools.play.panels.PANELS`.

    Raises:
        ConfigError: no agent found, or an unknown place, driver or panel.
        ImportError: the extra `notebooks`, with anywidget, is not installed.
    """
    found = open_source(source)
    session = Session(
        found.agent, place, driver, found.episodes, seed, starts=found.starts
    )
    session.playing = True
    return Player(PlayServer(session, found.recordings, panels))
