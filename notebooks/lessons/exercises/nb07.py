"""Exercises of notebook 07: the whole loop."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from iris_core.config.departures import UpdatesConfig
from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice


def schedule(start: int, stop: int, steps: int, first: int) -> UpdatesConfig:
    return UpdatesConfig(
        start_after_epoch=start,
        stop_after_epoch=stop,
        steps_per_epoch=steps,
        first_epoch_steps=first,
    )


@exercise(
    case="start_after_epoch={1.start_after_epoch}, stop_after_epoch="
    "{1.stop_after_epoch}, steps_per_epoch={1.steps_per_epoch}, first_epoch_steps="
    "{1.first_epoch_steps} and epoch {0}",
    cases=[
        *((epoch, schedule(5, 0, 200, 0)) for epoch in (5, 6, 600)),
        *((epoch, schedule(0, 0, 100, 1000)) for epoch in (1, 2)),
        *((epoch, schedule(25, 0, 100, 1000)) for epoch in (1, 26)),
        *((epoch, schedule(0, 1, 200, 300)) for epoch in (1, 2)),
        (3, schedule(2, 0, 50, 20)),
        (4, schedule(0, 4, 10, 0)),
    ],
    slips={
        "the epoch after start_after_epoch is the first": "_epoch: -> _epoch + 1:",
        "it starts in the epoch after start_after_epoch": "epoch <= -> epoch <",
        "stop_after_epoch=0 means that it never stops": "0 < settings -> settings",
        "it is frozen after stop_after_epoch": "< epoch -> < 0",
        "epoch stop_after_epoch itself still trains": "< epoch -> <= epoch",
        "its first epoch has first_epoch_steps": "settings.first_epoch_steps -> 0",
        "only the first epoch has first_epoch_steps": "epoch == -> epoch >=",
        "its first epoch need not be the run's"
        " first": "settings.start_after_epoch + 1 -> 1",
        "first_epoch_steps counts only if it is more; take"
        " the max": "max(settings.steps_per_epoch, -> (",
        "first_epoch_steps counts only if it is more, not wherever it"
        " is set": "return max -> return settings.first_epoch_steps or max",
    },
)
def updates_in(epoch: int, settings: UpdatesConfig) -> int:
    """7.1. Not before its start, not after its end, more in its first epoch."""
    if epoch <= settings.start_after_epoch:
        return 0
    if 0 < settings.stop_after_epoch < epoch:
        return 0
    if epoch == settings.start_after_epoch + 1:
        return max(settings.steps_per_epoch, settings.first_epoch_steps)
    return settings.steps_per_epoch


@exercise(
    cases={
        "500 epochs of 200 steps": (0, 500, 200, 1),
        "a warm start of 10,000, then 4 epochs of 500": (10_000, 4, 500, 4),
        "an epoch makes 167 calls of 3 steps: 166 are too few": (0, 2, 500, 3),
        "12 steps of warm start, then 2 epochs of 6": (10, 2, 4, 3),
        "8 steps by 8 games are one call, not two": (8, 3, 8, 8),
        "one call of 16 games plays 16 steps": (0, 1, 1, 16),
    },
    slips={
        "round up: with a call less, a phase does not reach its number": "-(- -> (",
        "round each phase, not the sum": lambda warm, epochs, steps, n: (
            -(-(warm + epochs * steps) // n) * n
        ),
        "round up to whole calls: each plays a step of"
        " every game": lambda warm, epochs, steps, n: warm + epochs * steps,
        "the warm start is played once, not every epoch": (
            "(warm_calls + epochs * calls) -> epochs * (warm_calls + calls)"
        ),
        "where it divides exactly, no call is added": (
            "calls = -(-steps_per_epoch -> calls = 1 - -(-(steps_per_epoch - num_envs)"
        ),
        "those are calls; each plays a step of every game": "num_envs * ( -> (",
        "the warm start is played too": "(warm_calls + -> (",
    },
)
def steps_played(
    warm_start_steps: int, epochs: int, steps_per_epoch: int, num_envs: int
) -> int:
    """7.2. Every phase is rounded up to whole calls of all games."""
    warm_calls = -(-warm_start_steps // num_envs)
    calls = -(-steps_per_epoch // num_envs)
    return num_envs * (warm_calls + epochs * calls)


# 7.3. `Collector.begin` computes it anew from the replay buffer at every phase's start.
# In the middle of a phase it would matter, so a checkpoint holds it.
why_the_state_may_go = Choice(
    "why_the_state_may_go",
    "b",
    a="small or not, it goes into every action's logits: in the middle of a collecting"
    " phase, losing it changes what is played",
    c="weights are what learning changes; the state is made of the frames that were"
    " seen, and agent.safetensors does not hold it",
    d="a game of Catch has 28 steps, and an epoch plays 30 in each of two games: after"
    " an epoch both are under way ('games under way' mattered)",
)


@exercise(
    case="logits {0} (NOOP, UP, DOWN) and temperature {1:g}",
    cases=[
        ([0.0, 0.02, 0.01], 0.01),
        ([0.0, 0.02, 0.01], 1.0),
        ([0.0, -1.0, 1.0], 0.5),
        ([1000.0, 1000.0, 0.0], 1.0),
    ],
    slips={
        "the temperature changes nothing there; divide the logits"
        " by it": " / temperature -> ",
        "a low temperature must sharpen; divide by it, do"
        " not multiply": "/ temperature -> * temperature",
        "that is P(UP) alone; a step down undoes a step up": "up - down -> up",
        "that is P(UP) - P(NOOP); NOOP moves nothing,"
        " DOWN does": "_, up, down -> down, up, _",
        "that is P(DOWN) - P(UP), the way down": "up - down -> down - up",
        "exp overflows; subtract the largest logit before it": lambda logits, t: (
            ((p := (torch.tensor(logits) / t).exp())[1] - p[2]) / p.sum()
        ),
    },
)
def climb(logits: Sequence[float], temperature: float) -> float:
    """7.4. NOOP, UP, DOWN: a step down undoes a step up."""
    _, up, down = (torch.tensor(logits) / temperature).softmax(0).tolist()
    return up - down


# 7.4. At 1 a fresh policy's ups and downs cancel, so no reward is ever seen; a low
# temperature makes a habit of its small lean. (It has to lean the right way.)
why_so_cold = Choice(
    "why_so_cold",
    "b",
    a="a fresh policy knows at no temperature what pays: it has seen nothing",
    c="this is the temperature of the actions in the real game; the tokens of a dream"
    " have one of their own",
    d="the emulator is as deterministic at 1, and the games differ all the same:"
    " actions are sampled",
)
