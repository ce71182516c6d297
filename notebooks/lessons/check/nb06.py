"""Checks of notebook 06: learning behaviour."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from iris_core.models.actor_critic import lambda_returns
from lessons.exercise import Wrong, as_array, choose, exercise, expect

REWARDS = torch.tensor([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 5.0]])
VALUES = torch.tensor([[4.0, 2.0, 6.0, 8.0], [1.0, 2.0, 3.0, 4.0]])
ENDS = torch.tensor([[False, False, False, False], [False, True, False, False]])


@exercise
def one_step(answer: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    gamma = 0.5
    wanted = lambda_returns(REWARDS, VALUES, ENDS, gamma, 0.0)[:, :-1]
    case = f"for rewards {REWARDS.tolist()}, values {VALUES.tolist()}, gamma {gamma}"
    got = as_array(answer(REWARDS, VALUES, ENDS, gamma))
    if got.shape == tuple(REWARDS.shape):
        raise Wrong(
            f"{case}: shape {got.shape}, expected (2, 3): the last step has no next"
            " value, so it has no target"
        )
    slips = {
        "the value is of the frame itself; take that of the next one": REWARDS[:, :-1]
        + gamma * ~ENDS[:, :-1] * VALUES[:, :-1],
        "gamma is missing": REWARDS[:, :-1] + ~ENDS[:, :-1] * VALUES[:, 1:],
        "an end at step 1 of row 1 did not cut the return": REWARDS[:, :-1]
        + gamma * VALUES[:, 1:],
    }
    tell_slip(got, slips, case)
    expect(got, wanted, case)


@exercise
def live(answer: Callable[[Tensor], Tensor]) -> None:
    ends = torch.tensor([[0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]]).bool()
    wanted = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]])
    case = f"for ends {ends.int().tolist()}"
    shifted = torch.cat([torch.zeros(3, 1), ends[:, :-1].float()], dim=1)
    slips = {
        "the step that ends is lived through: it has a reward of its own": 1
        - ends.int().cumsum(1).clamp(max=1),
        "only the one step after an end is cut; those behind it never happen either": 1
        - shifted,
        "only the ends are marked": 1 - ends.int(),
    }
    got = as_array(answer(ends))
    tell_slip(got, slips, case)
    expect(got, wanted, case)


@exercise
def best_policy(answer: Callable[[Tensor, float], Tensor]) -> None:
    for advantages, eta in (([1.0, 0.0, 0.0], 0.5), ([0.2, 0.1, 0.0], 0.1)):
        a = torch.tensor(advantages)
        case = f"for advantages {advantages} and eta {eta}"
        got = as_array(answer(a, eta))
        slips = {
            "eta has no effect; the bonus weighs the entropy by eta": a.softmax(0),
            "a larger eta must give a flatter policy, not a sharper one": (
                a * eta
            ).softmax(0),
            "that is the best action alone; with a bonus no action dies out": (
                a == a.max()
            ).float(),
        }
        tell_slip(got, slips, case)
        if got.shape == (3,) and abs(got.sum() - 1) > 1e-4:
            raise Wrong(f"{case}: probabilities add up to {got.sum():.4g}, expected 1")
        expect(got, a.div(eta).softmax(0), case)


@exercise
def horizon_one(answer: tuple[int, str]) -> None:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise Wrong(f'got {answer!r}, expected a pair like (16, "a")')
    steps, why = answer
    if steps != 0:
        raise Wrong(
            f"{steps} steps: each of the 16 dreams has 1 step, and the last step of"
            " every dream is dropped"
        )
    replies = {
        "a": "one step is no trouble for the world model: it predicts them one by one",
        "c": "a loss of 0 would be a number; look at what was printed",
    }
    choose(why, "b", replies)


def tell_slip(got: object, slips: dict[str, Tensor], case: str) -> None:
    """Wrong, with the slip's name, if the answer is what that slip gives."""
    mine = as_array(got)
    for slip, value in slips.items():
        theirs = as_array(value)
        if mine.shape == theirs.shape and abs(mine - theirs).max() < 1e-5:
            raise Wrong(f"{case}: {slip}")
