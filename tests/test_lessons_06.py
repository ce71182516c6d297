"""Notebook 06: every check passes its solution and tells plausible slips."""

from typing import Any

import numpy as np
import pytest
import torch
from lessons.artefacts import load_agent, load_replay
from lessons.check import nb06 as check
from lessons.policy_view import (
    draw_dreams,
    draw_returns,
    draw_view,
    dream_on,
    memory_before,
    occlusion,
    saliency,
    watch,
)
from matplotlib import pyplot as plt
from solutions import nb06 as solution

NAMES = ["one_step", "live", "best_policy", "horizon_one"]


def stub(*_: Any) -> Any: ...


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes(name: str) -> None:
    assert getattr(check, name)(getattr(solution, name)).state == "passed"


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_was_not_attempted(name: str) -> None:
    answer = ... if name == "horizon_one" else stub
    assert getattr(check, name)(answer).state == "not attempted"


WRONG: list[tuple[str, Any, str]] = [
    ("one_step", lambda r, v, e, g: (r + g * ~e * v)[:, :-1], "the next one"),
    ("one_step", lambda r, v, e, g: r[:, :-1] + g * v[:, 1:], "did not cut"),
    ("one_step", lambda r, v, e, g: r[:, :-1] + ~e[:, :-1] * v[:, 1:], "gamma"),
    ("one_step", lambda r, v, e, g: r + g * ~e * v.roll(-1, 1), "the last step"),
    ("live", lambda e: 1.0 - e.int().cumsum(1).clamp(max=1), "lived through"),
    ("live", lambda e: (~e.roll(1, 1) | (torch.arange(5) == 0)).float(), "one step"),
    ("live", lambda e: (~e).float(), "only the ends"),
    ("live", lambda e: e.float(), "expected 1"),
    ("best_policy", lambda a, eta: a.softmax(0), "no effect"),
    ("best_policy", lambda a, eta: (a * eta).softmax(0), "flatter"),
    ("best_policy", lambda a, eta: (a == a.max()).float(), "no action dies out"),
    ("best_policy", lambda a, eta: (a / eta).exp(), "add up to"),
    ("horizon_one", (16, "b"), "dropped"),
    ("horizon_one", (0, "a"), "one by one"),
    ("horizon_one", (0, "c"), "what was printed"),
    ("horizon_one", (0, "d"), "one of"),
    ("horizon_one", "b", "a pair"),
]


@pytest.mark.parametrize(("name", "answer", "told"), WRONG)
def test_a_slip_is_told(name: str, answer: Any, told: str) -> None:
    verdict = getattr(check, name)(answer)
    assert verdict.state == "wrong"
    assert told in verdict.message


def test_live_is_what_the_library_masks_by() -> None:
    policy = load_agent("catch").actor_critic
    ends = torch.rand(8, 12, generator=torch.Generator().manual_seed(0)) < 0.1
    assert policy.config.mask_after_end
    assert torch.equal(solution.live(ends), policy.live_steps(ends))


def test_a_critic_watches_episodes_in_a_row() -> None:
    episodes = list(load_replay("catch_agent"))[:2]
    play = watch(load_agent("catch"), episodes)
    assert play.ends.nonzero().flatten().tolist() == [27, 55]
    assert play.values.shape == play.rewards.shape == (56,)
    figure = draw_returns(play, 0.95, 0.995)
    assert "0.95" in figure.axes[0].get_ylabel()
    plt.close(figure)


def test_the_policy_looks_at_the_ball_and_the_paddle_only() -> None:
    agent, episode = load_agent("catch"), next(iter(load_replay("catch_agent")))
    frame = agent.tokenizer.reconstruct(torch.from_numpy(episode.frames[10]) / 255)
    memory = memory_before(agent, episode, 10)
    moved = occlusion(agent, frame, memory)
    assert moved.shape == (15, 15)
    assert moved.max() > 0.02
    # Covers that hide nothing change nothing
    assert np.median(moved) == pytest.approx(0, abs=1e-4)
    assert saliency(agent, frame, memory).shape == (64, 64)
    plt.close(draw_view(agent, episode, 10))


def test_a_dream_tells_what_the_heads_expect() -> None:
    agent, episode = load_agent("catch"), next(iter(load_replay("catch_agent")))
    torch.manual_seed(0)
    log = dream_on(agent, episode, 20, lambda _: torch.tensor([0]), steps=8)
    assert log.frames.shape == (8, 3, 64, 64)
    assert log.ends.shape == log.rewards.shape == log.values.shape == (8,)
    assert log.ends[:7].max() < 0.5 < log.ends[7]  # step 27 ends the episode
    plt.close(draw_dreams({"still": log}, every=2))
