"""The pictures and episodes that a run keeps of what its agent sees and dreams."""

from __future__ import annotations

import random

import numpy as np
import torch

from iris_core.agent import Agent
from iris_core.data.episode import Episode
from iris_core.data.frames import to_pixels
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import SegmentSampler
from iris_core.imagination.rollout import imagine
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.actor_critic import Rollout
from iris_core.plotting.contact_sheet import (
    comparison_sheet,
    reconstruction_sheet,
    save_png,
    trajectory_sheet,
)
from iris_core.runtime.run_folder import Run

SHEET_FRAMES = 40  # on a contact sheet
COMPARED_FRAMES = 20  # of a dream beside the real game
ROLLOUT_STEPS = 20  # dreamed, at least


@torch.no_grad()
def save_epoch_media(agent: Agent, run: Run, replay: Replay, epoch: int) -> None:
    """Reconstructions of test frames, and rollouts imagined from some of them."""
    config, name = agent.config.actor_critic, f"epoch_{epoch:04d}"
    sampler, length = SegmentSampler(replay), config.burn_in + 1
    batch = sampler.sample(8, length, "end", random.Random(epoch)).to(agent.device)
    real = batch.frames[:, -1]  # (B, 3, 64, 64)
    sheet = reconstruction_sheet(
        to_pixels(real), to_pixels(agent.tokenizer.reconstruct(real))
    )
    save_png(sheet, run.reconstructions / f"{name}.png")
    rollout = imagine(agent, batch, max(config.horizon, ROLLOUT_STEPS))
    folder = run.episodes("imagination")
    sheet = trajectory_sheet(
        to_pixels(rollout.frames[0]),
        rollout.rewards[0].cpu().numpy(),
        rollout.ends[0].cpu().numpy(),
        rollout.actions[0].cpu().numpy(),
        agent.actions,
        f"A dream of {agent.game}, epoch {epoch}",
    )
    save_png(sheet, folder / f"{name}.png")
    best = int(rollout.rewards.sum(1).argmax())
    imagined_episode(rollout, best).save(folder / "best.npz")


def save_final_media(agent: Agent, run: Run, episode: Episode) -> None:
    """The end of a test episode, and its middle beside the dream of it."""
    tail = slice(max(0, len(episode) - SHEET_FRAMES), None)
    sheet = trajectory_sheet(
        episode.frames[tail].transpose(0, 2, 3, 1),
        episode.rewards[tail],
        episode.ends[tail],
        episode.actions[tail],
        agent.actions,
        f"{agent.game}: the end of a test episode",
    )
    save_png(sheet, run.episodes("test") / "final.png")
    sheet = comparison(agent, episode)
    save_png(sheet, run.episodes("imagination") / "final.png")


@torch.no_grad()
def comparison(agent: Agent, episode: Episode) -> np.ndarray:
    """Steps from the middle of an episode, and the dream of the same actions."""
    context = min(agent.config.world_model.dream_context, len(episode))
    first = min(len(episode) // 2, len(episode) - context)
    last = min(first + context + COMPARED_FRAMES - 1, len(episode))
    batch = episode.segment(first, last).to(agent.device)
    past, actions = batch.frames[:, :context], batch.actions  # (1, C, ...), (1, T)
    dream = WorldModelEnv.of(agent)
    dreamed = [dream.reset(past, actions[:, : context - 1])]
    for t in range(context - 1, actions.shape[1] - 1):
        dreamed.append(dream.step(actions[:, t])[0])
    return comparison_sheet(
        to_pixels(batch.frames[0, context - 1 :]),
        to_pixels(torch.cat(dreamed)),
        actions[0, context - 1 :].cpu().numpy(),
        agent.actions,
    )


def imagined_episode(rollout: Rollout, row: int) -> Episode:
    """One imagined trajectory, up to its end, as an episode."""
    pixels = to_pixels(rollout.frames[row]).transpose(0, 3, 1, 2)
    ends = rollout.ends[row].cpu().numpy()
    return Episode(
        np.ascontiguousarray(pixels),
        rollout.actions[row].cpu().numpy(),
        rollout.rewards[row].cpu().numpy(),
        ends,
        np.zeros_like(ends),
    )
