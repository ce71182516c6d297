"""Files of a session: videos, arrays, contact sheets, episodes to train on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import av
import imageio.v3 as imageio
import numpy as np

from iris_core.config.setting import ConfigError
from iris_core.data.episode import Episode
from iris_core.data.episode_file import write_arrays
from iris_core.data.replay_buffer import INDEX, Replay
from iris_core.plotting.contact_sheet import save_png, trajectory_sheet
from iris_core.runtime.files import write_atomic, write_whole
from iris_core.tools.play.render import render, upscale
from iris_core.tools.play.session import Session
from iris_core.tools.play.worlds import Node

SESSION_PANELS = ("attention", "tree", "twin")  # not of a single node: not recorded
MOST_IN_A_GIF = 500
CRF = "12"  # of x264: errors in flat areas stay invisible


def render_nodes(
    session: Session, nodes: Iterable[Node], panels: Sequence[str] = ("frame",)
) -> Iterable[np.ndarray]:
    """A picture of each node: the frame alone, enlarged, or a sheet of panels."""
    kept = [name for name in panels if name not in SESSION_PANELS]
    for node in nodes:
        if kept in ([], ["frame"]):
            yield upscale(node.obs.frame)
        else:
            yield render(session, kept, node)


def check_video(path: Path, frames: int) -> None:
    """ConfigError if a video of so many frames can't be written, before they are
    played."""
    if path.suffix == ".gif" and frames > MOST_IN_A_GIF:
        raise ConfigError(
            f"A GIF takes at most {MOST_IN_A_GIF:,} frames, for all of them are in"
            f" memory when it is written, and this one would have {frames:,}: write an"
            " .mp4, or give fewer --steps."
        )
    if path.suffix == ".mp4":
        try:
            write_h264([np.zeros((64, 64, 3), np.uint8)], BytesIO(), 64, 64, 15)
        except (av.FFmpegError, ValueError) as error:  # no such codec is a ValueError
            raise ConfigError(
                f"PyAV can't write H.264 here ({error}): install another build of it"
                " (pip install --force-reinstall av), or write a .gif or .png."
            ) from error


def save_video(frames: Iterable[np.ndarray], path: Path, fps: int) -> None:
    """Write frames uint8 (H, W, 3) of one even size as an .mp4 (H.264) or a .gif.

    Raises:
        ConfigError: another kind of file, or no frames, or too many for a .gif.
    """
    if path.suffix not in (".mp4", ".gif"):
        raise ConfigError(f"{path} is neither .mp4 nor .gif.")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ConfigError("There is nothing to save yet: play a step first.")
    frames = chain([first], frames)
    if path.suffix == ".gif":
        hundredths = max(2, round(100 / fps))  # browsers slow down faster ones
        kept = list(islice(frames, MOST_IN_A_GIF + 1))
        check_video(path, len(kept))
        gif = imageio.imwrite(
            "<bytes>", kept, extension=".gif", duration=10 * hundredths, loop=0
        )
        write_atomic(path, gif)
    else:
        height, width = first.shape[:2]
        write_whole(path, lambda file: write_h264(frames, file, height, width, fps))


def write_h264(
    frames: Iterable[np.ndarray],
    file: IO[bytes],
    height: int,
    width: int,
    fps: int,
    crf: str = CRF,
) -> None:
    """An mp4 that browsers play; a frame is encoded as it comes, and not kept."""
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": crf})
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def save_arrays(nodes: Sequence[Node], path: Path) -> None:
    """Write nodes as an npz: frames uint8 (T, 64, 64, 3), the actions int64 (T,) that
    led to them (-1 at a start), rewards, ends, values, steps (T,), tokens (T, K)."""
    actions = [-1 if m.action is None else m.action for m in nodes]
    arrays: dict[str, Any] = {
        "frames": np.stack([m.obs.frame for m in nodes]),
        "tokens": np.stack([m.obs.tokens[0].cpu().numpy() for m in nodes]),
        "actions": np.array(actions, np.int64),
        "rewards": np.array([m.obs.reward for m in nodes], np.float32),
        "ends": np.array([m.obs.end for m in nodes]),
        "values": np.array([m.value for m in nodes], np.float32),
        "steps": np.array([m.step for m in nodes], np.int64),
    }
    write_arrays(path, arrays)


def to_episode(nodes: Sequence[Node]) -> Episode:
    """A path of nodes as a replay stores it: frames, and what was done in each.

    ConfigError if no step was played.
    """
    if len(nodes) < 2:
        raise ConfigError("There is no episode to save yet: play a step first.")
    after = nodes[1:]
    ends = np.array([m.obs.end for m in after])
    return Episode(
        np.stack([m.obs.frame.transpose(2, 0, 1) for m in nodes[:-1]]),
        np.array([m.action for m in after]),
        np.array([m.obs.reward for m in after], np.float32),
        ends,
        np.zeros_like(ends),
    )


def add_to_replay(nodes: Sequence[Node], folder: Path) -> Path:
    """Append a path of nodes to the replay in a folder; returns the episode's file."""
    replay = Replay.load(folder) if (folder / INDEX).exists() else Replay()
    number = replay.add(to_episode(nodes))
    replay.save(folder)
    return folder / f"{number:06d}.npz"


def save_sheet(session: Session, nodes: Sequence[Node], path: Path) -> None:
    """Write a contact sheet: each frame with its step, action and reward."""
    episode = to_episode(nodes)
    frames = np.ascontiguousarray(episode.frames.transpose(0, 2, 3, 1))
    played = episode.rewards, episode.ends, episode.actions
    sheet = trajectory_sheet(frames, *played, session.action_names, session.title)
    save_png(sheet, path)


def new_path(folder: Path, name: str, kind: str) -> Path:
    """folder/NAME-NNN.kind in lower case, with the first number that is free."""
    number = 1
    while any(folder.glob(f"{name.lower()}-{number:03d}.*")):
        number += 1
    return folder / f"{name.lower()}-{number:03d}.{kind}"
