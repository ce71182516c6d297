"""What an agent sees and dreams: the paper's qualitative figures, for any agent.

Frames are drawn pixel by pixel. `iris figures` draws the agents of data/agents. Of
your own run give `Agent.load(run.agent)` and an episode of `Replay.load(run.replay)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from iris_core.agent import Agent
from iris_core.data.batch import Batch
from iris_core.data.episode import Episode, stack_segments
from iris_core.data.frames import to_pixels
from iris_core.imagination.rollout import imagine
from iris_core.models.actor_critic import Rollout
from iris_core.plotting.error_map import error_map
from iris_core.plotting.frame_strip import draw_frame, frame_strip, outline
from iris_core.plotting.palette import BLUE, ORANGE, PINK
from iris_core.tools.figures.style import WIDTH, note, styled

EVERY = 3  # steps between the frames of a dream that are shown
SHOWN = 10  # frames along a piece of an episode
LABELS = 0.62  # inches for the names of rows


@styled
@torch.no_grad()
def draw_reconstructions(
    agent: Agent, episode: Episode, steps: Sequence[int]
) -> Figure:
    """Frames, what the tokenizer keeps of them, and where it errs."""
    frames, seen = reconstruct(agent, episode, steps)
    tokens = f"from {agent.tokenizer.tokens_per_frame}\ntokens"
    rows = {"original": to_pixels(frames), tokens: to_pixels(seen)}
    rows["error"] = error_map(*rows.values())
    figure = frame_rows(rows, [f"step {step}" for step in steps])
    note(
        figure,
        f"{describe(agent)}. Error: mean over colours; brightest at a quarter of the"
        " range or more.",
    )
    return figure


@styled
@torch.no_grad()
def draw_tokens_per_frame(
    agents: Sequence[Agent], episode: Episode, steps: Sequence[int]
) -> Figure:
    """The same frames through tokenizers of few and of many tokens a frame."""
    rows: dict[str, np.ndarray] = {}
    errors = []
    for agent in agents:
        frames, seen = reconstruct(agent, episode, steps)
        tokens = f"{agent.tokenizer.tokens_per_frame} tokens"
        rows |= {"original": to_pixels(frames), tokens: to_pixels(seen)}
        rows[f"error,\n{tokens}"] = error_map(rows["original"], rows[tokens])
        errors.append(f"{tokens} {255 * (frames - seen).abs().mean():.2f}")
    figure = frame_rows(rows, [f"step {step}" for step in steps])
    note(
        figure,
        f"{'. '.join(map(describe, agents))}. Mean absolute error of these"
        f" frames, of 255: {', '.join(errors)}. Error pictures are brightest at a"
        " quarter of the range or more.",
    )
    return figure


def reconstruct(
    agent: Agent, episode: Episode, steps: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames of an episode and their reconstructions: (N, 3, 64, 64) in [0, 1] each."""
    frames = torch.from_numpy(episode.frames[list(steps)]).to(agent.device) / 255
    return frames, agent.tokenizer.reconstruct(frames)


