"""Contact sheets: sizes, what is where, refusals, files."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from iris_core.plotting.contact_sheet import (
    comparison_sheet,
    reconstruction_sheet,
    save_gif,
    save_png,
    trajectory_sheet,
)
from iris_core.plotting.error_map import error_map

NAMES = ["NOOP", "FIRE", "DOWNRIGHTFIRE"]


def random_frames(count: int, seed: int = 0) -> np.ndarray:
    """No two alike, and none with white in it."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 200, (count, 64, 64, 3), dtype=np.uint8)


def find(sheet: np.ndarray, frame: np.ndarray) -> tuple[int, int]:
    """The row and column of the only place where a frame, twice as large, is drawn."""
    large = np.kron(frame, np.ones((2, 2, 1), np.uint8))
    spots = np.argwhere((sheet == large[0, 0]).all(-1))
    places = [
        (int(y), int(x))
        for y, x in spots
        if np.array_equal(sheet[y : y + 128, x : x + 128], large)
    ]
    assert len(places) == 1
    return places[0]


def ink(part: np.ndarray) -> int:
    """How many pixels are not white."""
    return int((part != 255).any(-1).sum())


def margins_are_white(sheet: np.ndarray) -> bool:
    """Nothing touches the edges, so nothing is cut off."""
    inner = ink(sheet[6:-6, 6:-6])
    return inner == ink(sheet)


def trajectory(count: int, title: str = "A game", columns: int = 4) -> np.ndarray:
    """A sheet without rewards and ends."""
    zeros = np.zeros(count)
    frames, ends, actions = random_frames(count), zeros > 0, zeros.astype(np.int64)
    return trajectory_sheet(frames, zeros, ends, actions, NAMES, title, columns)


def test_reconstructions_stand_below_their_originals() -> None:
    originals, reconstructions = random_frames(5), random_frames(5, seed=1)
    sheet = reconstruction_sheet(originals, reconstructions, columns=3)
    assert sheet.dtype == np.uint8 and sheet.ndim == 3 and sheet.shape[2] == 3
    assert margins_are_white(sheet)

    above = [find(sheet, frame) for frame in originals]
    below = [find(sheet, frame) for frame in reconstructions]
    assert [x for _, x in above] == [x for _, x in below]
    assert len({x for _, x in above}) == 3
    assert all(
        0 < b - a - 128 < 10 for (a, _), (b, _) in zip(above, below, strict=True)
    )
    assert above[0][0] == above[2][0] < below[0][0] < above[3][0]
    y, x = above[0]
    assert ink(sheet[y : y + 128, : x - 4]) > 50  # the label


def test_errors_are_drawn_where_they_are() -> None:
    originals = np.zeros((1, 64, 64, 3), np.uint8)
    reconstructions = originals.copy()
    reconstructions[0, 10, 20] = 255
    error = error_map(originals, reconstructions)
    bright = error[0, ..., 0] > 200  # yellow has red in it, dark blue has none
    assert np.argwhere(bright).tolist() == [[10, 20]]
    assert (error[0, ~bright] == error[0, 0, 0]).all()
    assert np.array_equal(error, error_map(reconstructions, originals))
    find(reconstruction_sheet(originals, reconstructions), error[0])

    half = error_map(originals, originals + np.uint8(32))
    full = error_map(originals, originals + np.uint8(64))
    brightness = [int(e[0, 0, 0].sum()) for e in (error, half, full)]
    assert brightness == sorted(set(brightness))


def test_comparison_places_frames_and_names_actions() -> None:
    real, dreamed = random_frames(5), random_frames(5, seed=1)
    actions = np.array([0, 1, 2, 1, 0])
    sheet = comparison_sheet(real, dreamed, actions, NAMES, columns=3)
    assert margins_are_white(sheet)
    above = [find(sheet, frame) for frame in real]
    below = [find(sheet, frame) for frame in dreamed]
    assert [x for _, x in above] == [x for _, x in below]
    assert ink(sheet[: above[0][0]]) > 100  # the caption
    y, x = find(sheet, error_map(real, dreamed)[2])
    captions = [sheet[y + 129 : y + 146, x - dx : x - dx + 128] for dx in (134, 0)]
    assert ink(captions[1]) > ink(captions[0]) > 20  # DOWNRIGHTFIRE and FIRE


