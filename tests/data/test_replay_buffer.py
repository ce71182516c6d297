"""Episodes and sampling reproduce the published implementation, bit for bit."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iris_core.config.setting import ConfigError
from iris_core.data.batch import Batch
from iris_core.data.episode import Episode
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import Align, SegmentSampler, sample_frames

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "data" / "episodes.npz")
SEGMENTS = [  # episodes.json: (episode, start, stop) of seg/0 ... seg/9
    ("full", 0, 3),
    ("full", 5, 9),
    ("full", -2, 3),
    ("full", 6, 11),
    ("full", -3, 9),
    ("open", -4, 1),
    ("open", 4, 8),
    ("open", 0, 5),
    ("cut", 1, 6),
    ("cut", -1, 3),
]


def golden_episode(name: str) -> Episode:
    ends = GOLDEN[f"raw/{name}/ends"].astype(bool)
    return Episode(
        GOLDEN[f"raw/{name}/observations"],
        GOLDEN[f"raw/{name}/actions"],
        GOLDEN[f"raw/{name}/rewards"],
        terminated=ends,
        truncated=np.zeros_like(ends),
    )


def golden_replay() -> Replay:
    replay = Replay()
    for name in ("full", "open", "cut"):
        replay.add(golden_episode(name))
    return replay


def random_episode(length: int, end: str = "", seed: int = 0) -> Episode:
    rng = np.random.default_rng(seed)
    ends = np.zeros((2, length), dtype=bool)
    if end:
        ends[("terminated", "truncated").index(end), -1] = True
    return Episode(
        rng.integers(1, 256, (length, 3, 4, 4), dtype=np.uint8),
        rng.integers(1, 5, length),
        rng.uniform(1, 2, length).astype(np.float32),
        *ends,
    )


def assert_golden(batch: Batch, name: str, row: int | None = None) -> None:
    """All five arrays of a batch (or of its only row) equal the golden ones."""
    pick = (lambda x: x) if row is None else (lambda x: x[row])
    frames = GOLDEN[f"{name}/observations"]
    ours = batch.pixels if frames.dtype == np.uint8 else batch.frames
    np.testing.assert_array_equal(pick(ours).numpy(), frames)
    for field, key in [
        ("actions", "actions"),
        ("rewards", "rewards"),
        ("ends", "ends"),
        ("mask", "mask_padding"),
    ]:
        ours = pick(getattr(batch, field)).numpy()
        np.testing.assert_array_equal(ours, GOLDEN[f"{name}/{key}"], err_msg=field)


def assert_same_episode(a: Episode, b: Episode) -> None:
    for field in ("frames", "actions", "rewards", "terminated", "truncated"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def assert_same_batch(a: Batch, b: Batch) -> None:
    for field in ("pixels", "actions", "rewards", "ends", "mask"):
        assert torch.equal(getattr(a, field), getattr(b, field)), field


# --- against the published implementation


def test_episode_is_cut_after_its_first_end() -> None:
    lengths = {name: len(golden_episode(name)) for name in ("full", "open", "cut")}
    assert lengths == {"full": 7, "open": 5, "cut": 3}


@pytest.mark.parametrize("i", range(len(SEGMENTS)))
def test_segment(i: int) -> None:
    name, start, stop = SEGMENTS[i]
    assert_golden(golden_episode(name).segment(start, stop), f"seg/{i}", row=0)


def test_merge() -> None:
    merged = golden_episode("open").merge(golden_episode("cut"))
    assert_golden(merged.segment(0, len(merged)), "merge_open_cut", row=0)


def sample(replay: Replay, n: int, length: int, seed: int) -> Batch:
    return SegmentSampler(replay).sample(n, length, "start", random.Random(seed))


@pytest.mark.parametrize("align", ["start", "end"])
def test_sample(align: Align) -> None:
    batch = SegmentSampler(golden_replay()).sample(6, 4, align, random.Random(3))
    assert_golden(batch, "sample_start" if align == "start" else "sample_stop")


def test_traverse() -> None:
    batches = list(golden_replay().traverse(batch_size=2, chunk=3))
    assert [len(batch) for batch in batches] == [2, 1, 2, 1]
    for i, batch in enumerate(batches):
        assert_golden(batch, f"traverse/{i}")


# --- properties


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(1, 12),
    start=st.integers(-15, 15),
    size=st.integers(1, 20),
    end=st.sampled_from(["", "terminated", "truncated"]),
)
def test_any_segment(length: int, start: int, size: int, end: str) -> None:
    """Real steps are the episode's, all others are zeros with mask False."""
    episode = random_episode(length, end)
    batch = episode.segment(start, start + size)
    real = [t for t in range(start, start + size) if 0 <= t < length]
    assert batch.mask.sum() == len(real)
    for t in range(start, start + size):
        column = t - start
        assert batch.mask[0, column] == (t in real)
        if t in real:
            pixels = batch.pixels[0, column].numpy()
            np.testing.assert_array_equal(pixels, episode.frames[t])
            assert batch.actions[0, column] == episode.actions[t]
            assert batch.rewards[0, column] == episode.rewards[t]
            assert batch.ends[0, column] == episode.ends[t]
        else:
            for array in (batch.pixels, batch.actions, batch.rewards, batch.ends):
                assert not array[0, column].any()


