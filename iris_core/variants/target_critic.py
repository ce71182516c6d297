"""Returns that bootstrap from a slowly moving copy of the critic, as in DQN (Mnih et
al., 2015); the paper has no target network (setting `actor_critic.target_decay`)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from iris_core.models.actor_critic import ActorCritic, Rollout


class TargetCritic:
    """An exponential moving average of an actor-critic's weights, without gradients.

    decay: the share that it keeps of itself in an update, in (0, 1).
    """

    def __init__(self, actor_critic: ActorCritic, decay: float) -> None:
        self.decay = decay
        self.copy(actor_critic)

    def copy(self, actor_critic: ActorCritic) -> None:
        """Start anew, from these weights."""
        self.critic = copy.deepcopy(actor_critic).requires_grad_(False)

    @torch.no_grad()
    def ema_update(self, actor_critic: ActorCritic) -> None:
        """Move a little towards these weights."""
        parameters = zip(
            self.critic.parameters(), actor_critic.parameters(), strict=True
        )
        for ours, theirs in parameters:
            ours.lerp_(theirs, 1 - self.decay)

    @torch.no_grad()
    def values(self, rollout: Rollout) -> Tensor:
        """The values (B, H) of a rollout's frames, with an LSTM state of its own."""
        state = self.critic.burn_in(*rollout.burn_in)
        return self.critic.unroll(rollout.frames, state)[1]
