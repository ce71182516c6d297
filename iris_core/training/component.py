"""A single update of one network, done safely."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from iris_core.agent import Agent
from iris_core.config.departures import UpdatesConfig
from iris_core.models.losses import Losses
from iris_core.training.schedule import learning_rate


class DivergedError(RuntimeError):
    """A loss or a gradient is not a finite number: training must stop."""


class Component(ABC):
    """One of an agent's networks and its optimizer.

    pretrained: it came from another agent (`config.init`). updates: so far, in the
    whole run. annealed: of `schedule.annealed`.
    """

    name: str  # of the network in the agent, and of its settings

    def __init__(self, agent: Agent, optimizer: Optimizer | None = None) -> None:
        self.module: nn.Module = getattr(agent, self.name)
        self.config: UpdatesConfig = getattr(agent.config, self.name).updates
        device = next(self.module.parameters()).device
        self.optimizer = optimizer or Adam(
            self.module.parameters(), fused=can_fuse(device)
        )
        init = agent.config.init
        self.pretrained = bool(init.path and getattr(init, self.name))
        self.updates = 0
        self.annealed = 1.0
        # A fused optimizer can look on the device whether to take its step
        looks = getattr(self.optimizer, "_step_supports_amp_scaling", False)
        self.asynchronous = looks and device.type == "cuda"
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
        update = self.updates if self.asynchronous else self.updates + 1
        terms = ", ".join(f"{k} {v.item():.4g}" for k, v in losses.terms.items())
        raise DivergedError(
            f"The {what} of the {self.name} became {value.item()} in its update "
            f"{update} ({terms})"
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
        that for granted, and a layout may come from another device. ValueError if they
        are another network's."""
        for weight, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if value.shape not in (weight.shape, torch.Size()):
                    raise ValueError(f"{name} is {value.shape} for {weight.shape}")
                if value.shape == weight.shape:
                    moments[name] = torch.empty_like(weight).copy_(value)


def can_fuse(device: torch.device) -> bool:
    """Whether PyTorch has a fused optimizer there."""
    return device.type != "mps"
