"""An agent, its game and its dream, to play with in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget

from iris_core.models.agent import Agent
from iris_core.play.options import Driver, Place
from iris_core.play.server import Talk
from iris_core.play.session import Session
from iris_core.play.source import open_source


class Player(anywidget.AnyWidget):
    """Shows a session and passes on what the page asks; see `iris_core.play.server`."""

    _esm = Path(__file__).with_name("player.js").read_text("utf-8")
    _css = Path(__file__).with_name("player.css").read_text("utf-8")

    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self.talk = talk
        self.on_msg(self.hear)

    @property
    def session(self) -> Session:
        """What is played, to look at or to drive from other cells."""
        return self.talk.session

    def hear(self, _: object, message: dict[str, Any], __: object) -> None:
        """Answer a message."""
        header, data = self.talk.answer(message)
        self.send(header, [data])


def play(
    source: str | Path | Agent,
    place: Place = "dream",
    driver: Driver = "agent",
    seed: int = 0,
    panels: tuple[str, ...] = ("frame", "policy"),
) -> Player:
    """A widget to play with an agent.

    Args:
        source: an agent, its file, a run folder, or a published checkpoint.
        place: "dream", "game" or "replay" (recorded episodes of the run folder, or
            those beside the agent's file).
        driver: "agent" or "human"; the key m changes it.
        seed: of the start and of all that is sampled.
        panels: what is shown at first, of `iris_core.play.render.PANELS`.

    Raises:
        ConfigError: no agent there, or no such place, driver or panel.
    """
    found = open_source(source)
    session = Session(found.agent, place, driver, found.episodes, seed)
    return Player(Talk(session, found.recordings, panels))
