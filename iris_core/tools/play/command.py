"""`iris play` and `iris record`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from tqdm.auto import tqdm

from iris_core.config.setting import ConfigError
from iris_core.runtime.files import check_folder
from iris_core.tools.play import recording
from iris_core.tools.play.options import MODES
from iris_core.tools.play.page import serve
from iris_core.tools.play.render import PREDICTION_PANELS, check_panels
from iris_core.tools.play.server import PlayServer
from iris_core.tools.play.session import Session
from iris_core.tools.play.source import open_source

KINDS = (".mp4", ".gif", ".png")


def play(args: argparse.Namespace) -> int:
    """iris play RUN [--mode MODE] [--out FILE | --serve] [--steps N] ..."""
    if args.out is not None and args.out.suffix not in KINDS:
        raise ConfigError(f"{args.out} is none of {', '.join(KINDS)}.")
    check_port(args.port)
    on_a_page = args.serve or (args.out is None and has_display())
    if args.out is not None:
        check_folder(args.out.parent, "--out")
    if not on_a_page:
        recording.check_video(args.out or Path("recording.mp4"), args.steps + 1)
    session, recordings = open_session(args)
    if on_a_page:
        session.playing = True
        serve(PlayServer(session, recordings, args.panels), args.port, not args.serve)
        return 0
    if session.driver == "human":
        raise ConfigError(
            "A human plays on the page, and there is no display to open it on: add"
            " --serve, and open the address that it prints."
        )
    advance(session, args.steps)
    game = session.agent.game
    out = args.out or recording.new_path(recordings, f"{game}-{args.mode}", "mp4")
    write(session, out, args)
    print(out)
    return 0


def record(args: argparse.Namespace) -> int:
    """iris record RUN [--mode MODE] [--episodes N] [--out FOLDER] ..."""
    recording.check_video(Path("recording.mp4"), args.steps + 1)
    if args.out is not None:
        check_folder(args.out, "--out")
    session, recordings = open_session(args)
    folder = args.out or recordings
    check_folder(folder, "--out")
    for episode in range(args.episodes):
        if episode > 0:
            session.new_start()
        advance(session, args.steps)
        video = recording.new_path(folder, f"{session.agent.game}-{args.mode}", "mp4")
        write(session, video, args)
        write(session, video.with_suffix(".png"), args)
        recording.save_arrays(session.line, video.with_suffix(".npz"))
        recording.add_to_replay(session.line, folder / "replay")
        last = session.cursor
        print(f"{video}, .npz and .png: {last.step} steps, return {last.total:g}")
    print(f"{folder / 'replay'}: the same episodes, to learn from")
    return 0


def check_port(port: int) -> None:
    """Refuse a port that somebody else has."""
    if port > 0:
        try:
            with socket.create_server(("127.0.0.1", port)):
                return
        except OSError as error:
            raise ConfigError(
                f"--port {port}: {error.strerror}. Give another, or 0 for any."
            ) from error


def open_session(args: argparse.Namespace) -> tuple[Session, Path]:
    """The session for the options, and the folder for recordings."""
    check_panels(args.panels)
    source = open_source(args.source, args.game)
    place, driver = MODES[args.mode]
    session = Session(
        source.agent, place, driver, source.episodes, args.seed, starts=source.starts
    )
    if args.temperature is not None:
        session.temperature = args.temperature
    session.set_predict(not PREDICTION_PANELS.isdisjoint(args.panels))
    return session, source.recordings


def advance(session: Session, steps: int) -> None:
    """Play some steps, or to the end."""
    for _ in tqdm(range(steps), desc="play", unit="step", leave=False):
        if not session.cursor.obs.end:
            session.advance()


def write(session: Session, path: Path, args: argparse.Namespace) -> None:
    """Write the line as a video, or as a contact sheet."""
    if path.suffix == ".png":
        recording.save_sheet(session, session.line, path)
    else:
        nodes = tqdm(session.line, desc="video", unit="frame", leave=False)
        frames = recording.render_nodes(session, nodes, args.panels)
        recording.save_video(frames, path, args.fps)


def has_display() -> bool:
    """Whether a browser could be opened here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
