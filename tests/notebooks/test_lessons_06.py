"""Notebook 06: its rules are the library's, and its pictures."""

import numpy as np
import pytest
import torch
from lessons.data import load_replay
from lessons.exercises import nb06 as exercises
from lessons.plots.nb06_policy import (
    draw_dreams,
    draw_returns,
    draw_view,
    estimate_values,
    occlusion,
    record_dream,
    saliency,
    state_before,
)
from matplotlib import pyplot as plt

from iris_core import load_agent
from iris_core.models.actor_critic import lambda_returns


def test_live_is_what_the_library_masks_by() -> None:
    policy = load_agent("catch").actor_critic
    ends = torch.rand(8, 12, generator=torch.Generator().manual_seed(0)) < 0.1
    assert policy.config.mask_after_end
    assert torch.equal(exercises.live.solution(ends), policy.live_steps(ends))


def test_one_step_is_the_librarys_return_without_lambda() -> None:
    rewards, values = torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(0))
    ends = rewards < 0.3
    mine = exercises.one_step.solution(rewards, values, ends, 0.9)
    theirs = lambda_returns(rewards, values, ends, 0.9, 0.0)[:, :-1]
    assert torch.allclose(mine, theirs)


def test_a_critic_watches_episodes_in_a_row() -> None:
    episodes = list(load_replay("catch_agent"))[:2]
    play = estimate_values(load_agent("catch"), episodes)
    assert play.ends.nonzero().flatten().tolist() == [27, 55]
    assert play.values.shape == play.rewards.shape == (56,)
    figure = draw_returns(play, 0.95, 0.995)
    assert "0.95" in figure.axes[0].get_ylabel()
    plt.close(figure)


def test_the_policy_looks_at_the_ball_and_the_paddle_only() -> None:
    agent, episode = load_agent("catch"), next(iter(load_replay("catch_agent")))
    frame = agent.tokenizer.reconstruct(torch.from_numpy(episode.frames[20]) / 255)
    lstm_state = state_before(agent, episode, 20)
    moved = occlusion(agent, frame, lstm_state)
    assert moved.shape == (15, 15)
    assert moved.max() > 0.02
    # Covers that hide nothing change nothing
    assert np.median(moved) == pytest.approx(0, abs=1e-4)
    assert saliency(agent, frame, lstm_state).shape == (64, 64)
    plt.close(draw_view(agent, episode, 20))


def test_a_dream_tells_what_the_heads_expect() -> None:
    agent, episode = load_agent("catch"), next(iter(load_replay("catch_agent")))
    torch.manual_seed(0)
    log = record_dream(agent, episode, 20, lambda _: torch.tensor([0]), steps=8)
    assert log.frames.shape == (8, 3, 64, 64)
    assert log.ends.shape == log.rewards.shape == log.values.shape == (8,)
    assert log.ends[:7].max() < 0.5 < log.ends[7]  # step 27 ends the episode
    plt.close(draw_dreams({"still": log}, every=2))
