"""Videos, arrays and episodes."""

import weakref

import imageio.v3 as imageio
import numpy as np
import pytest
from playing import make_session

from iris_core.config import ConfigError
from iris_core.data.replay_buffer import Replay
from iris_core.tools.play.recording import (
    add_to_replay,
    new_path,
    save_video,
    to_episode,
)


def test_the_frame_alone_is_exact_but_for_compression(tmp_path):
    flat = [np.full((256, 256, 3), level, np.uint8) for level in (30, 120, 240)]
    save_video(flat, tmp_path / "a.mp4", 15)
    decoded = imageio.imread(tmp_path / "a.mp4", plugin="pyav")
    assert np.abs(decoded.astype(int) - np.stack(flat)).max() <= 4
    save_video(flat, tmp_path / "a.gif", 15)
    assert np.array_equal(imageio.imread(tmp_path / "a.gif")[..., :3], flat)


def test_a_video_of_nothing_or_of_another_kind(tmp_path):
    with pytest.raises(ConfigError, match="nothing to save"):
        save_video([], tmp_path / "a.mp4", 15)
    with pytest.raises(ConfigError, match="neither .mp4 nor .gif"):
        save_video([np.zeros((2, 2, 3), np.uint8)], tmp_path / "a.avi", 15)


def test_a_video_takes_its_frames_one_by_one(tmp_path):
    dropped: list[int] = []
    most = 0

    def frames():
        nonlocal most
        for level in range(100):
            frame = np.full((64, 64, 3), level, np.uint8)
            weakref.finalize(frame, dropped.append, level)
            yield frame
            most = max(most, level + 1 - len(dropped))

    save_video(frames(), tmp_path / "a.mp4", 15)
    assert len(imageio.imread(tmp_path / "a.mp4", plugin="pyav")) == 100
    assert most <= 4


def test_play_becomes_an_episode_to_learn_from(tmp_path):
    session = make_session(place="game", steps=30)
    episode = to_episode(session.cursor.path())
    assert len(episode) == 28 and episode.finished
    add_to_replay(session.cursor.path(), tmp_path)
    path = add_to_replay(session.cursor.path(), tmp_path)
    assert path.name == "000001.npz"
    kept = Replay.load(tmp_path)
    assert kept.num_episodes == 2
    assert np.array_equal(kept[1].frames, episode.frames)
    with pytest.raises(ConfigError, match="play a step first"):
        to_episode(session.line[:1])


def test_names_are_free(tmp_path):
    assert new_path(tmp_path, "a", "png").name == "a-001.png"
    (tmp_path / "a-001.mp4").touch()
    assert new_path(tmp_path, "a", "png").name == "a-002.png"
