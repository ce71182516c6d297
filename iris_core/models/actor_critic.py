"""The policy and its critic, and how they learn from imagined play.

Section 2.3 and appendix B of the paper: convolutions and an LSTM over decoded frames,
lambda-returns, REINFORCE with the value as its baseline, and an entropy bonus.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.distributions import Categorical

from iris_core.config.paper import ActorCriticConfig
from iris_core.models.losses import Losses

State = tuple[Tensor, Tensor]  # the LSTM's hidden and cell vectors, each (B, lstm_dim)


@dataclass
class Rollout:
    """B imagined trajectories of H steps; step t is taken in frame t.

    frames: (B, H, 3, 64, 64) float in [0, 1], what the policy saw, no gradient.
    actions: (B, H) int64. logits: (B, H, num_actions) and values: (B, H), with their
    graph. rewards: (B, H) float, in {-1, 0, 1}. ends: (B, H) bool.
    bootstrap: (B, H) float, values for the returns' bootstrap, no gradient: the
    policy's own, unless a target critic's are put in their place.
    lstm_state: the LSTM's state before the first frame. burn_in: the frames
    (B, T, 3, 64, 64) and the mask (B, T) that it comes from.
    """

    frames: Tensor
    actions: Tensor
    logits: Tensor
    values: Tensor
    rewards: Tensor
    ends: Tensor
    bootstrap: Tensor
    lstm_state: State
    burn_in: tuple[Tensor, Tensor]


def lambda_returns(
    rewards: Tensor, values: Tensor, ends: Tensor, gamma: float, lam: float
) -> Tensor:
    """The paper's equation 6, for (B, T) tensors; returns (B, T).

    G_t = r_t + gamma (1 - d_t) ((1 - lam) v_{t+1} + lam G_{t+1}), and G_T-1 = v_T-1:
    the last step has nothing behind it but its value. An end cuts the return.
    """
    if not rewards.shape == values.shape == ends.shape or rewards.ndim != 2:
        raise ValueError(
            "lambda_returns wants three (B, T) tensors, got "
            f"{tuple(rewards.shape)}, {tuple(values.shape)}, {tuple(ends.shape)}"
        )
    discount = gamma * (~ends.bool()).to(values.dtype)
    returns = torch.empty_like(values)
    returns[:, -1] = values[:, -1]
    for t in reversed(range(values.shape[1] - 1)):
        future = (1 - lam) * values[:, t + 1] + lam * returns[:, t + 1]
        returns[:, t] = rewards[:, t] + discount[:, t] * future
    return returns


class ActorCritic(nn.Module):
    """Frames (B, 3, 64, 64) in [0, 1] and an LSTM state -> action logits, a value."""

    def __init__(self, config: ActorCriticConfig, num_actions: int) -> None:
        super().__init__()
        self.config = config
        self.build_convolutions()
        features = config.channels[-1] * 4 * 4
        self.lstm = nn.LSTMCell(features, config.lstm_dim)
        self.critic_linear = nn.Linear(config.lstm_dim, 1)
        self.actor_linear = nn.Linear(config.lstm_dim, num_actions)

    def build_convolutions(self) -> None:
        """Four; pooling halves the width after each: 64 -> 32 -> 16 -> 8 -> 4."""
        pairs = pairwise([3, *self.config.channels])
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in pairs)

    def new_state(self, batch_size: int) -> State:
        """A state that has seen nothing: zeros."""
        zeros = self.actor_linear.weight.new_zeros(batch_size, self.config.lstm_dim)
        return zeros, zeros.clone()  # two tensors, for rows may be set in place

    def features(self, frames: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [0, 1] -> (B, 16 * channels)."""
        x = 2 * frames - 1
        for conv in self.convs:
            x = F.relu(F.max_pool2d(conv(x), 2))
        return x.flatten(1)

    def heads(self, state: State) -> tuple[Tensor, Tensor]:
        """State -> logits (B, num_actions), values (B,), float32."""
        logits, values = self.actor_linear(state[0]), self.critic_linear(state[0])
        return logits.float(), values.squeeze(1).float()

    def forward(self, frames: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """One step: logits (B, num_actions), values (B,), the state afterwards."""
        state = self.lstm(self.features(frames), state)
        return *self.heads(state), state

    @torch.no_grad()
    def burn_in(self, frames: Tensor, mask: Tensor) -> State:
        """The state after frames (B, T, 3, 64, 64); rows with mask (B, T) False at a
        step keep their state as it was."""
        state = self.new_state(len(frames))
        if frames.shape[1] == 0:
            return state
        features = self.features(rearrange(frames, "b t c h w -> (b t) c h w"))
        features = rearrange(features, "(b t) f -> b t f", b=len(frames))
        for t in range(frames.shape[1]):
            state = masked(self.lstm(features[:, t], state), state, mask[:, t])
        return state

    def unroll(self, frames: Tensor, lstm_state: State) -> tuple[Tensor, Tensor]:
        """Logits (B, H, num_actions) and values (B, H) of frames (B, H, 3, 64, 64) in a
        row, as step by step; their convolutions are computed together."""
        features = self.features(rearrange(frames, "b t c h w -> (b t) c h w"))
        steps = []
        for x in rearrange(features, "(b t) f -> t b f", b=len(frames)):
            lstm_state = self.lstm(x, lstm_state)
            steps.append(self.heads(lstm_state))
        logits, values = (torch.stack(each, dim=1) for each in zip(*steps, strict=True))
        return logits, values

    def loss(self, rollout: Rollout) -> Losses:
        """Policy gradient, value error and entropy (appendix B), the mean of all steps
        but the last: its return is its own value."""
        config = self.config
        policy = Categorical(logits=rollout.logits[:, :-1], validate_args=False)
        values = rollout.values[:, :-1]  # (B, H - 1)
        returns = lambda_returns(
            rollout.rewards, rollout.bootstrap, rollout.ends, config.gamma, config.lam
        )[:, :-1]
        advantages = (returns - values).detach()
        log_prob = policy.log_prob(rollout.actions[:, :-1])
        terms = {
            "policy": -(log_prob * advantages).mean(),
            "value": (values - returns).pow(2).mean(),
            "entropy": -config.entropy_weight * policy.entropy().mean(),
        }
        return Losses(terms, rollout_metrics(rollout, returns, policy))

    def start_from(self, frames: Tensor) -> None:
        """What training calls before the first update: fit to frames (N, 3, 64, 64) in
        [0, 1] what should not start at random."""


def masked(new: State, old: State, keep: Tensor) -> State:
    """New rows where keep (B,) is True, old rows elsewhere."""
    keep = keep[:, None]
    return torch.where(keep, new[0], old[0]), torch.where(keep, new[1], old[1])


def rollout_metrics(
    rollout: Rollout, returns: Tensor, policy: Categorical
) -> dict[str, Tensor]:
    """What to watch while a policy learns."""
    return {
        "imagined_reward": rollout.rewards[:, :-1].sum(1).mean(),
        "imagined_end": rollout.ends[:, :-1].float().mean(),
        "mean_value": rollout.values[:, :-1].detach().flatten().mean(),
        "mean_return": returns.flatten().mean(),
        "policy_entropy": policy.entropy().detach().mean(),
    }
