"""The options of `iris play` and `iris record`; light, for `iris --help` is quick."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Place = Literal["game", "dream", "replay"]
Driver = Literal["agent", "human"]

MODES: dict[str, tuple[Place, Driver]] = {
    "agent-dream": ("dream", "agent"),
    "agent-game": ("game", "agent"),
    "human-dream": ("dream", "human"),
    "human-game": ("game", "human"),
    "replay": ("replay", "agent"),
}


def add_play_options(
    command: argparse.ArgumentParser, whole: Callable[[str], int]
) -> None:
    """What `iris play` shows, and where. whole: an argparse type, a number from 1."""
    add_common_options(command, whole)
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


def add_record_options(
    command: argparse.ArgumentParser, whole: Callable[[str], int]
) -> None:
    """What `iris record` plays, and what it keeps."""
    add_common_options(command, whole)
    modes = [mode for mode in MODES if not mode.startswith("human")]
    command.add_argument("--mode", choices=modes, default="agent-game")
    command.add_argument("--episodes", type=whole, default=1, metavar="N")
    command.add_argument(
        "--out", type=Path, metavar="FOLDER", help="by default media/recordings"
    )


def add_common_options(
    command: argparse.ArgumentParser, whole: Callable[[str], int]
) -> None:
    command.add_argument(
        "source",
        metavar="RUN|AGENT",
        help="a run folder, an agent's .safetensors file, a published .pt file, or the"
        " game of a published agent",
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--steps",
        type=whole,
        default=300,
        metavar="N",
        help="at most; 300 if not given",
    )
    command.add_argument(
        "--temperature", type=float, help="of the dream's frames; by default the run's"
    )
    command.add_argument(
        "--panels",
        type=lambda names: [name.strip() for name in names.split(",") if name.strip()],
        default="frame",
        metavar="A,B,...",
        help="drawn side by side; the frame alone if not given",
    )
    command.add_argument("--fps", type=whole, default=15, metavar="N")
