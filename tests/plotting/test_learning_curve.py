"""Learning curves: whole, labelled, in one style; results as text."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from iris_core.plotting.learning_curve import (
    learning_curve,
    result_table,
    save_learning_curve,
    spread,
    value_range,
)


@pytest.mark.parametrize("human", [30.5, 40_000.0])
def test_learning_curve_is_whole(tmp_path: Path, human: float) -> None:
    path = tmp_path / "curve.png"
    baselines = {"random": 1.7, "best constant action (DOWNRIGHTFIRE)": 1.8}
    baselines["human"] = human
    save_learning_curve(learning_curve([200, 400], [1, 8], baselines, "Breakout"), path)
    image = np.asarray(Image.open(path))
    assert image.shape == (500, 800, 3)
    inked = (image != 255).any(-1)
    assert inked.sum() == inked[6:-6, 6:-6].sum()  # nothing is cut off
    blue = (image == (0, 114, 178)).all(-1)
    assert np.ptp(np.argwhere(blue)[:, 0]) > 60  # the curve is not flattened
    assert [file.name for file in tmp_path.iterdir()] == ["curve.png"]


def test_labels_are_spread_apart() -> None:
    assert spread([1, 5], 1, 0, 10) == [1, 5]
    assert spread([1, 1, 1.5], 1, 0, 10) == [1, 2, 3]
    assert spread([9.5, 9.6, 50], 1, 0, 10) == [8, 9, 10]
    assert spread([-5, 0], 1, 0, 10) == [0, 1]


def test_labels_keep_apart_and_in_order() -> None:
    lines = {"random": 0.0, "UP": 21.0, "blind": 21.1, "human": 29.6}
    figure = learning_curve([100.0], [20.0], lines, "Freeway", [1.0], final=21.05)
    texts = sorted(figure.axes[0].texts, key=lambda text: text.get_position()[1])
    low, high = figure.axes[0].get_ylim()
    heights = [text.get_position()[1] for text in texts]
    assert [text.get_text().split()[0] for text in texts] == [
        *("random", "UP", "this", "blind", "human")
    ]
    assert np.diff(heights).min() >= 0.05 * (high - low)


def test_far_baselines_do_not_flatten_the_plot() -> None:
    low, high = value_range([1, 3], [2, 20])
    assert low < 1 and 20 < high < 23
    low, high = value_range([1, 3], [2, 40])
    assert low < 1 and 3 < high < 4
    low, high = value_range([5], [])
    assert low < 5 < high


def test_result_table() -> None:
    rows = [
        ("random", 1.718, 0.31),
        ("best constant action (UP)", 21.5, 0.1),
        ("this agent", None, None),
        ("human", 30.5, None),
    ]
    assert result_table(rows).splitlines() == [
        "                           mean return  std. error",
        "random                            1.72      ± 0.31",
        "best constant action (UP)        21.50      ± 0.10",
        "this agent",
        "human                            30.50",
    ]
    assert result_table([("random", 227.8, 9.9), ("human", -3, 110)]).splitlines() == [
        "        mean return  std. error",
        "random        227.8     ±   9.9",
        "human          -3.0     ± 110.0",
    ]


def test_as_many_returns_as_steps() -> None:
    with pytest.raises(ValueError, match="2 steps and 1 returns"):
        learning_curve([1, 2], [0.0], {}, "Pong")
    with pytest.raises(ValueError, match="one or more"):
        learning_curve([], [], {}, "Pong")


@pytest.mark.filterwarnings("error")
def test_a_curve_is_drawn_whatever_the_readers_style(tmp_path: Path) -> None:
    curves = [tmp_path / "plain.png", tmp_path / "styled.png"]
    save_learning_curve(learning_curve([1, 2], [0.0, 1.0], {}, "Pong"), curves[0])
    with matplotlib.rc_context({"figure.constrained_layout.use": True}):
        save_learning_curve(learning_curve([1, 2], [0.0, 1.0], {}, "Pong"), curves[1])
    assert curves[0].read_bytes() == curves[1].read_bytes()
