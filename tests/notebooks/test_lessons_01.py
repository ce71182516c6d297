"""Notebook 01: its rules are the emulator's, and its pictures."""

import pytest
from lessons.data import load_replay
from lessons.exercises import nb01 as exercises
from lessons.plots.nb01_scrubber import draw_moment, draw_segments
from matplotlib import pyplot as plt

from iris_core.envs import make_atari


def test_the_longest_episode_is_the_games() -> None:
    for noops in (2, 3):
        env = make_atari("Pong", max_raw_frames=22)
        env.reset(options={"noops": noops})
        steps, over = 0, False
        while not over:
            _, _, terminated, truncated, _ = env.step(0)
            steps, over = steps + 1, terminated or truncated
        assert steps == exercises.longest_episode.solution(noops, 22)


def test_a_dark_ball_vanishes() -> None:
    screens = exercises.moving_square(ground=230, square=20)
    # The squares touch neighbours' shrunk pixels, so a trace is left at the seams
    assert exercises.observe_four.solution(screens).min() > 150
    assert exercises.shrink(screens[0]).min() < 60


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
