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

from iris_core.config.schema import ActorCriticConfig
from iris_core.models.losses import Losses
from iris_core.models.nets import FRAME_SIZE

SMALLEST_SPREAD = 0.01  # of advantages: below it they are noise, and stay small
CLIP_RATIO = 0.2  # how far a replayed rollout may move a probability (PPO)

State = tuple[Tensor, Tensor]  # the LSTM's hidden and cell vectors, each (B, lstm_dim)


@dataclass
class Rollout:
    """B imagined trajectories of H steps; step t is taken in frame t.

    frames: (B, H, 3, 64, 64) float in [0, 1], what the policy saw, no gradient.
    actions: (B, H) int64. logits: (B, H, num_actions) and values: (B, H), with their
    graph. rewards: (B, H) float, in {-1, 0, 1}. ends: (B, H) bool.
    bootstrap: (B, H) float, values for the returns' bootstrap, no gradient.
    memory: the LSTM's state before the first frame.
    """

    frames: Tensor
    actions: Tensor
    logits: Tensor
    values: Tensor
    rewards: Tensor
    ends: Tensor
    bootstrap: Tensor
    memory: State
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

    background: Tensor

    def __init__(self, config: ActorCriticConfig, num_actions: int) -> None:
        super().__init__()
        self.config = config
        widths = [3, *config.channels]
        pairs = pairwise(widths)
        if config.strided:  # 64 -> 16 -> 8 -> 4 pixels wide
            shapes = [(8, 4, 2), (3, 2, 1), (3, 2, 1)]  # kernel, stride, padding
        else:  # pooling halves the width after each: 64 -> 32 -> 16 -> 8 -> 4
            shapes = [(3, 1, 1)] * 4
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, *shape) for (i, o), shape in zip(pairs, shapes, strict=True)
        )
        features = widths[-1] * 4 * 4
        self.norm = (
            nn.LayerNorm(features) if config.normalise_features else nn.Identity()
        )
        self.lstm = nn.LSTMCell(features, config.lstm_dim)
        self.critic_linear = nn.Linear(config.lstm_dim, 1)
        self.actor_linear = nn.Linear(config.lstm_dim, num_actions)
        if config.normalise_features:
            self.apply(init_orthogonal)
            nn.init.orthogonal_(self.actor_linear.weight, gain=0.01)
        if config.subtract_background:
            shape = (3, FRAME_SIZE, FRAME_SIZE)
            self.register_buffer("background", torch.full(shape, 0.5))

    @torch.no_grad()
    def see_background(self, background: Tensor) -> None:
        """Take the game's median frame, (3, 64, 64) in [0, 1], where it is used."""
        if self.config.subtract_background:
            self.background.copy_(background)

    def new_state(self, batch_size: int) -> State:
        """A state that has seen nothing: zeros."""
        zeros = self.actor_linear.weight.new_zeros(batch_size, self.config.lstm_dim)
        return zeros, zeros.clone()  # two tensors, for rows may be set in place

    def features(self, frames: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [0, 1] -> (B, 16 * channels)."""
        if self.config.subtract_background:
            x = 2 * (frames - self.background)
        else:
            x = 2 * frames - 1
        for conv in self.convs:
            x = conv(x)
            x = F.relu(x if self.config.strided else F.max_pool2d(x, 2))
        return self.norm(x.flatten(1))

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

    def replay(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """`watch` a rollout with the weights as they are now, with their graph."""
        return self.watch(rollout.frames, rollout.memory)

    def watch(self, frames: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """Logits (B, H, num_actions) and values (B, H) of frames (B, H, 3, 64, 64) in a
        row, as step by step; their convolutions are computed together."""
        features = self.features(rearrange(frames, "b t c h w -> (b t) c h w"))
        steps = []
        for x in rearrange(features, "(b t) f -> t b f", b=len(frames)):
            state = self.lstm(x, state)
            steps.append(self.heads(state))
        logits, values = (torch.stack(each, dim=1) for each in zip(*steps, strict=True))
        return logits, values

    def loss(self, rollout: Rollout, again: bool = False) -> Losses:
        """Policy gradient, value error and entropy over all steps but the last.

        again: the rollout is not of the weights as they are now, so it is replayed, and
        PPO's clipped ratio (Schulman et al., 2017) stands for the log-probability. With
        unchanged weights the gradient is the same.
        """
        config = self.config
        actions = rollout.actions[:, :-1]
        live = self.live_steps(rollout.ends)[:, :-1]  # (B, H - 1)
        with torch.no_grad():
            returns, advantages = self.targets(rollout, live)
        logits, values = rollout.logits, rollout.values
        if again:
            logits, values = self.replay(rollout)
        policy = Categorical(logits=logits[:, :-1], validate_args=False)
        log_prob = policy.log_prob(actions)
        gain = log_prob * advantages
        if again:
            old = rollout.logits[:, :-1].detach()
            before = Categorical(logits=old, validate_args=False)
            ratio = (log_prob - before.log_prob(actions)).exp()
            clipped = ratio.clamp(1 - CLIP_RATIO, 1 + CLIP_RATIO)
            gain = torch.minimum(ratio * advantages, clipped * advantages)
        terms = {
            "policy": -mean(gain, live),
            "value": mean((values[:, :-1] - returns).pow(2), live),
            "entropy": -config.entropy_weight * mean(policy.entropy(), live),
        }
        return Losses(terms, rollout_figures(rollout, returns, policy, live))

    def targets(self, rollout: Rollout, live: Tensor) -> tuple[Tensor, Tensor]:
        """Lambda-returns and advantages of all steps but the last, (B, H - 1); live
        (B, H - 1) weighs the steps."""
        config = self.config
        returns = lambda_returns(
            rollout.rewards, rollout.bootstrap, rollout.ends, config.gamma, config.lam
        )[:, :-1]
        advantages = returns - rollout.values[:, :-1]
        if config.normalise_advantages:
            spread = mean((advantages - mean(advantages, live)).pow(2), live).sqrt()
            advantages = advantages / spread.clamp(min=SMALLEST_SPREAD)
        return returns, advantages

    def live_steps(self, ends: Tensor) -> Tensor:
        """Weight of every step (B, H): all 1, or 0 after an end where so configured."""
        if not self.config.mask_after_end:
            return torch.ones_like(ends, dtype=torch.float32)
        ended_before = ends.cumsum(dim=1) - ends.long() > 0
        return (~ended_before).float()


def masked(new: State, old: State, keep: Tensor) -> State:
    """New rows where keep (B,) is True, old rows elsewhere."""
    keep = keep[:, None]
    return torch.where(keep, new[0], old[0]), torch.where(keep, new[1], old[1])


def mean(x: Tensor, weight: Tensor) -> Tensor:
    return (x * weight).sum() / weight.sum()


def rollout_figures(
    rollout: Rollout, returns: Tensor, policy: Categorical, live: Tensor
) -> dict[str, Tensor]:
    """What to watch while a policy learns; live (B, H - 1) weighs the steps."""
    return {
        "imagined_reward": (rollout.rewards[:, :-1] * live).sum(1).mean(),
        "imagined_end": mean(rollout.ends[:, :-1].float(), live),
        "mean_value": mean(rollout.values[:, :-1].detach(), live),
        "mean_return": mean(returns, live),
        "policy_entropy": policy.entropy().detach().mean(),
    }


def init_orthogonal(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.orthogonal_(module.weight, gain=2**0.5)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
