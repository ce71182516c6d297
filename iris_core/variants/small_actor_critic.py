"""An actor-critic for few updates: cheaper convolutions, and more learned from a dream.

It may see what differs from the game's background, weigh steps and advantages, and
learn from one rollout several times (PPO, Schulman et al., 2017).
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical

from iris_core.config.departures import ActorCriticConfig
from iris_core.models.actor_critic import ActorCritic, Rollout, lambda_returns
from iris_core.models.losses import Losses
from iris_core.models.vqgan import FRAME_SIZE

SMALLEST_SPREAD = 0.01  # of advantages: below it they are noise, and stay small
CLIP_RATIO = 0.2  # how far learning from a rollout may move a probability (PPO)


class SmallActorCritic(ActorCritic):
    """The paper's actor-critic with any of our departures."""

    config: ActorCriticConfig
    background: Tensor  # (3, 64, 64) in [0, 1]

    def __init__(self, config: ActorCriticConfig, num_actions: int) -> None:
        super().__init__(config, num_actions)
        if config.normalise_features:
            self.apply(init_orthogonal)
            nn.init.orthogonal_(self.actor_linear.weight, gain=0.01)
        if config.subtract_background:
            shape = (3, FRAME_SIZE, FRAME_SIZE)
            self.register_buffer("background", torch.full(shape, 0.5))

    def build_convolutions(self) -> None:
        channels = self.config.channels
        if self.config.strided:  # 64 -> 16 -> 8 -> 4 pixels wide
            shapes = [(8, 4, 2), (3, 2, 1), (3, 2, 1)]  # kernel, stride, padding
            pairs = zip(pairwise([3, *channels]), shapes, strict=True)
            self.convs = nn.ModuleList(nn.Conv2d(i, o, *s) for (i, o), s in pairs)
        else:
            super().build_convolutions()
        normalise, size = self.config.normalise_features, channels[-1] * 4 * 4
        self.norm = nn.LayerNorm(size) if normalise else nn.Identity()

    @torch.no_grad()
    def start_from(self, frames: Tensor) -> None:
        if self.config.subtract_background:
            self.background.copy_(frames.median(dim=0).values)

    def features(self, frames: Tensor) -> Tensor:
        subtract, strided = self.config.subtract_background, self.config.strided
        x = 2 * (frames - self.background) if subtract else 2 * frames - 1
        for conv in self.convs:
            x = F.relu(conv(x) if strided else F.max_pool2d(conv(x), 2))
        return self.norm(x.flatten(1))

    # The loss

    @property
    def off_policy(self) -> bool:
        """Whether rollouts are used several times, and then are of earlier weights."""
        return self.config.updates_per_dream > 1

    def loss(self, rollout: Rollout) -> Losses:
        """The paper's, as a mean of live steps; off-policy, the rollout is replayed."""
        live = self.live_steps(rollout.ends)[:, :-1]  # (B, H - 1)
        returns, advantages = self.targets(rollout, live)
        logits, values = rollout.logits, rollout.values
        if self.off_policy:
            logits, values = self.unroll(rollout.frames, rollout.lstm_state)
        policy = Categorical(logits=logits[:, :-1], validate_args=False)
        gain = self.gain(policy, rollout, advantages)
        terms = {
            "policy": -mean(gain, live),
            "value": mean((values[:, :-1] - returns).pow(2), live),
            "entropy": -self.config.entropy_weight * mean(policy.entropy(), live),
        }
        metrics = {
            "imagined_reward": (rollout.rewards[:, :-1] * live).sum(1).mean(),
            "imagined_end": mean(rollout.ends[:, :-1].float(), live),
            "mean_value": mean(rollout.values[:, :-1].detach(), live),
            "mean_return": mean(returns, live),
            "policy_entropy": policy.entropy().detach().mean(),
        }
        return Losses(terms, metrics)

    @torch.no_grad()
    def targets(self, rollout: Rollout, live: Tensor) -> tuple[Tensor, Tensor]:
        """Lambda-returns and advantages of all steps but the last, (B, H - 1)."""
        config = self.config
        returns = lambda_returns(
            rollout.rewards, rollout.bootstrap, rollout.ends, config.gamma, config.lam
        )[:, :-1]
        advantages = returns - rollout.values[:, :-1]
        if config.normalise_advantages:
            spread = mean((advantages - mean(advantages, live)).pow(2), live).sqrt()
            advantages = advantages / spread.clamp(min=SMALLEST_SPREAD)
        return returns, advantages

    def gain(self, policy: Categorical, rollout: Rollout, advantages: Tensor) -> Tensor:
        """What the policy maximises, (B, H - 1). Off-policy PPO's clipped ratio stands
        for the log-probability; with unchanged weights the gradient is the same."""
        actions = rollout.actions[:, :-1]
        log_prob = policy.log_prob(actions)
        if not self.off_policy:
            return log_prob * advantages
        old = rollout.logits[:, :-1].detach()
        before = Categorical(logits=old, validate_args=False)
        ratio = (log_prob - before.log_prob(actions)).exp()
        clipped = ratio.clamp(1 - CLIP_RATIO, 1 + CLIP_RATIO)
        return torch.minimum(ratio * advantages, clipped * advantages)

    def live_steps(self, ends: Tensor) -> Tensor:
        """Weight of every step (B, H): all 1, or 0 after an end where so configured."""
        if not self.config.mask_after_end:
            return torch.ones_like(ends, dtype=torch.float32)
        ended_before = ends.cumsum(dim=1) - ends.long() > 0
        return (~ended_before).float()


def mean(x: Tensor, weight: Tensor) -> Tensor:
    return (x * weight).sum() / weight.sum()


def init_orthogonal(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.orthogonal_(module.weight, gain=2**0.5)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
