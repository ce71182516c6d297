"""Episodes from files: the same, or a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iris_core.config.setting import ConfigError
from iris_core.data.episode import Episode
from iris_core.data.episode_file import MOST_BYTES, write_arrays
from iris_core.data.replay_buffer import Replay


def arrays(steps: int = 5) -> dict[str, np.ndarray]:
    ends = np.arange(steps) == steps - 1
    return {
        "frames": np.full((steps, 3, 4, 4), 7, np.uint8),
        "actions": np.arange(steps),
        "rewards": np.ones(steps, np.float32),
        "terminated": ends,
        "truncated": np.zeros_like(ends),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("episodes")


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rewards": np.array([0, 1, np.nan, 0, 0], np.float32)}, "not a finite"),
        ({"rewards": np.array([0, 1, np.inf, 0, 0], np.float32)}, "not a finite"),
        ({"actions": np.array([0, 1, -1, 0, 0])}, "actions are from -1"),
        ({"actions": np.array([0, 1, 2**40, 0, 0])}, "actions are from"),
        ({"actions": np.zeros(5, np.float64)}, "actions are float64"),
        ({"actions": np.zeros(4, np.int64)}, "actions have the shape"),
        ({"frames": np.zeros((5, 4, 4, 3), np.uint8)}, "frames have the shape"),
        ({"frames": np.zeros((5, 3, 4, 4), np.float32)}, "frames are float32"),
        ({"frames": np.zeros((0, 3, 4, 4), np.uint8)}, "frames have the shape"),
        ({"truncated": np.full(5, 3, np.uint8).view(bool)}, "neither true nor false"),
        ({"terminated": np.array([None] * 5)}, "terminated are object"),
    ],
)
def test_what_no_game_gives(change: dict, says: str, sealed: bool, folder: Path):
    path = folder / "bad.npz"
    if sealed:
        write_arrays(path, arrays() | change)
    else:
        np.savez_compressed(path, **(arrays() | change))
    with pytest.raises(ConfigError, match=f"bad.npz is damaged.*{says}"):
        Episode.load(path)


def test_a_bomb_is_not_unpacked(folder: Path) -> None:
    path, steps = folder / "bomb.npz", MOST_BYTES // 12_288 + 1
    frames = np.broadcast_to(np.uint8(0), (steps, 3, 64, 64))
    np.savez_compressed(path, **(arrays(steps) | {"frames": frames}))
    assert path.stat().st_size < 10**6
    with pytest.raises(ConfigError, match="would take"):
        Episode.load(path)
    assert len(Episode.load(path, steps=9)) == 9  # no more is unpacked


@settings(max_examples=80, deadline=None)
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), sealed=st.booleans())
def test_a_flipped_bit(folder: Path, at: int, bit: int, sealed: bool) -> None:
    """Noticed; in a file of an older version too, or it makes no difference."""
    path = folder / "flipped.npz"
    if sealed:
        write_arrays(path, arrays())
    else:
        np.savez_compressed(path, **arrays())
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    try:
        found = Episode.load(path)
    except ConfigError as error:
        assert str(path) in str(error)
        return
    assert not sealed
    for name, values in arrays().items():
        np.testing.assert_array_equal(getattr(found, name), values)


def test_validation_is_no_assertion() -> None:
    """Which `python -O` would leave out."""
    with pytest.raises(ValueError, match="actions"):
        Episode(*(arrays() | {"actions": np.zeros(3)}).values())


@settings(max_examples=60, deadline=None)
@given(
    index=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    )
)
def test_any_index(folder: Path, index: object) -> None:
    """A ConfigError, or a part of the replay that is there."""
    replay = Replay()
    replay.add(Episode(**arrays()))
    replay.save(folder)
    (folder / "index.json").write_text(json.dumps(index))
    try:
        assert Replay.load(folder).num_steps in (0, 1, 2, 3, 4, 5)
    except ConfigError:
        return


@pytest.mark.parametrize("text", ["[" * 10**5, "[[0, 1e999]]", "\ud800", "[[0, 10]]"])
def test_an_index_that_is_none(folder: Path, text: str) -> None:
    replay = Replay()
    replay.add(Episode(**arrays()))
    replay.save(folder)
    (folder / "index.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError):
        Replay.load(folder)
