"""What is kept of a session: a video, arrays, a contact sheet, an episode."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import imageio.v3 as imageio
import numpy as np

from iris_core.config.schema import ConfigError
from iris_core.play.render import fit, render
from iris_core.play.view import View
from iris_core.play.worlds import Moment
from iris_core.plotting.contact_sheet import save_png, trajectory_sheet
from iris_core.replay import INDEX, Episode, Replay, write_whole
from iris_core.training.runs import write_atomic

NOT_RECORDED = ("attention", "tree", "twin")  # they show a session, not a moment
QUALITY = "12"  # x264's crf: small errors of flat areas stay invisible


def pictures(
    view: View, moments: Iterable[Moment], panels: Sequence[str] = ("frame",)
) -> Iterable[np.ndarray]:
    """A picture of every moment: the frame alone, enlarged, or a sheet of panels."""
    kept = [name for name in panels if name not in NOT_RECORDED] or ["frame"]
    for moment in moments:
        if kept == ["frame"]:
            yield fit(moment.sight.frame)
        else:
            yield render(replace(view, moment=moment), kept)


def save_video(drawn: Iterable[np.ndarray], path: Path, fps: int) -> None:
    """Write pictures uint8 (H, W, 3), all of one even size, as H.264 in mp4, or as GIF.

    Raises:
        ConfigError: another kind of file, or nothing to show.
    """
    drawn = list(drawn)
    if not drawn:
        raise ConfigError("There is nothing to save yet: play a step first.")
    if path.suffix == ".gif":
        hundredths = max(2, round(100 / fps))  # browsers slow down what is faster
        gif = imageio.imwrite(
            "<bytes>", drawn, extension=".gif", duration=10 * hundredths, loop=0
        )
        write_atomic(path, gif)
    elif path.suffix == ".mp4":
        write_atomic(path, h264(drawn, fps))
    else:
        raise ConfigError(f"{path} is neither .mp4 nor .gif.")


def h264(drawn: Sequence[np.ndarray], fps: int) -> bytes:
    """An mp4 that browsers play."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": QUALITY})
        stream.height, stream.width = drawn[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in drawn:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def save_arrays(moments: Sequence[Moment], path: Path) -> None:
    """Write what was shown as an npz: frames uint8 (T, 64, 64, 3), actions int64 (T,)
    that led to each (-1 at a start), rewards, ends, values, steps (T,), tokens (T, K).
    """
    actions = [-1 if m.action is None else m.action for m in moments]
    arrays: dict[str, Any] = {
        "frames": np.stack([m.sight.frame for m in moments]),
        "tokens": np.stack([m.sight.tokens[0].cpu().numpy() for m in moments]),
        "actions": np.array(actions, np.int64),
        "rewards": np.array([m.sight.reward for m in moments], np.float32),
        "ends": np.array([m.sight.end for m in moments]),
        "values": np.array([m.value for m in moments], np.float32),
        "steps": np.array([m.step for m in moments], np.int64),
    }
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))


def to_episode(moments: Sequence[Moment]) -> Episode:
    """A path of moments in the replay's form: frames before actions, and what came.

    ConfigError if no step was played.
    """
    if len(moments) < 2:
        raise ConfigError("There is no episode to keep yet: play a step first.")
    before, after = moments[:-1], moments[1:]
    frames = np.stack([m.sight.frame.transpose(2, 0, 1) for m in before])
    ends = np.array([m.sight.end for m in after])
    return Episode(
        frames,
        np.array([m.action for m in after]),
        np.array([m.sight.reward for m in after], np.float32),
        ends,
        np.zeros_like(ends),
    )


def keep_episode(moments: Sequence[Moment], folder: Path) -> Path:
    """Add a path of moments to the replay in a folder; returns the episode's file."""
    replay = Replay.load(folder) if (folder / INDEX).exists() else Replay()
    number = replay.add(to_episode(moments))
    replay.save(folder)
    return folder / f"{number:06d}.npz"


def save_sheet(
    moments: Sequence[Moment], names: Sequence[str], title: str, path: Path
) -> None:
    """A contact sheet for print: every frame with its step, and what was done in it."""
    episode = to_episode(moments)
    sheet = trajectory_sheet(
        np.ascontiguousarray(episode.frames.transpose(0, 2, 3, 1)),
        episode.rewards,
        episode.ends,
        episode.actions,
        names,
        title,
    )
    save_png(sheet, path)


def free_name(folder: Path, name: str) -> str:
    """The name with the first number that no file in the folder has."""
    number = 1
    while any(folder.glob(f"{name}-{number:03d}.*")):
        number += 1
    return f"{name}-{number:03d}"
