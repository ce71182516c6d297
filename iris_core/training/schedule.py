"""When a run does what: the phases of an epoch, and how far the run has come.

Algorithm 1 of the paper: an epoch collects experience, then trains the tokenizer, the
world model and the actor-critic, as far as each has started.
"""

from __future__ import annotations

from typing import NamedTuple

from iris_core.config.departures import Config, UpdatesConfig

COMPONENTS = ("tokenizer", "world_model", "actor_critic")  # in an epoch's order
WARM_START, COLLECT = "warm_start", "collect"
FINAL_SHARE = 0.05  # of the learning rate: what `decay_over` leaves


class Phase(NamedTuple):
    """A part of an epoch: its name, and its steps (of all environments, or updates)."""

    name: str
    steps: int


def phases(config: Config, epoch: int) -> list[Phase]:
    """What an epoch (counted from 1) does, in order."""
    collection, n = config.collection, config.env.num_envs
    found: list[Phase] = []
    if epoch == 1 and collection.warm_start_steps > 0:
        found.append(Phase(WARM_START, -(-collection.warm_start_steps // n)))
    if epoch <= collection.epochs or config.training.cpu_minutes > 0:
        found.append(Phase(COLLECT, -(-collection.steps_per_epoch // n)))
    updates = epoch_updates(config, epoch)
    return found + [Phase(name, updates[name]) for name in COMPONENTS]


def updates_in(updates: UpdatesConfig, epoch: int) -> int:
    """How many updates a component's schedule has in an epoch (counted from 1)."""
    if epoch <= updates.start_after_epoch or 0 < updates.stop_after_epoch < epoch:
        return 0
    first = epoch == updates.start_after_epoch + 1
    return max(updates.steps_per_epoch, updates.first_epoch_steps * first)


def epoch_updates(config: Config, epoch: int) -> dict[str, int]:
    """Updates of each component in an epoch; of the actor-critic: rollouts."""
    schedules = {name: getattr(config, name).updates for name in COMPONENTS}
    return {name: updates_in(updates, epoch) for name, updates in schedules.items()}


def total_updates(config: Config, epochs: int) -> dict[str, int]:
    """Updates of each component in the first epochs; of the actor-critic: rollouts."""
    each = [epoch_updates(config, epoch) for epoch in range(1, epochs + 1)]
    return {name: sum(updates[name] for updates in each) for name in COMPONENTS}


def share_done(config: Config, epochs: int, cpu_seconds: float) -> float:
    """How much of a run is done after some epochs and CPU seconds, in [0, 1]."""
    training = config.training
    if training.cpu_minutes > 0:
        return min(1.0, cpu_seconds / (60 * training.cpu_minutes))
    return min(1.0, epochs / training.epochs)


def is_last(config: Config, epoch: int, cpu_seconds: float) -> bool:
    """Whether a run ends with an epoch that has just been trained."""
    training = config.training
    if training.cpu_minutes > 0:
        return cpu_seconds >= 60 * training.cpu_minutes
    return epoch >= training.epochs


def annealed(anneal_from: float, done: float) -> float:
    """What is left of the learning rate when a share of the run is done: 1, and after
    `anneal_from` linearly down to 0 at the end."""
    return min(1.0, (1.0 - done) / (1.0 - anneal_from)) if anneal_from < 1 else 1.0


def learning_rate(updates: UpdatesConfig, update: int, left: float) -> float:
    """Of an update (counted from 1): it rises over the first `warmup_steps`, and falls
    linearly to `FINAL_SHARE` over `decay_over`. left: of `annealed`."""
    share = left * min(1.0, update / max(1, updates.warmup_steps))
    if updates.decay_over > 0:
        share *= max(FINAL_SHARE, 1.0 - update / updates.decay_over)
    return share * updates.learning_rate
