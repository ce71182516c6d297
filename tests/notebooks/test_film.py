"""The moving picture of README.md can be made again."""

from pathlib import Path

import numpy as np
import pytest
from lessons.build import film
from PIL import Image


def test_a_picture_for_every_step(tmp_path: Path) -> None:
    film.main(["--steps", "3", "--out", str(tmp_path / "film.gif")])
    with Image.open(tmp_path / "film.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 4


def test_how_long_dreams_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    film.main(["--steps", "3", "--dreams", "1"])
    assert "right for 3 of 3 steps\nmedian: 3 steps\n" in capsys.readouterr().out


def test_a_chicken_is_lost_when_it_stays_away() -> None:
    real = np.full((8, 64, 64, 3), 142, np.uint8)
    real[:, 30, 18] = 252, 252, 84
    dreamed = real.copy()
    dreamed[[1, 4, 5, 6], 30, 18] = 142  # away at step 1, and from 4 to 6
    nothing = np.zeros(8)
    made = film.Film(dreamed, real, nothing, nothing, ["UP"] * 8)
    assert made.right_for == 4
