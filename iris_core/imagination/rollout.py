"""A policy's rollout in its world model: what it learns from (section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from iris_core.agent import Agent, Sampler, categorical
from iris_core.data.batch import Batch
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.actor_critic import Rollout


def fill_left(x: Tensor, mask: Tensor) -> Tensor:
    """Put each row's first real entry in its padding on the left.

    x: (B, T, ...), mask: (B, T) bool, True where real, and real at the last step.
    """
    first = mask.int().argmax(dim=1, keepdim=True)  # (B, 1)
    at = torch.arange(x.shape[1], device=x.device).maximum(first)  # (B, T)
    return x[torch.arange(len(x), device=x.device)[:, None], at]


def imagine(
    agent: Agent,
    batch: Batch,
    horizon: int,
    sample: Sampler = categorical,
    tokens: Tensor | None = None,
    seen: Tensor | None = None,
    dream: WorldModelEnv | None = None,
) -> Rollout:
    """Let the policy act in its world model for `horizon` steps (section 2.3).

    batch: (B, burn_in + 1) real steps, padded on the left; the dream starts at the last
    frame, the LSTM's state and the dream's context come from those before it. Logits
    and values keep their graph; nothing else has one. tokens: of the batch's frames,
    (B, burn_in + 1, K), and seen: what these decode to, if they are known. dream: to
    use again, with its cache; a new one of the agent's if None.
    """
    dream, policy = dream or WorldModelEnv.of(agent, sample), agent.actor_critic
    with torch.no_grad():
        if tokens is None:
            tokens = agent.tokenizer.tokenize(batch.frames)  # (B, T, K)
        if seen is None:
            seen = agent.tokenizer.decode(tokens)  # (B, T, 3, 64, 64)
        burn_in = seen[:, :-1], batch.mask[:, :-1]
        start = lstm_state = policy.burn_in(*burn_in)
        tokens = fill_left(tokens, batch.mask)
        frames = dream.start(tokens, batch.actions[:, :-1], seen[:, -1])
    steps: list[tuple[Tensor, ...]] = []
    for t in range(horizon):
        logits, values, lstm_state = policy(frames, lstm_state)
        actions = sample(logits.detach())
        now = frames
        frames, rewards, ends, _ = dream.step(actions, predict_frame=t < horizon - 1)
        steps.append((now, actions, logits, values, rewards, ends))
    frames, actions, logits, values, rewards, ends = (
        torch.stack(each, dim=1) for each in zip(*steps, strict=True)
    )
    bootstrap = values.detach()
    return Rollout(
        frames, actions, logits, values, rewards, ends, bootstrap, start, burn_in
    )
