"""One of the three networks with its optimizer: a single update, done safely."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from iris_core.config.schema import UpdatesConfig
from iris_core.models.losses import Losses

SETTLED = 0.05  # of the step size: what `decay_over` leaves


class DivergedError(RuntimeError):
    """A loss or a gradient is not a finite number: training must stop."""


class Component:
    """A module, how it is optimised, and where its losses come from.

    `draw_loss` samples a batch and computes the losses; it runs under autocast.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        optimizer: Optimizer,
        config: UpdatesConfig,
        draw_loss: Callable[[], Losses],
    ) -> None:
        self.name = name
        self.module = module
        self.optimizer = optimizer
        self.config = config
        self.draw_loss = draw_loss
        self.updates = 0  # so far, in the whole run
        self.annealed = 1.0  # what the run's end leaves of the step size
        device = next(module.parameters()).device
        self.asynchronous = device.type == "cuda"
        self.unseen: tuple[Losses, Tensor] | None = None

    def updates_in(self, epoch: int) -> int:
        """How many updates the schedule gives it in an epoch (counted from 1)."""
        return updates_in(self.config, epoch)

    def update(self, autocast: torch.autocast) -> dict[str, Tensor]:
        """One step of the optimizer; returns detached losses and figures.

        DivergedError, with the weights as they were before, if the loss or the
        gradient is not finite. On CUDA, where looking would stop the program until the
        GPU is done, the next update or `settle` raises it; the weights stay all the
        same.
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
            self.settle()
            self.unseen = losses, norm
            # A fused optimizer looks at this on the device, and may do nothing
            self.optimizer.found_inf = (~(total + norm).isfinite()).float()  # type: ignore[attr-defined]
        else:
            self.check(norm, "gradient", losses)
        self.set_step_size()
        self.optimizer.step()
        self.updates += 1
        self.module.eval()
        return {**losses.detached(), "grad_norm": norm}

    def align(self) -> None:
        """Lay the optimizer's averages out as their weights: a fused optimizer takes
        that for granted, and a layout may come from another device."""
        for weight, averages in self.optimizer.state.items():
            for name, value in averages.items():
                if value.shape == weight.shape:
                    averages[name] = torch.empty_like(weight).copy_(value)

    def settle(self) -> None:
        """Look at what the last update left unseen."""
        if self.unseen is not None:
            losses, norm = self.unseen
            self.unseen = None
            self.check(losses.total, "loss", losses)
            self.check(norm, "gradient", losses)

    def set_step_size(self) -> None:
        """The step size grows linearly over the first `warmup_steps` updates, and
        falls in a line to `SETTLED` of it over the first `decay_over`; and it is what
        the run's end leaves of it."""
        done, config = self.updates + 1, self.config
        share = self.annealed * min(1.0, done / max(1, config.warmup_steps))
        if config.decay_over > 0:
            share *= max(SETTLED, 1.0 - done / config.decay_over)
        for group in self.optimizer.param_groups:
            group["lr"] = share * self.config.learning_rate

    def check(self, value: Tensor, what: str, losses: Losses) -> None:
        if math.isfinite(value.item()):
            return
        self.module.eval()
        terms = ", ".join(f"{k} {v.item():.4g}" for k, v in losses.terms.items())
        raise DivergedError(
            f"The {what} of the {self.name} became {value.item()} in its update "
            f"{self.updates + 1} ({terms})"
        )


def annealed(anneal_from: float, done: float) -> float:
    """What is left of the step size when a share of the run is done: 1, and after
    `anneal_from` in a line to 0 at the end."""
    return min(1.0, (1.0 - done) / (1.0 - anneal_from)) if anneal_from < 1 else 1.0


def updates_in(config: UpdatesConfig, epoch: int) -> int:
    """How many updates a schedule has in an epoch (counted from 1)."""
    if epoch <= config.start_after_epoch or 0 < config.stop_after_epoch < epoch:
        return 0
    first = epoch == config.start_after_epoch + 1
    return max(config.steps_per_epoch, config.first_epoch_steps * first)
