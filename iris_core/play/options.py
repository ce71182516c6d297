"""The options of `iris play` and `iris record`; light, for `iris --help` is quick."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

from iris_core.runtime.command_line import add_agent, at_least_one

MODES: dict[
    str, tuple[Literal["dream", "game", "replay"], Literal["agent", "human"]]
] = {
    "agent-dream": ("dream", "agent"),
    "agent-game": ("game", "agent"),
    "human-dream": ("dream", "human"),
    "human-game": ("game", "human"),
    "replay": ("replay", "agent"),
}


def add_play_options(command: argparse.ArgumentParser) -> None:
    """What `iris play` shows, and where."""
    add_common_options(command)
    command.add_argument("--mode", choices=MODES, default="agent-dream")
    command.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write this .mp4, .gif or contact sheet (.png) and open no page",
    )
    command.add_argument(
        "--serve",
        action="store_true",
        help="serve the page and print its address; open no browser",
    )
    command.add_argument("--port", type=int, default=0, help="of the page; any if 0")


def add_record_options(command: argparse.ArgumentParser) -> None:
    """What `iris record` plays, and what it keeps."""
    add_common_options(command)
    modes = [mode for mode in MODES if not mode.startswith("human")]
    command.add_argument("--mode", choices=modes, default="agent-game")
    command.add_argument("--episodes", type=at_least_one, default=1, metavar="N")
    command.add_argument(
        "--out", type=Path, metavar="FOLDER", help="by default media/recordings"
    )


def add_common_options(command: argparse.ArgumentParser) -> None:
    add_agent(command)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--steps",
        type=at_least_one,
        default=300,
        metavar="N",
        help="at most; 300 if not given",
    )
    command.add_argument(
        "--temperature", type=float, help="of the dream's frames; by default the run's"
    )
    command.add_argument(
        "--panels",
        default="frame",
        metavar="A,B,...",
        help="drawn side by side; the frame alone if not given",
    )
    command.add_argument("--fps", type=at_least_one, default=15, metavar="N")
