"""What the commands of `iris` share: exit codes, and kinds of arguments."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

from iris_core.config.paths import user_path
from iris_core.config.setting import ConfigError

BAD_INPUT = 2
INTERRUPTED = 130  # what a shell expects after Ctrl-C: 128 + SIGINT
COLDEST = 1e-6  # temperature; below, logits leave float32


def add_overrides(command: argparse.ArgumentParser) -> None:
    """Settings such as preset=paper env.game=Pong."""
    command.add_argument(
        "overrides",
        nargs="*",
        metavar="name=value",
        help="preset=smoke, tutorial (if not given), hour, surprise or paper, and"
        " settings by their dotted names; `iris settings` lists them",
    )


def add_agent(command: argparse.ArgumentParser) -> None:
    """A trained agent, as `load_agent` takes it."""
    command.add_argument(
        "source",
        metavar="RUN|AGENT",
        help="a run folder, the name of an agent in data/agents, an agent's"
        " .safetensors file, a published .pt file, or the game of a published agent",
    )
    command.add_argument(
        "--game", metavar="NAME", help="of a published .pt file that tells none"
    )


def a_path(text: str) -> Path:
    """An argparse type: see `user_path`."""
    try:
        return user_path(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number of a range."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"got {text[:40]!r}, expected a whole number from {low} to {high}"
            )
        return value

    return number


at_least_one = whole(1, 1_000_000_000)
a_seed = whole(0, 2**32 - 1)
a_port = whole(0, 65_535)
a_rate = whole(1, 1_000)  # of frames, a second


def a_temperature(text: str) -> float:
    """An argparse type: what sampling can be divided by."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not COLDEST <= value < math.inf:
        raise argparse.ArgumentTypeError(
            f"got {text[:40]!r}, expected a number, {COLDEST:g} or more"
        )
    return value


def fault(error: OSError) -> str:
    """What the system said, and of which file."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def lacks_memory(error: Exception) -> bool:
    """Whether an error says that there was not enough memory, here or on a GPU."""
    words = ("can't allocate memory", "out of memory", "Storage size calculation")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def prepare_streams() -> None:
    """Let print work where the output is closed, or can't write every letter."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed: keep its number from other files
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def draw_into_files() -> None:
    """Have matplotlib open no window, whatever a notebook's shell asks for."""
    if "matplotlib" not in sys.modules:
        os.environ["MPLBACKEND"] = "agg"
