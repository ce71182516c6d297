"""What each optimisation is worth: from the paper's loop to the library's.

Every variant has one optimisation more, computes the same losses as the reference from
the same random numbers, and is timed. All in one run, on one machine.
"""

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from iris_core.evaluation.test_play import own_randomness
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models import vqgan
from iris_core.runtime.device import bf16_autocast
from iris_core.tools.benchmarks import parts, reference
from iris_core.training.state import TrainingState

REFERENCE = "reference: the paper's loop"

# How far a variant's losses may be from the reference's, relative to the value: what
# golden tests allow, and where bf16 rounds to three digits. Values below LEAST are
# taken as LEAST: the policy's loss is a sum of both signs
CLOSE, CLOSE_IN_BF16, LEAST = 1e-4, 5e-2, 0.1

Context = AbstractContextManager[None]
Without = Callable[[TrainingState], Context]


@dataclass(frozen=True)
class Optimisation:
    """Its name, how to do without it, and which runs have it: on one kind of
    device, or with some settings only."""

    name: str
    without: Without
    needed: Callable[[TrainingState], bool] = lambda state: True
    device: str | None = None

    def applies(self, state: TrainingState) -> bool:
        return self.device in (None, state.device.type) and self.needed(state)


@dataclass
class Variant:
    """seconds: of one call of each part. difference: the largest of its losses' from
    the reference's, relative to these."""

    name: str
    seconds: dict[str, float]
    difference: float


def run(state: TrainingState, repeats: int) -> list[Variant]:
    """The reference first, then a variant for every optimisation that a run's
    device and configuration have. state: has
    trained, as after `parts.measure`."""
    steps = [o for o in OPTIMISATIONS if o.applies(state)]
    names = [REFERENCE, *(f"+ {o.name}" for o in steps)]
    missing = {name: steps[i:] for i, name in enumerate(names)}
    # All losses come first: timing an update changes the weights
    differences, variants = compare(state, missing), []
    for name, without in parts.with_bar(missing):
        with doing_without(state, without):
            variants.append(Variant(name, seconds(state, repeats), differences[name]))
    return variants


def seconds(state: TrainingState, repeats: int) -> dict[str, float]:
    """Of an update of each component, and of a dream's step."""
    some = {**parts.updates(state), "dream step": parts.dream_step(state, 1)}
    return {
        name: parts.time_part(state, part, repeats)["median"]
        for name, part in some.items()
    }


@contextmanager
def doing_without(
    state: TrainingState, missing: Sequence[Optimisation]
) -> Iterator[None]:
    """All optimisations but these, of which the last goes first. Dreams and known
    frames are made again, for they may be in bf16."""
    with ExitStack() as stack:
        for optimisation in reversed(missing):
            stack.enter_context(optimisation.without(state))
        start_anew(state)
        yield
    start_anew(state)


def start_anew(state: TrainingState) -> None:
    state.actor_critic.env = None
    state.experience.token_cache.forget()


def compare(
    state: TrainingState, missing: Mapping[str, Sequence[Optimisation]]
) -> dict[str, float]:
    """How far every variant's losses are from those of the first.

    A dream in bf16 may sample another token, and is then another dream: the policy's
    losses are compared with the first variant's of the same precision.
    """
    found: dict[str, float] = {}
    first: dict[str, Tensor] = {}
    dreams: dict[bool, dict[str, Tensor]] = {}
    for name, without in parts.with_bar(missing):
        with doing_without(state, without):
            losses = losses_of(state)
            with state.autocast:
                bf16 = torch.is_autocast_enabled(state.device.type)
        first = first or losses
        of_dream = {k: v for k, v in losses.items() if k.startswith("actor_critic/")}
        expected = first | dreams.setdefault(bf16, of_dream)
        found[name] = largest_difference(losses, expected)
    return found


def losses_of(state: TrainingState) -> dict[str, Tensor]:
    """Every term of every loss of a new batch, nothing trained or dropped out; the
    random numbers are the same each time, and go on as if nothing had been drawn."""
    found = {}
    for component in state.components.values():
        rng = replaced("rng", {state.experience: random.Random(0)})
        chance = own_randomness(state.device, seed=0)
        with rng, chance, torch.no_grad(), state.autocast:
            losses = component.draw_loss()
        for name, value in losses.terms.items():
            found[f"{component.name}/{name}"] = value.float()
    return found


