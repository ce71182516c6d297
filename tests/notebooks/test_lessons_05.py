"""Notebook 05: its step is the library's, and what it counts and draws."""

import numpy as np
import pytest
import torch
from ipywidgets import Image
from lessons.data import load_agent, load_replay
from lessons.exercises import nb05 as exercises
from lessons.plots.nb05_dreams import (
    PlayedStep,
    centre,
    chicken_row,
    count_chickens,
    draw_play,
    mark_steps,
    mean_and_interval,
    mean_where_seen,
    paddle_column,
    play_buttons,
    plot_means,
    stack_counts,
)
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from iris_core.agent import greedy
from iris_core.envs import CatchEnv
from iris_core.imagination.world_model_env import WorldModelEnv


def test_a_step_is_that_of_a_dream() -> None:
    agent = load_agent("freeway_sequential")
    frame = torch.from_numpy(next(iter(load_replay("freeway_agent"))).frames[:2]) / 255
    dream = WorldModelEnv(agent.tokenizer, agent.world_model, greedy)
    dream.reset(frame)
    cache = agent.world_model.new_cache(2)
    with torch.no_grad():
        agent.world_model(dream.tokens, cache)
        for actions in torch.tensor([[0, 1], [2, 1], [1, 0]]):
            _, rewards, ends, *_ = dream.step(actions)
            mine = exercises.step.solution(agent.world_model, cache, actions, greedy)
            for got, wanted in zip(mine, (dream.tokens, rewards, ends), strict=True):
                assert torch.equal(got, wanted)


# What the notebook counts and draws


def test_the_real_game_has_one_chicken() -> None:
    (episode,) = load_replay("freeway_agent")
    pixels = episode.frames.transpose(0, 2, 3, 1)
    assert (count_chickens(pixels) == 1).mean() > 0.98
    elsewhere = np.roll(pixels, 12, axis=2)  # columns with cars, without a chicken
    assert (count_chickens(elsewhere) == 0).all()


def test_chickens_are_counted() -> None:
    frames = np.full((3, 64, 64, 3), 142, dtype=np.uint8)
    yellow = (231, 231, 100)
    frames[1, 40, 18] = frames[1, 42, 18] = yellow  # one, with a gap
    frames[2, 10, 17] = frames[2, 20, 18] = frames[2, 20, 50] = yellow
    assert count_chickens(frames).tolist() == [0, 1, 2]
    assert count_chickens(frames[1]) == 1


def test_where_things_are() -> None:
    frames = np.full((3, 64, 64, 3), 142, dtype=np.uint8)
    frames[1, 40:43, 18] = (231, 231, 100)
    frames[2, [10, 20], 18] = (231, 231, 100)  # two: no one place
    assert np.array_equal(chicken_row(frames), [np.nan, 41, np.nan], equal_nan=True)
    env = CatchEnv()
    frame, _ = env.reset(seed=0)
    before = paddle_column(frame)
    after = paddle_column(env.step(1)[0])
    assert after == before - 4
    assert np.isnan(centre(np.zeros(5, dtype=bool)))


def test_a_mean_of_what_is_seen() -> None:
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    seen = mean_where_seen(values)
    assert np.array_equal(seen, [2, 5, np.nan], equal_nan=True)


def test_curves_and_shares_are_drawn() -> None:
    figure, (left, right) = plt.subplots(1, 2)
    plot_means(
        left, {"a": np.arange(6).reshape(2, 3), "b": np.ones((2, 3))}, ["k", "r"]
    )
    mark_steps(left, [1, 2], "here")
    stack_counts(right, np.array([[0, 1, 2], [1, 1, 1]]), "shares")
    figure.canvas.draw()
    assert [line.get_label() for line in left.lines][:2] == ["a", "b"]
    assert left.lines[0].get_ydata().tolist() == [1.5, 2.5, 3.5]
    assert right.get_legend_handles_labels()[1] == ["none", "one", "more"]
    plt.close(figure)


def test_an_interval() -> None:
    mean, half = mean_and_interval(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert mean.tolist() == [2.0, 5.0]
    assert np.allclose(half, [1.96 * np.sqrt(2) / np.sqrt(2), 0])
    mean, half = mean_and_interval(np.array([[1.0, 5.0]]))
    assert mean.tolist() == [1.0, 5.0] and half.tolist() == [0.0, 0.0]


def moments(n: int) -> list[PlayedStep]:
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    return [PlayedStep(pixels, "UP", 16 + i, float(i == 1), i == 2) for i in range(n)]


@pytest.mark.parametrize("n", [1, 3, 12, 30])
def test_a_play_is_drawn(n: int) -> None:
    figure = draw_play(moments(n), 170)
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    titles = [ax.get_title() for ax in figure.axes]
    assert (n < 3) or n > 12 or ("1 UP +1" in titles and "2 UP END" in titles)
    plt.close(figure)


def test_the_buttons_play() -> None:
    pressed: list[int | None] = []
    box = play_buttons(
        ["NOOP", "UP"], pressed.append, lambda: draw_play(moments(len(pressed) + 1), 9)
    )
    row, picture, trouble = box.children
    assert isinstance(picture, Image) and len(row.children) == 3
    shown = picture.value
    for button in row.children:
        button.click()
        assert picture.value != shown
        shown = picture.value
    assert pressed == [0, 1, None] and trouble.value == ""
    assert plt.get_fignums() == []


def test_a_players_error_is_shown() -> None:
    def fail(action: int | None) -> None:
        raise ValueError("no <dream>")

    box = play_buttons(["UP"], fail, lambda: draw_play(moments(1), 9))
    box.children[0].children[0].click()
    assert "no &lt;dream&gt;" in box.children[2].value
