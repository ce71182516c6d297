"""Solutions of notebook 06."""

from __future__ import annotations

from torch import Tensor


def one_step(rewards: Tensor, values: Tensor, ends: Tensor, gamma: float) -> Tensor:
    return rewards[:, :-1] + gamma * ~ends[:, :-1] * values[:, 1:]


def live(ends: Tensor) -> Tensor:
    ended_before = ends.int().cumsum(dim=1) - ends.int()
    return (ended_before == 0).float()


def best_policy(advantages: Tensor, eta: float) -> Tensor:
    return (advantages / eta).softmax(dim=0)


horizon_one = (0, "b")
