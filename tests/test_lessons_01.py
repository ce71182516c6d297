"""Notebook 01: every check passes its solution and tells plausible slips."""

from typing import Any

import numpy as np
import pytest
from lessons.artefacts import load_replay
from lessons.check import nb01 as check
from lessons.check.nb01 import shrink
from lessons.scrubber import draw_moment, draw_segments
from matplotlib import pyplot as plt
from solutions import nb01 as solution

from iris_core.envs import make_atari

NAMES = ["observe_four", "dark_ball", "life_ends", "longest_episode", "real_share"]


def stub(*_: Any) -> Any: ...


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes(name: str) -> None:
    assert getattr(check, name)(getattr(solution, name)).state == "passed"


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_was_not_attempted(name: str) -> None:
    answer = ... if name == "dark_ball" else stub
    assert getattr(check, name)(answer).state == "not attempted"


def previous(lives: np.ndarray, before: int) -> np.ndarray:
    return np.concatenate([[before], lives[:-1]])


WRONG: list[tuple[str, Any, str]] = [
    ("observe_four", lambda s: np.stack([shrink(x) for x in s[2:]]).max(0), "last two"),
    ("observe_four", lambda s: shrink(s.max(0)), "maximum came first"),
    ("observe_four", lambda s: np.stack([shrink(x) for x in s]).mean(0), "mean"),
    ("observe_four", lambda s: s.max(0), "shape"),
    ("dark_ball", "a", "NO screen"),
    ("dark_ball", "c", "bright ball"),
    ("dark_ball", "vanishes", "expected one of"),
    ("life_ends", lambda x, b: x < previous(x, b), "drop to 0"),
    ("life_ends", lambda x, b: (x > 0) & (x != previous(x, b)), "a life won"),
    ("life_ends", lambda x, b: np.diff(x) < 0, "shape"),
    ("life_ends", lambda x, b: np.append(False, np.diff(x) < 0) & (x > 0), "`before`"),
    ("longest_episode", lambda n, limit, skip: (limit - n) // skip, "cut short"),
    ("longest_episode", lambda n, limit, skip: -(-limit // skip), "got 5"),
    ("longest_episode", lambda n, limit, skip: -(-(limit - n) // 4), "frame skip"),
    ("real_share", lambda length, size: min(1.0, length / size), "expected 0.875"),
    ("real_share", lambda length, size: 1.0, "expected 0.05"),
    (
        "real_share",
        lambda n, size: float(np.mean([min(size, n - t) for t in range(n)])),
        "expected 0.05",
    ),
]


@pytest.mark.parametrize(("name", "answer", "told"), WRONG)
def test_a_slip_is_told(name: str, answer: Any, told: str) -> None:
    verdict = getattr(check, name)(answer)
    assert verdict.state == "wrong"
    assert told in verdict.message


def test_the_longest_episode_is_the_games() -> None:
    for noops in (2, 3):
        env = make_atari("Pong", max_raw_frames=22)
        env.reset(options={"noops": noops})
        steps, over = 0, False
        while not over:
            _, _, terminated, truncated, _ = env.step(0)
            steps, over = steps + 1, terminated or truncated
        assert steps == solution.longest_episode(noops, 22)


def test_a_dark_ball_vanishes() -> None:
    screens = check.moving_square(ground=230, square=20)
    # The squares touch neighbours' shrunk pixels, so a trace is left at the seams
    assert solution.observe_four(screens).min() > 150
    assert shrink(screens[0]).min() < 60


@pytest.mark.parametrize("step", [0, 22])
def test_a_moment_is_drawn_to_the_episodes_ends(step: int) -> None:
    episode = list(load_replay("breakout_random"))[3]
    figure = draw_moment(episode, step, ["NOOP", "FIRE", "RIGHT", "LEFT"])
    titles = [ax.get_title() for sub in figure.subfigs for ax in sub.axes]
    assert f"step {step}" in titles
    assert titles.count("padding") == 3
    plt.close(figure)


def test_segments_are_drawn_row_by_row() -> None:
    batch = next(iter(load_replay("breakout_random"))).segment(70, 76)
    figure = draw_segments(batch, ["only"])
    assert len(figure.axes) == 6
    plt.close(figure)
