"""Is the dream any good? Figures on test episodes that training never saw.

They tell, long before a return does, whether a policy can learn in the world model:
how often the next token is right, and against copying the frame before; how often it
is right where something changed; how many of the rewards are foreseen; and whether the
dream obeys its actions.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

from iris_core.agent import Agent
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import SegmentSampler


@torch.no_grad()
def world_model_metrics(
    agent: Agent, replay: Replay, batches: int = 4
) -> dict[str, float]:
    """Metrics on segments of `replay`, always the same ones; agent in eval mode.

    token_accuracy, copy_accuracy, changed_accuracy: shares of next-frame tokens.
    reward_recall: share of non-zero rewards whose sign is the likeliest class (NaN if
    there is none). action_recall: share of steps whose frame is likelier after the
    action taken than after any other; about 1 / num_actions if the world model ignores
    actions, and less than 1 where some do the same. tokenizer_loss, frame_error,
    world_model_loss: as in training.
    """
    sampler, rng = SegmentSampler(replay), random.Random(0)
    config = agent.config.world_model
    size = min(config.updates.batch_size, 32)
    totals: dict[str, list[Tensor]] = {}
    for _ in range(batches):
        batch = sampler.sample(size, config.max_blocks, "start", rng)
        batch = batch.to(agent.device)
        real = batch.frames[batch.mask]  # (N, 3, 64, 64)
        tokens = agent.tokenizer.tokenize(batch.frames)  # (B, T, K)
        losses = agent.tokenizer.loss(real[: 8 * size]).detached()
        world = agent.world_model.loss(tokens, batch).detached()
        counts = count_right(agent, tokens, batch.actions, batch.rewards, batch.mask)
        counts |= count_actions(agent, tokens, batch.actions, batch.mask)
        for name, value in {
            **counts,
            "tokenizer_loss": losses["loss"],
            "frame_error": losses["mean_error"],
            "world_model_loss": world["loss"],
        }.items():
            totals.setdefault(name, []).append(value)
    sums = {name: torch.stack(values).sum().item() for name, values in totals.items()}
    return {
        "token_accuracy": share(sums["right"], sums["tokens"]),
        "copy_accuracy": share(sums["copied"], sums["tokens"]),
        "changed_accuracy": share(sums["changed_right"], sums["changed"]),
        "reward_recall": share(sums["rewards_right"], sums["rewards"]),
        "action_recall": share(sums["actions_right"], sums["actions"]),
        "tokenizer_loss": sums["tokenizer_loss"] / batches,
        "frame_error": sums["frame_error"] / batches,
        "world_model_loss": sums["world_model_loss"] / batches,
    }


def share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def count_right(
    agent: Agent, tokens: Tensor, actions: Tensor, rewards: Tensor, mask: Tensor
) -> dict[str, Tensor]:
    """Counts over the real steps of a batch; tokens (B, T, K), the others (B, T)."""
    output = agent.world_model.predict(tokens, actions)
    before, after = tokens[:, :-1], tokens[:, 1:]  # (B, T - 1, K)
    # The last predictions are of the frames after the first
    guess = output.observations.argmax(-1)[:, -after[0].numel() :]
    right = guess.reshape(after.shape) == after
    real = mask[:, 1:, None].expand_as(after)
    changed = real & (after != before)
    scored = mask & (rewards != 0)
    sign = output.rewards.argmax(-1) - 1  # (B, T)
    return {
        "tokens": real.sum(),
        "right": (right & real).sum(),
        "copied": (real & ~changed).sum(),
        "changed": changed.sum(),
        "changed_right": (right & changed).sum(),
        "rewards": scored.sum(),
        "rewards_right": (scored & (sign == rewards.sign())).sum(),
    }


def count_actions(
    agent: Agent, tokens: Tensor, actions: Tensor, mask: Tensor
) -> dict[str, Tensor]:
    """Counts over a batch's last steps, where real: tokens (B, T, K), actions and mask
    (B, T). What other action instead of the last but one explains the last frame?"""
    wm, real = agent.world_model, mask[:, -1]
    logps = []
    for action in range(agent.num_actions):
        tried = actions.clone()
        tried[:, -2] = action
        logits = wm.predict(tokens, tried).observations
        logits = logits[:, -wm.tokens_per_frame :].float()  # the last frame's
        logp = logits.log_softmax(-1).gather(-1, tokens[:, -1, :, None])  # (B, K, 1)
        logps.append(logp.sum((1, 2)))
    inferred = torch.stack(logps).argmax(0)  # (B,)
    return {
        "actions": real.sum(),
        "actions_right": (real & (inferred == actions[:, -2])).sum(),
    }
