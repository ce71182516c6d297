"""A copy of a network that follows it slowly: an average over its last updates."""

import copy
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def slow_copy(module: Module) -> Module:
    """A frozen twin, for `follow` to move."""
    return copy.deepcopy(module).requires_grad_(False).eval()


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, decay: float) -> None:
    """Move the slow copy a little towards the learner: it keeps `decay` of itself."""
    for p, q in zip(slow.parameters(), fast.parameters(), strict=True):
        p.lerp_(q, 1 - decay)