def largest_difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """Relative to each value of `theirs`, which has the same names."""
    return max(
        float((ours[name] - value).abs() / value.abs().clamp(min=LEAST))
        for name, value in theirs.items()
    )


def differing(variants: Sequence[Variant], bf16: bool) -> list[str]:
    """What to say of variants that compute something else. bf16: if any uses it."""
    allowed = CLOSE_IN_BF16 if bf16 else CLOSE
    return [
        f"The variant '{v.name}' computes something else: its losses differ from the "
        f"reference's by {v.difference:.1e} of their value (limit {allowed:.0e})."
        for v in variants
        if v.difference > allowed
    ]


# How to do without an optimisation


@contextmanager
def replaced(name: str, values: Mapping[Any, object]) -> Iterator[None]:
    """An attribute has other values for a while, by the object whose it is."""
    with ExitStack() as stack:
        for owner, value in values.items():
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def computing_as(*plain: type[nn.Module]) -> Without:
    """Modules compute as these classes do, each in place of the class that it extends,
    with the weights that they have."""

    def without(state: TrainingState) -> Context:
        classes = {
            module: type(slow.__name__, (slow, type(module)), {})
            for module in modules(state)
            for slow in plain
            if isinstance(module, slow.__bases__)
        }
        return replaced("__class__", classes)

    return without


def modules(state: TrainingState) -> Iterator[nn.Module]:
    """Of the agent, and of the target critic where there is one."""
    yield from state.agent.modules()
    if state.actor_critic.target is not None:
        yield from state.actor_critic.target.critic.modules()


def encode_every_time(state: TrainingState) -> Context:
    cache = reference.EncodeEveryTime(state.agent.tokenizer, state.replay)
    return replaced("token_cache", {state.experience: cache})


def dreaming_in(env: type[WorldModelEnv]) -> Without:
    return lambda state: replaced(
        "new_env", {state.actor_critic: lambda: env.of(state.agent)}
    )


def plain_optimizers(state: TrainingState) -> Context:
    components = state.components.values()
    optimizers = {c: reference.plain_optimizer(c.optimizer) for c in components}
    return replaced("optimizer", optimizers)


@contextmanager
def channels_first(state: TrainingState) -> Iterator[None]:
    lay_out(state, torch.contiguous_format)
    try:
        yield
    finally:
        lay_out(state, torch.channels_last)


def lay_out(state: TrainingState, memory_format: torch.memory_format) -> None:
    state.agent.tokenizer.to(memory_format=memory_format)  # type: ignore[call-overload]
    state.tokenizer.align_moments()


def all_together(state: TrainingState) -> Context:
    return replaced("GROUP", {vqgan: sys.maxsize})


def waiting(state: TrainingState) -> Context:
    components = state.components.values()
    for component in components:
        component.raise_pending()
    return replaced("asynchronous", dict.fromkeys(components, False))


def float32(state: TrainingState) -> Context:
    return replaced("autocast", {state: bf16_autocast(state.device, False)})


def drops_out(state: TrainingState) -> bool:
    return state.config.world_model.dropout > 0


def token_by_token(state: TrainingState) -> bool:
    return state.config.world_model.prediction == "autoregressive"


def convolutional(state: TrainingState) -> bool:
    return state.config.tokenizer.architecture == "vqgan"


attention_by_hand = computing_as(
    reference.AttentionByHand, reference.SpatialAttentionByHand
)

# In the order in which they are switched on
OPTIMISATIONS = (
    Optimisation("frames encoded, decoded once", encode_every_time),
    Optimisation("burn-in as one batch", computing_as(reference.BurnInFrameByFrame)),
    Optimisation("fused attention", attention_by_hand),
    Optimisation(
        "dropout by 16 bits", computing_as(reference.DrawForEach), drops_out, "cpu"
    ),
    Optimisation("static cache", computing_as(reference.CacheGrows)),
    Optimisation(
        "action with last token", computing_as(reference.ActionAlone), token_by_token
    ),
    Optimisation("fused optimizers", plain_optimizers),
    Optimisation("channels last", channels_first, convolutional, "cpu"),
    Optimisation("frames in groups", all_together, convolutional, "cpu"),
    Optimisation("no waiting", waiting, device="cuda"),
    Optimisation("bf16", float32, lambda state: state.bf16),
    Optimisation("CUDA graphs", dreaming_in(WorldModelEnv), device="cuda"),
)
