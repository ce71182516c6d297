"""Pictures of a policy: its returns, what it looks at, and its dreams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from iris_core.agent import Agent
from iris_core.data.episode import Episode
from iris_core.data.frames import to_pixels
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.actor_critic import State, lambda_returns
from iris_core.plotting.frame_strip import draw_frame, frame_strip
from iris_core.plotting.palette import BLUE, FAINT, INK, ORANGE, VERMILLION
from lessons.plots.style import lay_on_frame

PATCH = 8  # pixels that are covered at a time
STRIDE = 4  # pixels between two covers


@dataclass(frozen=True)
class Trajectory:
    """Recorded episodes in one row, and what a critic thought of each step, (T,)."""

    rewards: Tensor
    ends: Tensor
    values: Tensor


@torch.no_grad()
def estimate_values(agent: Agent, episodes: Sequence[Episode]) -> Trajectory:
    """Let an agent's critic watch episodes that are over, one after another."""
    values = []
    for episode in episodes:
        frames = reconstructed(agent, episode, len(episode))
        values.append(agent.actor_critic.unroll(frames, agent.new_state(1))[1][0])
    rewards = np.concatenate([episode.rewards for episode in episodes])
    ends = np.concatenate([episode.ends for episode in episodes])
    return Trajectory(
        torch.from_numpy(rewards), torch.from_numpy(ends), torch.cat(values)
    )


@torch.no_grad()
def reconstructed(agent: Agent, episode: Episode, steps: int) -> Tensor:
    """The first frames of an episode as the policy sees them: (1, steps, 3, 64, 64)."""
    frames = torch.from_numpy(episode.frames[:steps])[None] / 255
    return agent.tokenizer.reconstruct(frames)


def draw_returns(play: Trajectory, lam: float, gamma: float) -> Figure:
    """Lambda-returns of recorded steps beside the critic's values."""
    figure, ax = plt.subplots(figsize=(9.4, 2.7))
    rows = (play.rewards[None], play.values[None], play.ends[None])
    returns = lambda_returns(*rows, gamma, lam)[0]
    ax.plot(play.values, color=ORANGE, linewidth=1.2, label="critic's value")
    ax.plot(returns, color=BLUE, label=r"$\lambda$-return")
    mark_events(ax, play)
    settings = rf"$\lambda$ = {lam:.2f}" + "\n" + rf"$\gamma$ = {gamma:.3f}"
    ax.set(xlabel="step", ylabel=settings)
    ax.yaxis.label.set(rotation=0, ha="right", va="center")
    ax.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=10)
    return figure


def mark_events(ax: Axes, play: Trajectory) -> None:
    """Rewards as triangles on the ground, ends as thin lines."""
    paid = play.rewards.nonzero().flatten()
    ax.plot(paid, torch.zeros(len(paid)), "^", color=INK, label="reward", clip_on=False)
    for i, end in enumerate(play.ends.nonzero().flatten()):
        label = "end" if i == 0 else None
        ax.axvline(float(end) + 0.5, color=FAINT, linewidth=0.8, label=label)


# What a policy looks at


@torch.no_grad()
def state_before(agent: Agent, episode: Episode, t: int) -> State:
    """The policy's LSTM state when it meets frame t of an episode."""
    seen = torch.ones(1, t, dtype=torch.bool)
    return agent.actor_critic.burn_in(reconstructed(agent, episode, t), seen)


@torch.no_grad()
def occlusion(agent: Agent, frame: Tensor, lstm_state: State) -> np.ndarray:
    """How much the action probabilities move when a patch of the frame is covered.

    frame: (3, 64, 64), as the policy sees it; a cover is the game's median frame.
    Returns total variation in [0, 1], (15, 15) with the covers above.
    """
    cover = agent.actor_critic.get_buffer("background")
    corners = range(0, 64 - PATCH + 1, STRIDE)
    frames = [frame]
    for y in corners:
        for x in corners:
            covered = frame.clone()
            here = (slice(None), slice(y, y + PATCH), slice(x, x + PATCH))
            covered[here] = cover[here]
            frames.append(covered)
    hidden, cell = (m.expand(len(frames), -1) for m in lstm_state)
    logits, _, _ = agent.actor_critic(torch.stack(frames), (hidden, cell))
    p = logits.softmax(-1)
    moved = (p[1:] - p[:1]).abs().sum(-1) / 2
    return moved.view(len(corners), len(corners)).numpy()


