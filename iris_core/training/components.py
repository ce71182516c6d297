"""The three networks in training: what an update learns from, and the update itself."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from iris_core.agent import Agent
from iris_core.config.departures import InitConfig, UpdatesConfig
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
from iris_core.training.schedule import COMPONENTS, learning_rate
from iris_core.training.token_cache import TokenCache
from iris_core.variants.event_sampler import EventSampler
from iris_core.variants.loss_priority import LossPriorities, PrioritySampler
from iris_core.variants.small_world_model import FrameLosses
from iris_core.variants.target_critic import TargetCritic

INIT_FRAMES = 2048  # frames that networks are initialised from


class DivergedError(RuntimeError):
    """A loss or a gradient is not a finite number: training must stop."""


class Component(ABC):
    """A network and its optimizer. pretrained: it came from another run."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        optimizer: Optimizer,
        config: UpdatesConfig,
        pretrained: bool = False,
    ) -> None:
        self.name = name
        self.module = module
        self.optimizer = optimizer
        self.config = config
        self.pretrained = pretrained
        self.updates = 0  # so far, in the whole run
        self.annealed = 1.0  # of `schedule.annealed`
        self.asynchronous = next(module.parameters()).device.type == "cuda"
        self.pending: tuple[Losses, Tensor] | None = None  # not yet looked at

    @abstractmethod
    def draw_loss(self) -> Losses:
        """Sample a batch and compute its losses; called under autocast."""

    def before_first_update(self) -> None:
        """Initialise what can be initialised from data."""
        return

    def update(self, autocast: torch.autocast) -> dict[str, Tensor]:
        """Sample, and take a step of the optimizer; see `gradient_step`."""
        if self.updates == 0:
            self.before_first_update()
        return self.gradient_step(autocast)

    def gradient_step(self, autocast: torch.autocast) -> dict[str, Tensor]:
        """One step of the optimizer; returns detached losses and metrics.

        DivergedError, with the weights as they were before, if the loss or the
        gradient is not finite. On CUDA, where looking would stop the program until the
        GPU is done, the next update or `raise_pending` raises it; the weights stay all
        the same.
        """
        self.module.train()
        with autocast:
            losses = self.draw_loss()
        total = losses.total
        if not self.asynchronous:
            self.check(total, "loss", losses)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), self.config.clip_norm)
        if self.asynchronous:
            self.raise_pending()
            self.pending = losses, norm
            # A fused optimizer looks at this on the device, and may do nothing
            self.optimizer.found_inf = (~(total + norm).isfinite()).float()  # type: ignore[attr-defined]
        else:
            self.check(norm, "gradient", losses)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.updates + 1, self.annealed)
        self.optimizer.step()
        self.updates += 1
        self.module.eval()
        return {**losses.detached(), "grad_norm": norm}

    def raise_pending(self) -> None:
        """Check what the last update left unchecked."""
        if self.pending is not None:
            losses, norm = self.pending
            self.pending = None
            self.check(losses.total, "loss", losses)
            self.check(norm, "gradient", losses)

    def check(self, value: Tensor, what: str, losses: Losses) -> None:
        """DivergedError unless a loss or a gradient's norm is finite."""
        if math.isfinite(value.item()):
            return
        self.module.eval()
        terms = ", ".join(f"{k} {v.item():.4g}" for k, v in losses.terms.items())
        raise DivergedError(
            f"The {what} of the {self.name} became {value.item()} in its update "
            f"{self.updates + 1} ({terms})"
        )

    def state_dict(self) -> dict:
        """What a checkpoint holds; the weights are the agent's."""
        return {"optimizer": self.optimizer.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state_dict`."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.align_moments()
        self.updates = state["updates"]

    def align_moments(self) -> None:
        """Lay the optimizer's moments out as their weights: a fused optimizer takes
        that for granted, and a layout may come from another device."""
        for weight, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if value.shape == weight.shape:
                    moments[name] = torch.empty_like(weight).copy_(value)


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

    def __init__(self, agent: Agent, experience: Experience) -> None:
        self.settings = agent.config.tokenizer
        self.tokenizer = agent.tokenizer
        self.experience = experience
        super().__init__(
            "tokenizer",
            agent.tokenizer,
            adam(agent.tokenizer),
            self.settings.updates,
            is_pretrained(agent.config.init, "tokenizer"),
        )

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

    def __init__(self, agent: Agent, experience: Experience) -> None:
        self.agent = agent
        self.settings = settings = agent.config.world_model
        self.experience = experience
        policy = agent.config.actor_critic
        self.remembers_losses = max(settings.surprise_share, policy.surprise_share) > 0
        length = settings.max_blocks
        # The first frame is not predicted: a high loss must lie behind it
        self.sampler = experience.sampler(
            settings.event_share, settings.surprise_share, length, range(1, length)
        )
        groups = agent.world_model.optimizer_groups(settings.updates.weight_decay)
        super().__init__(
            "world_model",
            agent.world_model,
            AdamW(groups, fused=can_fuse(agent.device)),
            settings.updates,
            is_pretrained(agent.config.init, "world_model"),
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

    def __init__(
        self, agent: Agent, experience: Experience, world_model: WorldModelComponent
    ) -> None:
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
        super().__init__(
            "actor_critic",
            agent.actor_critic,
            adam(agent.actor_critic),
            settings.updates,
            is_pretrained(agent.config.init, "actor_critic"),
        )

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


def adam(module: nn.Module) -> Adam:
    """Adam as in the paper; `gradient_step` sets the learning rate."""
    device = next(module.parameters()).device
    return Adam(module.parameters(), fused=can_fuse(device))


def can_fuse(device: torch.device) -> bool:
    """Whether PyTorch has a fused optimizer there."""
    return device.type != "mps"


# Starting from parts of another agent


def is_pretrained(init: InitConfig, name: str) -> bool:
    """Whether a run takes this component from another agent."""
    return bool(init.path and getattr(init, name))


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
