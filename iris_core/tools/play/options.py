"""The options of `iris play` and `iris record`; light, for `iris --help` is quick."""

from __future__ import annotations

from argparse import ArgumentParser as Parser
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Place = Literal["game", "dream", "replay"]
Driver = Literal["agent", "human"]
Whole = Callable[[str], int]  # an argparse type: a number from 1

MODES: dict[str, tuple[Place, Driver]] = {
    "agent-dream": ("dream", "agent"),
    "agent-game": ("game", "agent"),
    "human-dream": ("dream", "human"),
    "human-game": ("game", "human"),
    "replay": ("replay", "agent"),
}


def add_play_options(command: Parser, whole: Whole) -> None:
    """What `iris play` shows, and where."""
    add_common_options(command, whole)
    command.add_argument("--mode", choices=MODES, default="agent-dream")
    about = "write this .mp4, .gif or contact sheet (.png) and open no page"
    command.add_argument("--out", type=Path, metavar="FILE", help=about)
    about = "serve the page and print its address; open no browser"
    command.add_argument("--serve", action="store_true", help=about)
    command.add_argument("--port", type=int, default=0, help="of the page; any if 0")


def add_record_options(command: Parser, whole: Whole) -> None:
    """What `iris record` plays, and what it keeps."""
    add_common_options(command, whole)
    modes = [mode for mode in MODES if not mode.startswith("human")]
    command.add_argument("--mode", choices=modes, default="agent-game")
    command.add_argument("--episodes", type=whole, default=1, metavar="N")
    about = "by default media/recordings"
    command.add_argument("--out", type=Path, metavar="FOLDER", help=about)


def add_common_options(command: Parser, whole: Whole) -> None:
    add = command.add_argument
    about = "a run folder, an agent's .safetensors file, a published .pt file, or the"
    about += " game of a published agent"
    add("source", metavar="RUN|AGENT", help=about)
    add("--seed", type=int, default=0)
    about = "at most; 300 if not given"
    add("--steps", type=whole, default=300, metavar="N", help=about)
    about = "of the dream's frames; by default the run's"
    add("--temperature", type=float, help=about)
    about = "drawn side by side; the frame alone if not given"
    add("--panels", type=names, default="frame", metavar="A,B,...", help=about)
    add("--fps", type=whole, default=15, metavar="N")


def names(text: str) -> list[str]:
    """An argparse type: names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]