def saliency(agent: Agent, frame: Tensor, lstm_state: State) -> np.ndarray:
    """Size of the gradient of the likeliest action's log-probability, (64, 64)."""
    seen = frame.clone().requires_grad_(True)
    logits, _, _ = agent.actor_critic(seen[None], lstm_state)
    (gradient,) = torch.autograd.grad(logits.log_softmax(-1).max(), seen)
    return gradient.abs().sum(0).numpy()


def draw_view(agent: Agent, episode: Episode, t: int) -> Figure:
    """Game and policy side by side: real frame, what is seen, what matters, action."""
    seen = reconstructed(agent, episode, t + 1)[0, t]
    lstm_state = state_before(agent, episode, t)
    figure, axes = plt.subplots(1, 5, figsize=(12, 2.7), width_ratios=[1, 1, 1, 1, 0.8])
    draw_frame(axes[0], episode.frames[t].transpose(1, 2, 0))
    draw_frame(axes[1], to_pixels(seen))
    maps = [occlusion(agent, seen, lstm_state), saliency(agent, seen, lstm_state)]
    for ax, values in zip(axes[2:], maps, strict=False):
        drawn = lay_on_frame(ax, to_pixels(seen), values)
        figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.03)
    titles = [f"game, step {t}", "policy sees", "occlusion", "gradient"]
    for ax, title in zip(axes, titles, strict=False):
        ax.set_title(title)
    draw_choice(axes[4], agent, seen, lstm_state)
    return figure


@torch.no_grad()
def draw_choice(ax: Axes, agent: Agent, seen: Tensor, lstm_state: State) -> None:
    """Action probabilities as bars, the value above them."""
    logits, value, _ = agent.actor_critic(seen[None], lstm_state)
    ax.bar(agent.actions, logits.softmax(-1)[0].numpy(), color=BLUE)
    ax.set(ylim=(0, 1), title=f"value {value.item():.2f}", ylabel="probability")
    ax.tick_params(axis="x", rotation=45)
    ax.grid(False)


# Dreams


@dataclass(frozen=True)
class DreamLog:
    """A dream of n steps: frames (n, 3, 64, 64), and each step's value, expected
    reward and chance of an end, (n,)."""

    frames: Tensor
    values: Tensor
    rewards: Tensor
    ends: Tensor


@torch.no_grad()
def record_dream(
    agent: Agent,
    episode: Episode,
    start: int,
    choose: Callable[[Tensor], Tensor],
    steps: int,
) -> DreamLog:
    """A dream from step `start` of an episode; choose: logits (1, n) -> action (1,)."""
    lstm_state = state_before(agent, episode, start)
    dream = WorldModelEnv.of(agent)
    first = max(start + 1 - dream.context, 0)
    past = episode.segment(first, start + 1)
    frame = dream.reset(past.frames, past.actions[:, :-1])
    log: list[tuple[Tensor, ...]] = []
    for _ in range(steps):
        logits, value, lstm_state = agent.actor_critic(frame, lstm_state)
        after, _, _, info = dream.step(choose(logits))
        expected = info["logits"]()
        reward = expected.rewards[0].softmax(-1)  # (3,)
        end = expected.ends[0].softmax(-1)  # (2,)
        log.append((frame[0], value[0], reward[2] - reward[0], end[1]))
        frame = after
    return DreamLog(*(torch.stack(each) for each in zip(*log, strict=True)))


def draw_dreams(dreams: Mapping[str, DreamLog], every: int = 3) -> Figure:
    """Frames of some dreams, and their values, rewards and ends step by step."""
    figure = plt.figure(figsize=(10, 1.25 * len(dreams) + 2.9))
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.25 * len(dreams), 2.9])
    film, plots = parts
    steps = max(len(each.values) for each in dreams.values())
    shown = range(0, steps, every)
    axes = film.subplots(len(dreams), len(shown), squeeze=False)
    frames = {name: to_pixels(dream.frames[::every]) for name, dream in dreams.items()}
    frame_strip(axes, frames, [str(t) for t in shown])
    titles = ["value", "expected reward", "chance of an end"]
    for i, (ax, title) in enumerate(zip(plots.subplots(1, 3), titles, strict=True)):
        for (name, dream), colour in zip(
            dreams.items(), (BLUE, VERMILLION), strict=False
        ):
            curve = (dream.values, dream.rewards, dream.ends)[i]
            ax.plot(curve, color=colour, label=name)
        ax.set(title=title, xlabel="step of the dream", ylim=(-0.05, 1.09))
    plots.axes[2].legend(loc="upper left", fontsize=10)
    return figure
