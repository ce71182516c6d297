"""What the commands of `iris` share: exit codes, and kinds of arguments."""

from __future__ import annotations

import argparse

BAD_INPUT = 2
INTERRUPTED = 130  # what a shell expects after Ctrl-C: 128 + SIGINT


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


def at_least_one(text: str) -> int:
    """An argparse type: a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def fault(error: OSError) -> str:
    """What the system said, and of which file."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
