"""The options of `iris play` and `iris record`; light, for `iris --help` is quick."""

from __future__ import annotations

from argparse import ArgumentParser as Parser
from typing import Literal

from iris_core.runtime.command_line import (
    a_path,
    a_port,
    a_rate,
    a_seed,
    a_temperature,
    add_agent,
    at_least_one,
)

Place = Literal["game", "dream", "replay"]
Driver = Literal["agent", "human"]

MODES: dict[str, tuple[Place, Driver]] = {
    "agent-dream": ("dream", "agent"),
    "agent-game": ("game", "agent"),
    "human-dream": ("dream", "human"),
    "human-game": ("game", "human"),
    "replay": ("replay", "agent"),
}


def add_play_options(command: Parser) -> None:
    """What `iris play` shows, and where."""
    add_common_options(command)
    command.add_argument("--mode", choices=MODES, default="agent-dream")
    about = "write this .mp4, .gif or contact sheet (.png) and open no page"
    command.add_argument("--out", type=a_path, metavar="FILE", help=about)
    about = "serve the page and print its address; open no browser"
    command.add_argument("--serve", action="store_true", help=about)
    command.add_argument("--port", type=a_port, default=0, help="of the page; any if 0")


def add_record_options(command: Parser) -> None:
    """What `iris record` plays, and what it keeps."""
    add_common_options(command)
    modes = [mode for mode in MODES if not mode.startswith("human")]
    command.add_argument("--mode", choices=modes, default="agent-game")
    command.add_argument("--episodes", type=at_least_one, default=1, metavar="N")
    about = "by default media/recordings"
    command.add_argument("--out", type=a_path, metavar="FOLDER", help=about)


def add_common_options(command: Parser) -> None:
    add_agent(command)
    add = command.add_argument
    add("--seed", type=a_seed, default=0)
    about = "at most; 300 if not given"
    add("--steps", type=at_least_one, default=300, metavar="N", help=about)
    about = "of the dream's frames; by default the run's"
    add("--temperature", type=a_temperature, help=about)
    about = "drawn side by side; the frame alone if not given"
    add("--panels", type=names, default="frame", metavar="A,B,...", help=about)
    add("--fps", type=a_rate, default=15, metavar="N")


def names(text: str) -> list[str]:
    """An argparse type: names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]