@torch.no_grad()
def dream_from(
    agent: Agent, episode: Episode, step: int, dreams: int, horizon: int, seed: int = 0
) -> Rollout:
    """Several dreams of the policy from one frame of an episode, and its past."""
    burn_in = agent.config.actor_critic.burn_in
    segment = (episode, step - burn_in, step + 1)
    batch = stack_segments([segment] * dreams).to(agent.device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return imagine(agent, batch, horizon)


@styled
def draw_dreams(
    agent: Agent, episode: Episode, step: int, dreams: int = 4, horizon: int = 20
) -> Figure:
    """Imagined trajectories from one start under one policy: what differs was drawn.

    A coloured border marks a reward or an end since the frame before.
    """
    rollout = dream_from(agent, episode, step, dreams, horizon)
    shown = range(0, horizon, EVERY)
    frames = to_pixels(rollout.frames[:, ::EVERY])  # (dreams, shown, 64, 64, 3)
    rows = {f"dream {i}": film for i, film in enumerate(frames, 1)}
    figure = frame_rows(rows, [f"+{t}" for t in shown])
    places = [(i, t) for i in range(dreams) for t in shown]
    for ax, (i, t) in zip(figure.axes, places, strict=True):
        since = slice(max(t - EVERY, 0), t)
        reward = float(rollout.rewards[i, since].sum())
        if bool(rollout.ends[i, since].any()):
            outline(ax, PINK)
        elif reward:
            outline(ax, BLUE if reward > 0 else ORANGE)
    note(
        figure,
        f"{describe(agent)}. All start at step {step} of one episode, with its past."
        " Framed: since the frame before, a reward was imagined (blue +, orange"
        " \N{MINUS SIGN}) or an end (pink).",
    )
    return figure


@torch.no_grad()
def predict(agent: Agent, episode: Episode) -> tuple[np.ndarray, np.ndarray]:
    """What the world model expects at each step of a real episode, knowing the steps
    before it (as many as it was trained with): P(reward), (T, 3) for -1, 0 and 1, and
    P(end), (T,)."""
    blocks = agent.config.world_model.max_blocks
    segments = [(episode, t + 1 - blocks, t + 1) for t in range(len(episode))]
    rewards, ends = [], []
    for first in range(0, len(segments), 64):
        batch = stack_segments(segments[first : first + 64]).to(agent.device)
        tokens, actions, last = align_left(agent, batch)
        output = agent.world_model(agent.world_model.sequence(tokens, actions))
        rows = torch.arange(len(last), device=last.device)
        rewards.append(output.rewards[rows, last].softmax(-1))
        ends.append(output.ends[rows, last].softmax(-1)[:, 1])
    return torch.cat(rewards).cpu().numpy(), torch.cat(ends).cpu().numpy()


def align_left(
    agent: Agent, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens (B, T, K) and actions (B, T) of a batch padded on the left, moved to begin
    at 0, and where the last real step then is (B,). What follows it is not looked at:
    the model sees the past only."""
    length = batch.mask.sum(1)  # (B,)
    at = torch.arange(batch.mask.shape[1], device=length.device)
    index = (at + (batch.mask.shape[1] - length)[:, None]) % len(at)  # (B, T)
    rows = torch.arange(len(index), device=length.device)[:, None]
    tokens = agent.tokenizer.tokenize(batch.frames)[rows, index]
    return tokens, batch.actions[rows, index], length - 1


@styled
def draw_rewards_and_ends(
    agent: Agent, episode: Episode, start: int, length: int
) -> Figure:
    """Rewards and ends along real play, as the world model expects them one step ahead,
    beside what happened; and the frames that it happened in."""
    piece = slice(start, min(start + length, len(episode)))
    steps = np.arange(piece.start, piece.stop)
    rewards, ends = predict(agent, episode.head(piece.stop))
    figure = Figure(figsize=(WIDTH, 2.85))
    grid = figure.add_gridspec(3, SHOWN, height_ratios=(1, 1.3, 1))
    shown = np.linspace(steps[0], steps[-1], SHOWN).round().astype(int)
    for column, step in enumerate(shown):
        ax = figure.add_subplot(grid[0, column])
        draw_frame(ax, episode.frames[step].transpose(1, 2, 0))
        ax.set_title(str(step), fontsize=6.5, pad=2)
    above = figure.add_subplot(grid[1, :])
    below = figure.add_subplot(grid[2, :], sharex=above)
    real, paid, lost = episode.rewards[piece], rewards[piece, 2], rewards[piece, 0]
    thin: dict[str, Any] = {"markersize": 2, "linewidth": 1}
    above.plot(steps, paid, "o-", color=BLUE, label="P(reward > 0)", **thin)
    if (real < 0).any() or lost.max() > 0.05:
        above.plot(steps, lost, "s-", color=ORANGE, label="P(reward < 0)", **thin)
    below.plot(steps, ends[piece], "o-", color=PINK, label="P(end)", **thin)
    mark_events(above, steps[real > 0], "real reward > 0", BLUE, "^")
    mark_events(above, steps[real < 0], "real reward < 0", ORANGE, "v")
    mark_events(below, steps[episode.ends[piece]], "real end", PINK, "v")
    below.set_xlabel("step")
    below.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    above.tick_params(labelbottom=False)
    for ax in (above, below):
        ax.set(ylim=(-0.05, 1.55), yticks=(0, 0.5, 1))
        ax.grid(axis="y")
        ax.legend(loc="upper left", ncols=4, borderaxespad=0.1, handlelength=1.4)
    note(figure, f"{describe(agent)}, real play. Each value is given the past alone.")
    return figure


def mark_events(
    ax: Axes, steps: np.ndarray, label: str, colour: str, marker: str
) -> None:
    """What really happened, above the curves."""
    if len(steps):
        heights = np.full(len(steps), 1.08)
        ax.plot(steps, heights, marker, color=colour, label=label, markersize=5)


def describe(agent: Agent) -> str:
    """Whose figure it is: this project's, and of what scale."""
    config, record = agent.config, agent.training_record
    cost = f", {record.steps:,} steps in {record.minutes:.0f} min" if record else ""
    return (
        f"This project's agent for {agent.game}:"
        f" {agent.tokenizer.tokens_per_frame} tokens a frame, world model of"
        f" {config.world_model.num_layers} layers, {config.world_model.prediction}"
        f" prediction{cost}"
    )


def frame_rows(rows: Mapping[str, np.ndarray], titles: Sequence[str]) -> Figure:
    """Labelled rows of frames, uint8 (N, 64, 64, 3) each, with titles above."""
    size = (WIDTH - LABELS) / len(titles)
    tight = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    height = 0.2 + (size + 0.03) * len(rows)
    figure = Figure(figsize=(WIDTH, height), layout=tight)
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    frame_strip(axes, rows, titles, fontsize=7)
    return figure
