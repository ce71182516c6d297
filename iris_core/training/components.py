"""The three components of the paper: what each one's update learns from."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import AdamW

from iris_core.agent import Agent
from iris_core.config.departures import InitConfig
from iris_core.config.setting import ConfigError
from iris_core.data.batch import Batch
from iris_core.data.replay_buffer import Replay
from iris_core.data.sampler import SegmentSampler, sample_frames
from iris_core.imagination.graphed_env import GraphedWorldModelEnv
from iris_core.imagination.rollout import imagine
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.actor_critic import Rollout
from iris_core.models.losses import Losses
from iris_core.pretrained import load_agent
from iris_core.training.component import Component, can_fuse
from iris_core.training.schedule import COMPONENTS
from iris_core.training.token_cache import TokenCache
from iris_core.variants.event_sampler import EventSampler
from iris_core.variants.loss_priority import LossPriorities, PrioritySampler
from iris_core.variants.muon import MuonAdamW
from iris_core.variants.small_world_model import FrameLosses
from iris_core.variants.target_critic import TargetCritic

INIT_FRAMES = 2048  # frames that networks are initialised from


@dataclass(eq=False)
class Experience:
    """What updates learn from: the replay buffer, and what is known of its frames."""

    replay: Replay
    token_cache: TokenCache
    priorities: LossPriorities
    rng: random.Random
    device: torch.device

    def frames(self, n: int) -> Tensor:
        """n frames, float (n, 3, 64, 64) in [0, 1]."""
        return sample_frames(self.replay, n, self.rng, self.device)

    def sampler(
        self, event_share: float, priority_share: float, event_reach: int, reach: range
    ) -> SegmentSampler:
        """The paper's sampler, or one that prefers events and high losses; see
        `EventSampler` and `PrioritySampler`."""
        sampler = SegmentSampler(self.replay)
        if event_share > 0:
            sampler = EventSampler(self.replay, event_share, event_reach)
        if priority_share > 0:
            sampler = PrioritySampler(sampler, self.priorities, priority_share, reach)
        return sampler


class TokenizerComponent(Component):
    """Learns from single frames (section 2.1)."""

    name = "tokenizer"

    def __init__(self, agent: Agent, experience: Experience) -> None:
        super().__init__(agent)
        self.tokenizer = agent.tokenizer
        self.experience = experience

    def before_first_update(self) -> None:
        if not self.pretrained:
            self.tokenizer.start_from(self.init_frames())

    def init_frames(self) -> Tensor:
        return self.experience.frames(INIT_FRAMES)

    def draw_loss(self) -> Losses:
        return self.tokenizer.loss(self.experience.frames(self.config.batch_size))

    def update(self, autocast: torch.autocast) -> dict[str, Tensor]:
        if self.updates > 0 or self.pretrained:
            self.tokenizer.maintain_codebook(self.updates, self.init_frames)
        metrics = super().update(autocast)
        self.experience.token_cache.forget()
        return metrics


class WorldModelComponent(Component):
    """Learns from segments of play, as tokens (section 2.2)."""

    name = "world_model"

    def __init__(self, agent: Agent, experience: Experience) -> None:
        self.settings = settings = agent.config.world_model
        groups = agent.world_model.optimizer_groups(settings.updates.weight_decay)
        fused = can_fuse(agent.device)
        if settings.updates.muon:
            inside = agent.world_model.transformer.parameters()
            matrices = [p for p in inside if p.ndim == 2]
            super().__init__(agent, MuonAdamW(matrices, groups, fused))
        else:
            super().__init__(agent, AdamW(groups, fused=fused))
        self.agent = agent
        self.experience = experience
        policy = agent.config.actor_critic
        self.remembers_losses = max(settings.surprise_share, policy.surprise_share) > 0
        length = settings.max_blocks
        # The first frame is not predicted: a high loss must lie behind it
        self.sampler = experience.sampler(
            settings.event_share, settings.surprise_share, length, range(1, length)
        )

    def before_first_update(self) -> None:
        if not self.pretrained:
            codes = self.agent.tokenizer.embedding.weight.detach()
            self.agent.world_model.start_from(codes)

    def draw_batch(self) -> Batch:
        """Segments of `max_blocks` steps, without pixels."""
        size, length = self.config.batch_size, self.settings.max_blocks
        rng = self.experience.rng
        return self.sampler.sample(size, length, "start", rng, pixels=False)

    def draw_loss(self) -> Losses:
        batch = self.draw_batch()
        tokens = self.experience.token_cache.tokens(batch)  # (B, T, K)
        losses = self.agent.world_model.loss(tokens, batch.to(self.experience.device))
        if self.remembers_losses:
            assert isinstance(losses, FrameLosses)
            self.experience.priorities.update(batch, losses.loss_per_frame)
        return losses


class ActorCriticComponent(Component):
    """Learns from rollouts imagined in the world model (section 2.3).

    world_model: tells when the weights that rollouts are imagined with have changed.
    """

    name = "actor_critic"

    def __init__(
        self, agent: Agent, experience: Experience, world_model: WorldModelComponent
    ) -> None:
        super().__init__(agent)
        self.agent = agent
        self.settings = settings = agent.config.actor_critic
        self.experience = experience
        self.world_model = world_model
        horizon = settings.horizon
        self.sampler = experience.sampler(
            settings.event_share, settings.surprise_share, horizon, range(horizon)
        )
        self.env: WorldModelEnv | None = None
        self.rollout: Rollout | None = None  # one that several updates learn from
        self.target: TargetCritic | None = None
        if settings.target_decay > 0:
            self.target = TargetCritic(agent.actor_critic, settings.target_decay)

    def before_first_update(self) -> None:
        policy = self.agent.actor_critic
        if not self.pretrained:
            policy.start_from(self.experience.frames(INIT_FRAMES))
        if self.target is not None:
            self.target.copy(policy)

    def update(self, autocast: torch.autocast) -> dict[str, Tensor]:
        """One rollout and the gradient steps on it."""
        if self.settings.updates_per_dream == 1:
            metrics = super().update(autocast)
            self.update_target()
            return metrics
        if self.updates == 0:
            self.before_first_update()
        with torch.no_grad(), autocast:
            self.rollout = self.imagine()
        for _ in range(self.settings.updates_per_dream):
            metrics = self.gradient_step(autocast)
            self.update_target()
        self.rollout = None
        return metrics

    def update_target(self) -> None:
        if self.target is not None:
            self.target.ema_update(self.agent.actor_critic)

    def draw_loss(self) -> Losses:
        return self.agent.actor_critic.loss(self.rollout or self.imagine())

    def draw_starts(self) -> Batch:
        """Real steps that rollouts start from, each the last of its row, no pixels."""
        size, length = self.config.batch_size, self.settings.burn_in + 1
        rng = self.experience.rng
        return self.sampler.sample(size, length, "end", rng, pixels=False)

    def imagine(self) -> Rollout:
        """Rollouts in the world model as it is now."""
        batch, cache = self.draw_starts(), self.experience.token_cache
        tokens = cache.tokens(batch)
        rollout = imagine(
            self.agent,
            batch.to(self.experience.device),
            self.settings.horizon,
            tokens=tokens,
            seen=cache.reconstructions(batch, tokens),
            dream=self.world_model_env(),
        )
        if self.target is not None:
            rollout.bootstrap = self.target.values(rollout)
        return rollout

    def world_model_env(self) -> WorldModelEnv:
        """Where rollouts are imagined, with the weights as they are now."""
        if self.env is None:
            self.env = self.new_env()
        self.env.sync_weights(self.agent.world_model, self.world_model.updates)
        return self.env

    def new_env(self) -> WorldModelEnv:
        if self.experience.device.type == "cuda":
            return GraphedWorldModelEnv(self.agent)
        return WorldModelEnv.of(self.agent)

    def state_dict(self) -> dict:
        target = {} if self.target is None else self.target.critic.state_dict()
        return {**super().state_dict(), "target_critic": target}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        if self.target is not None:
            self.target.critic.load_state_dict(state["target_critic"])


# Starting from parts of another agent


def init_components(agent: Agent, init: InitConfig) -> None:
    """Copy the asked-for parts of `init.path` into a new agent.

    Raises:
        ConfigError: it can't be read, or a part has other sizes.
    """
    if not init.path:
        return
    source = load_agent(init.path)
    for name in COMPONENTS:
        if getattr(init, name):
            copy_component(source, agent, name, init.path)


def copy_component(source: Agent, agent: Agent, name: str, path: str) -> None:
    """Copy one network's weights; ConfigError if they do not fit."""
    try:
        getattr(agent, name).load_state_dict(getattr(source, name).state_dict())
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ConfigError(
            f"The {name} of {path} does not fit this configuration: {first} "
            f"Leave it out with init.{name}=false, or use its sizes."
        ) from error
