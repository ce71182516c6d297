"""`iris play` and `iris record`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from iris_core.config.schema import ConfigError
from iris_core.play.options import MODES
from iris_core.play.page import serve
from iris_core.play.recording import (
    free_name,
    keep_episode,
    pictures,
    save_arrays,
    save_sheet,
    save_video,
)
from iris_core.play.render import check_panels
from iris_core.play.session import Session
from iris_core.play.source import Source, open_source
from iris_core.play.talk import Talk
from iris_core.play.view import view_of
from iris_core.play.worlds import Moment

KINDS = (".mp4", ".gif", ".png")


def play(args: argparse.Namespace) -> int:
    """iris play RUN [--mode MODE] [--out FILE | --serve] [--steps N] ..."""
    panels = checked_panels(args.panels)
    if args.out is not None and args.out.suffix not in KINDS:
        raise ConfigError(f"{args.out} is none of {', '.join(KINDS)}.")
    source = open_source(args.source)
    session = new_session(source, args)
    if args.serve or (args.out is None and has_display()):
        serve(Talk(session, source.recordings, panels), args.port, not args.serve)
        return 0
    if session.driver == "human":
        raise ConfigError(
            "A human plays on the page, and there is no display to open it on: add"
            " --serve, and open the address that it prints."
        )
    advance(session, args.steps)
    out = args.out or source.recordings / (
        free_name(source.recordings, f"{session.agent.game.lower()}-{args.mode}")
        + ".mp4"
    )
    write(session, session.line, out, panels, args.fps)
    print(out)
    return 0


def record(args: argparse.Namespace) -> int:
    """iris record RUN [--mode MODE] [--episodes N] [--out FOLDER] ..."""
    panels = checked_panels(args.panels)
    source = open_source(args.source)
    session = new_session(source, args)
    folder = args.out or source.recordings
    for episode in range(args.episodes):
        if episode > 0:
            session.new_start()
        advance(session, args.steps)
        name = free_name(folder, f"{session.agent.game.lower()}-{args.mode}")
        for suffix in (".mp4", ".png"):
            write(session, session.line, folder / f"{name}{suffix}", panels, args.fps)
        save_arrays(session.line, folder / f"{name}.npz")
        keep_episode(session.line, folder / "replay")
        last = session.cursor
        told = f"{last.step} steps, return {last.total:g}"
        print(f"{folder / name}.mp4, .npz and .png: {told}")
    print(f"{folder / 'replay'}: the same episodes, to learn from")
    return 0


def checked_panels(names: str) -> list[str]:
    panels = [name.strip() for name in names.split(",") if name.strip()]
    check_panels(panels)
    return panels


def new_session(source: Source, args: argparse.Namespace) -> Session:
    place, driver = MODES[args.mode]
    session = Session(source.agent, place, driver, source.episodes, args.seed)
    if args.temperature is not None:
        session.temperature = args.temperature
    session.set_watch(bool({"surprise", "outcome"} & set(args.panels.split(","))))
    return session


def advance(session: Session, steps: int) -> None:
    """Play to the end, or for a number of steps."""
    for _ in range(steps):
        if session.cursor.sight.end:
            return
        session.advance()


def write(
    session: Session, line: list[Moment], path: Path, panels: list[str], fps: int
) -> None:
    """A video, or a contact sheet, of a line of moments."""
    view = view_of(session)
    if path.suffix == ".png":
        save_sheet(line, session.meanings, view.title, path)
    else:
        save_video(pictures(view, line, panels), path, fps)


def has_display() -> bool:
    """Whether a browser could be opened here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
