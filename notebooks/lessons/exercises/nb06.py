"""Exercises of notebook 06: learning behaviour."""

from __future__ import annotations

import torch
from torch import Tensor

from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice, Number, Several

REWARDS = torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 5.0]])
VALUES = torch.tensor([[4.0, 2.0, 6.0, 8.0], [1.0, 2.0, 3.0, 4.0]])
ENDS = torch.tensor([[False, False, False, False], [False, True, False, False]])


@exercise(
    cases=[(REWARDS, VALUES, ENDS, 0.5)],
    slips={
        "the value is of the frame itself; take that of the"
        " next one": "values[:, 1:] -> values[:, :-1]",
        "gamma is missing": "gamma * -> ",
        "an end at step 1 of row 1 did not cut the return": "~ends[:, :-1] * -> ",
        "an end cuts the return, the other steps do not": "~ends -> ends",
        "the last step has no next value, so it has"
        " no target": lambda r, v, ends, gamma: r + gamma * ~ends * v.roll(-1, 1),
    },
)
def one_step(rewards: Tensor, values: Tensor, ends: Tensor, gamma: float) -> Tensor:
    return rewards[:, :-1] + gamma * ~ends[:, :-1] * values[:, 1:]


@exercise(
    cases=[(torch.tensor([[0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]]).bool(),)],
    slips={
        "the step that ends is lived through: it has a reward of"
        " its own": " - ends.int() -> ",
        "only the one step after an end is cut; those behind it never happen either": (
            lambda ends: 1.0 - ends.roll(1, 1) * (torch.arange(5) > 0).int()
        ),
        "only the ends are marked": "ended_before == 0 -> ~ends",
        "that marks what comes after an end": "== 0 -> > 0",
    },
)
def live(ends: Tensor) -> Tensor:
    ended_before = ends.int().cumsum(dim=1) - ends.int()
    return (ended_before == 0).float()


@exercise(
    array=torch.tensor,
    cases=[([1.0, 0.0, 0.0], 0.5), ([0.2, 0.1, 0.0], 0.1), ([0.2, 0.1, 0.0], 0.001)],
    slips={
        "eta has no effect; the bonus weighs the entropy by eta": " / eta -> ",
        "a larger eta must give a flatter policy, not a sharper one": "/ eta -> * eta",
        "that is the best action alone; with a bonus no action"
        " dies out": lambda advantages, eta: (advantages == advantages.max()).float(),
        "probabilities add up to 1; divide by their sum": ".softmax(dim=0) -> .exp()",
        "exp overflows at the paper's eta; softmax subtracts the largest logit first": (
            lambda advantages, eta: (p := (advantages / eta).exp()) / p.sum()
        ),
    },
)
def best_policy(advantages: Tensor, eta: float) -> Tensor:
    return (advantages / eta).softmax(dim=0)


DROPPED = "each of the 16 dreams has 1 step, and the last step of each is dropped"
horizon_one = Several(
    "horizon_one",
    Number("steps", 0, {DROPPED: 16}, DROPPED),
    Choice(
        "why",
        "b",
        a="one step is no trouble for the world model: it predicts them one by one",
        c="a loss of 0 would be a number; look at what was printed",
    ),
)