@settings(deadline=None, max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    size=st.integers(1, 6),
    align=st.sampled_from(["start", "end"]),
    seed=st.integers(0, 99),
)
def test_any_sample(lengths: list[int], size: int, align: Align, seed: int) -> None:
    """Padding is on one side only, and the drawn step itself is always real."""
    replay = Replay()
    for length in lengths:
        replay.add(random_episode(length))
    batch = SegmentSampler(replay).sample(8, size, align, random.Random(seed))
    assert batch.frames.shape == (8, size, 3, 4, 4)
    assert batch.mask[:, 0 if align == "start" else -1].all()
    changes = batch.mask[:, 1:] != batch.mask[:, :-1]
    assert (changes.sum(1) <= 1).all()


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_pieces_make_the_whole(cuts: list[int]) -> None:
    """An episode appended in pieces equals the same episode added at once."""
    whole = random_episode(sum(cuts), "truncated")
    replay = Replay()
    episode_id = replay.add(whole.head(cuts[0]))
    start = cuts[0]
    for size in cuts[1:]:
        piece = Episode(
            whole.frames[start : start + size],
            whole.actions[start : start + size],
            whole.rewards[start : start + size],
            whole.terminated[start : start + size],
            whole.truncated[start : start + size],
        )
        replay.append(episode_id, piece)
        start += size
    assert replay.num_steps == len(whole) and replay.num_episodes == 1
    assert_same_episode(replay[episode_id], whole)
    with pytest.raises(ValueError, match="over"):
        replay.append(episode_id, piece if len(cuts) > 1 else whole)


# --- the rest of the behaviour


def test_truncation_is_an_end() -> None:
    episode = random_episode(4, "truncated")
    assert episode.ends.tolist() == [False, False, False, True]
    assert not episode.terminated.any() and episode.finished


def test_stats() -> None:
    episode = random_episode(4)
    stats = episode.stats()
    assert stats.length == 4
    assert stats.episode_return == pytest.approx(episode.rewards.sum())


def test_sample_frames() -> None:
    frames = sample_frames(golden_replay(), 5, random.Random(0))
    assert frames.shape == (5, 3, 4, 4) and frames.dtype == torch.float32
    assert frames.min() >= 0 and frames.max() <= 1


def test_empty_replay_says_so() -> None:
    with pytest.raises(ValueError, match="empty"):
        sample(Replay(), 1, 1, seed=0)


def test_an_ended_episode_does_not_go_on() -> None:
    episode = random_episode(3, "terminated")
    with pytest.raises(ValueError, match="ended"):
        episode.merge(episode)


def test_batch_refuses_wrong_shapes() -> None:
    batch = random_episode(4).segment(0, 4)
    with pytest.raises(AssertionError):
        Batch(batch.pixels, batch.actions[:, 1:], batch.rewards, batch.ends, batch.mask)


def test_episode_file(tmp_path: Path) -> None:
    episode = random_episode(4, "truncated")
    episode.save(tmp_path / "episode.npz")
    assert_same_episode(Episode.load(tmp_path / "episode.npz"), episode)
    assert [path.name for path in tmp_path.iterdir()] == ["episode.npz"]


def test_damaged_episode_files(tmp_path: Path) -> None:
    path = tmp_path / "episode.npz"
    random_episode(20).save(path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"not an episode", whole[:-10]):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"episode\.npz"):
            Episode.load(path)
    np.savez(path, frames=np.zeros(3))
    with pytest.raises(ConfigError, match=r"episode\.npz"):
        Episode.load(path)
    with pytest.raises(ConfigError, match="check the path"):
        Episode.load(tmp_path / "none.npz")


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "episode.npz"
    random_episode(20).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"episode\.npz"):
        Episode.load(path)


def test_resumed_replay_samples_identically(tmp_path: Path) -> None:
    replay = golden_replay()
    index = replay.save(tmp_path)
    at_save = sample(replay, 8, 4, seed=1)
    finished = (tmp_path / "000000.npz").stat().st_mtime_ns

    replay.append(1, random_episode(3, "terminated"))
    replay.add(random_episode(6))
    replay.save(tmp_path)
    later = sample(replay, 8, 4, seed=2)
    assert (tmp_path / "000000.npz").stat().st_mtime_ns == finished

    resumed = Replay.load(tmp_path)
    assert_same_batch(sample(resumed, 8, 4, seed=2), later)
    assert resumed.num_steps == replay.num_steps
    assert resumed.add(random_episode(1)) == 4

    earlier = Replay.load(tmp_path, index)
    assert_same_batch(sample(earlier, 8, 4, seed=1), at_save)
    earlier.append(1, random_episode(1))  # open again


def test_saved_open_episode_is_rewritten(tmp_path: Path) -> None:
    replay = golden_replay()
    replay.save(tmp_path)
    earlier = Replay.load(tmp_path)
    earlier.append(1, random_episode(2, "terminated"))
    earlier.save(tmp_path)
    assert_same_episode(Replay.load(tmp_path)[1], earlier[1])


def test_folder_without_a_replay(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no saved replay"):
        Replay.load(tmp_path)
    (tmp_path / "index.json").write_text("[[0, 4")
    with pytest.raises(ConfigError, match="cannot read"):
        Replay.load(tmp_path)
    (tmp_path / "index.json").write_text("[[0, 4]]")
    with pytest.raises(ConfigError, match="check the path"):
        Replay.load(tmp_path)