def test_trajectory_shows_what_happened() -> None:
    frames = random_frames(6)
    rewards = np.array([0, 1, -1, 0, 0, 0.0])
    ends = np.array([0, 0, 0, 0, 0, 1], bool)
    actions = np.array([0, 1, 2, 0, 0, 0])
    sheet = trajectory_sheet(frames, rewards, ends, actions, NAMES, "A game", columns=4)
    assert margins_are_white(sheet)
    places = [find(sheet, frame) for frame in frames[:5]]
    assert len({y for y, _ in places}) == 2 and len({x for _, x in places}) == 4

    def colours_below(place: tuple[int, int]) -> set[tuple[int, ...]]:
        y, x = place
        text = sheet[y + 131 : y + 148, x : x + 128]
        return {tuple(map(int, pixel)) for pixel in text.reshape(-1, 3)}

    blue, vermillion = (0, 114, 178), (213, 94, 0)
    below = [colours_below(place) for place in places]
    assert [blue in colours for colours in below] == [False, True, False, False, False]
    assert [vermillion in colours for colours in below] == [False] * 2 + [True] + [
        False
    ] * 2
    assert vermillion in colours_below((places[4][0], places[4][1] + 134))
    assert ink(sheet[: places[0][0]]) > 50  # the title


def test_sheets_fit_their_content() -> None:
    short, long = trajectory(1), trajectory(1, title="A very long title " * 4)
    assert short.shape[0] == long.shape[0] and short.shape[1] < long.shape[1]
    assert margins_are_white(long)
    wide = trajectory(4)
    assert wide.shape[0] == short.shape[0] < trajectory(5).shape[0]
    assert trajectory(4, columns=9).shape == wide.shape


@pytest.mark.parametrize(
    ("originals", "reconstructions", "message"),
    [
        (random_frames(2), random_frames(3), "2 originals, 3 reconstructions"),
        (random_frames(2).transpose(0, 3, 1, 2), random_frames(2), r"\(2, 3, 64, 64\)"),
        (random_frames(2), random_frames(2) / 255, "reconstructions is float64"),
        (random_frames(2)[0], random_frames(2)[0], "must be uint8"),
        (random_frames(0), random_frames(0), "N > 0"),
    ],
)
def test_wrong_frames_are_refused(
    originals: np.ndarray, reconstructions: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        reconstruction_sheet(originals, reconstructions)


def test_wrong_steps_are_refused(tmp_path: Path) -> None:
    frames, zeros = random_frames(2), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match=r"actions has shape \(3,\).* \(2,\)"):
        comparison_sheet(frames, frames, np.zeros(3, np.int64), NAMES)
    with pytest.raises(ValueError, match="there are 3 names"):
        comparison_sheet(frames, frames, zeros + 3, NAMES)
    with pytest.raises(ValueError, match="integers"):
        comparison_sheet(frames, frames, zeros.astype(float), NAMES)
    with pytest.raises(ValueError, match="rewards has shape"):
        trajectory_sheet(frames, np.zeros((2, 1)), zeros > 0, zeros, NAMES, "")
    with pytest.raises(ValueError, match="columns is 0"):
        trajectory(2, columns=0)
    with pytest.raises(ValueError, match="image is float64"):
        save_png(np.zeros((2, 2, 3)), tmp_path / "image.png")
    with pytest.raises(ValueError, match="frames is uint8"):
        save_gif(frames[0], tmp_path / "film.gif")
    assert list(tmp_path.iterdir()) == []


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    png, gif = tmp_path / "image.png", tmp_path / "film.gif"
    for file in (png, gif):
        file.write_bytes(b"an older one")
    frames = random_frames(3)
    save_png(frames[0], png)
    save_gif(frames, gif, fps=20, scale=2)
    assert np.array_equal(np.asarray(Image.open(png)), frames[0])
    assert imageio.imread(gif, index=None).shape == (3, 128, 128, 3)
    assert imageio.immeta(gif)["duration"] == 50
    assert imageio.immeta(gif)["loop"] == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["film.gif", "image.png"]
