"""What each optimisation is worth: from the paper's loop taken literally to this one.

Every rung switches one more optimisation on, computes the same losses as the lowest
from the same random numbers, and is timed. All in one run, on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from iris_core.bench import Part, dreaming, know_replay, timed
from iris_core.literal import OPTIMISATIONS, Optimisation
from iris_core.training.trainer import Trainer

# How far apart two rungs may be, relative to the value: what golden tests allow, and
# where bf16 rounds to three digits. Values below LEAST are taken as LEAST: the policy's
# loss is a sum of both signs
CLOSE, CLOSE_IN_BF16, LEAST = 1e-4, 5e-2, 0.1


@dataclass
class Rung:
    """seconds: of one call of each part. difference: the largest of its losses' from
    those of the lowest rung, relative to these."""

    name: str
    seconds: dict[str, float]
    difference: float


def climb(trainer: Trainer, repeats: int) -> list[Rung]:
    """Every rung that a trainer's device and configuration have, the lowest first."""
    steps = [o for o in OPTIMISATIONS if o.applies(trainer)]
    names = ["the paper's loop, literally", *(f"+ {o.name}" for o in steps)]
    missing = [steps[height:] for height in range(len(names))]
    # All losses come first: timing an update changes the weights
    differences = compare(trainer, dict(zip(names, missing, strict=True)))
    rungs = []
    for name, without in zip(names, missing, strict=True):
        with standing(trainer, without):
            seconds = {}
            for part, do in parts(trainer).items():
                know_replay(trainer)
                seconds[part] = timed(do, repeats, trainer.device)["median"]
        rungs.append(Rung(name, seconds, differences[name]))
    return rungs


@contextmanager
def standing(trainer: Trainer, without: list[Optimisation]) -> Iterator[None]:
    """On a rung: all optimisations but these."""
    with ExitStack() as stack:
        for optimisation in without:
            stack.enter_context(optimisation.without(trainer))
        start_anew(trainer)
        yield
    start_anew(trainer)


def start_anew(trainer: Trainer) -> None:
    """Dreams and known frames are made again, as this rung makes them."""
    trainer.dreams = None
    trainer.token_cache.forget(version=-1)  # its frames may be in bf16


def compare(
    trainer: Trainer, missing: dict[str, list[Optimisation]]
) -> dict[str, float]:
    """How far every rung's losses are from those of the first.

    A dream in bf16 may sample another token, and is then another dream: the policy's
    losses are compared with the first rung's of the same precision.
    """
    found: dict[str, float] = {}
    literal: dict[str, Tensor] = {}
    dreams: dict[bool, dict[str, Tensor]] = {}
    for name, without in missing.items():
        with standing(trainer, without):
            losses = losses_of(trainer)
            with trainer.autocast:
                bf16 = torch.is_autocast_enabled(trainer.device.type)
        literal = literal or losses
        of_dream = {k: v for k, v in losses.items() if k.startswith("actor_critic/")}
        reference = literal | dreams.setdefault(bf16, of_dream)
        found[name] = largest_difference(losses, reference)
    return found


def parts(trainer: Trainer) -> dict[str, Part]:
    """What is timed: an update of each component, and a dream's step."""
    updates = {c.name: trainer.updater(c) for c in trainer.components}
    return {**updates, "dream step": dreaming(trainer, 1)}


def losses_of(trainer: Trainer) -> dict[str, Tensor]:
    """Every term of every loss of a new batch, nothing trained or dropped out."""
    found = {}
    for component in trainer.components:
        with fixed_numbers(trainer), torch.no_grad(), trainer.autocast:
            losses = component.draw_loss()
        for name, value in losses.terms.items():
            found[f"{component.name}/{name}"] = value.float()
    return found


@contextmanager
def fixed_numbers(trainer: Trainer) -> Iterator[None]:
    """The same random numbers each time, and nothing changed for what follows."""
    before = trainer.rng.getstate()
    devices = [trainer.device] if trainer.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(0)
        trainer.rng.seed(0)
        try:
            yield
        finally:
            trainer.rng.setstate(before)


def largest_difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """Relative to each value of `theirs`, which has the same names."""
    scale = {name: value.abs().clamp(min=LEAST) for name, value in theirs.items()}
    return max(
        float((ours[name] - value).abs() / scale[name])
        for name, value in theirs.items()
    )


def differing(rungs: list[Rung], bf16: bool) -> list[str]:
    """What to say of rungs that compute something else. bf16: whether any uses it."""
    allowed = CLOSE_IN_BF16 if bf16 else CLOSE
    return [
        f"The rung '{rung.name}' computes something else: its losses differ from the "
        f"literal ones by {rung.difference:.1e} of their value (limit {allowed:.0e})."
        for rung in rungs
        if rung.difference > allowed
    ]
