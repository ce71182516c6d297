"""Checks of notebook 04: the world model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from iris_core.models.world_model import IGNORE, places
from lessons.exercise import Wrong, exercise, expect

LISTS = ("frame tokens", "actions", "positions that predict a frame token")


@exercise
def slices(answer: Callable[[int, int, int], Sequence[Sequence[int]]]) -> None:
    """Index lists of a piece that follows `start` tokens."""
    cases = [(0, 6, 2), (2, 4, 2), (16, 1, 16), (17, 16, 16), (40, 30, 16)]
    for start, length, k in cases:
        case = f"start = {start}, length = {length}, K = {k}"
        got = [[int(i) for i in each] for each in answer(start, length, k)]
        if len(got) != 3:
            raise Wrong(f"{case}: {len(got)} lists, expected 3")
        theirs = places(start, length, k + 1, torch.device("cpu"))
        for name, mine, right in zip(LISTS, got, theirs, strict=True):
            wanted = right.tolist()
            if mine == wanted:
                continue
            told = f"{case}: {name} are {mine}, expected {wanted}"
            if start and mine == [start + i for i in wanted]:
                told += "; count from the piece's beginning, not the sequence's"
            elif start and mine == alone(name, length, k):
                told += "; the piece begins in the middle of a block"
            elif name == LISTS[2] and mine == theirs[0].tolist():
                told += "; the last frame token is silent, the action is not"
            raise Wrong(told)


def alone(name: str, length: int, k: int) -> list[int]:
    """The list of a piece with nothing before it."""
    theirs = places(0, length, k + 1, torch.device("cpu"))
    return theirs[LISTS.index(name)].tolist()


@exercise
def labels(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Frame tokens shifted by one, IGNORE in padding."""
    tiny = torch.tensor([[[70, 71], [80, 81], [90, 91]]])
    cases = [(tiny, [[True, True, True]]), (tiny, [[True, True, False]])]
    large = torch.arange(2 * 3 * 16).view(2, 3, 16)
    cases.append((large, [[True, True, True], [True, False, False]]))
    for tokens, real in cases:
        mask = torch.tensor(real)
        got = answer(tokens.clone(), mask.clone())
        case = f"K = {tokens.shape[-1]}, mask {real}"
        if tokens is tiny:
            case = f"frames {tiny[0].tolist()}, mask {real[0]}"
        full = tokens.masked_fill(~mask[..., None], IGNORE).flatten(1)
        explain_labels(got, tokens, full, case)
        expect(got, full[:, 1:], case, atol=0)
        if got.dtype != torch.int64:
            raise Wrong(f"{case}: labels are {got.dtype}, expected torch.int64")


def explain_labels(got: Tensor, tokens: Tensor, full: Tensor, case: str) -> None:
    """Name the usual slips. full: (B, T * K), not shifted."""
    k = tokens.shape[-1]
    own = "the LAST token was dropped: a token would be its own label; drop the first"
    slips = {
        "nothing is shifted: the first token, that nothing precedes, is no label": full,
        own: full[:, :-1],
        "shifted by a whole frame; a token's label is the NEXT token": full[:, k:],
    }
    for slip, wrong in slips.items():
        if got.shape == wrong.shape and torch.equal(got, wrong):
            raise Wrong(f"{case}: {slip}")
    unmasked = tokens.flatten(1)[:, 1:]
    if got.shape == unmasked.shape and not torch.equal(unmasked, full[:, 1:]):
        if torch.equal(got, unmasked):
            raise Wrong(f"{case}: padding has labels; they must be {IGNORE}")
        if torch.equal(got, unmasked.masked_fill(full[:, 1:] == IGNORE, 0)):
            raise Wrong(f"{case}: padding is labelled 0, which is a real code")


@exercise
def reward_class(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """sign(r) + 1, IGNORE in padding."""
    rewards = torch.tensor([[-7.0, -0.5, 0.0, 0.5, 1.0, 30.0, 0.0, 1.0]])
    mask = torch.tensor([[True] * 6 + [False] * 2])
    got = answer(rewards.clone(), mask.clone())
    wanted = torch.tensor([[0, 0, 1, 2, 2, 2, IGNORE, IGNORE]])
    case = f"rewards {rewards[0].tolist()}, the last two padding"
    if got.shape == wanted.shape:
        told = f"{case}: got {got[0].tolist()}, expected {wanted[0].tolist()}"
        if (got[mask] == wanted[mask]).all() and (got != wanted).any():
            raise Wrong(f"{told}; padding must be {IGNORE}")
        if (got[mask] == rewards[mask].sign()).all():
            raise Wrong(f"{told}; classes begin at 0, so add 1")
        if (got != wanted).any():
            raise Wrong(told)
    expect(got, wanted, case, atol=0)
    if got.dtype != torch.int64:
        raise Wrong(f"{case}: classes are {got.dtype}, cross_entropy wants torch.int64")


@exercise
def delayed(answer: Callable[[Tensor], Tensor]) -> None:
    """The action of the step before, 0 at the first."""
    actions = torch.tensor([[1, 2, 0, 2], [2, 2, 1, 1]])
    got = answer(actions.clone())
    case = f"actions {actions.tolist()}"
    rolled = actions.roll(1, dims=1)
    early = torch.cat([actions[:, 1:], torch.zeros(2, 1, dtype=torch.int64)], dim=1)
    if got.shape == actions.shape:
        if torch.equal(got, rolled):
            raise Wrong(f"{case}: the first column holds the last action; make it 0")
        if torch.equal(got, early):
            raise Wrong(f"{case}: that is one step EARLY: step t has action t + 1")
        if torch.equal(got, actions):
            raise Wrong(f"{case}: nothing moved")
    wanted = rolled.clone()
    wanted[:, 0] = 0
    expect(got, wanted, case, atol=0)


FLOORS = {
    0.0: "that needs the action, which has not been fed yet",
    math.log(6): "that is a model that does not even know where the marker is",
    math.log(2): "that would be two possible next cells; there are three moves",
    1 / 3: "that is the probability of each cell; the loss is its negative logarithm",
}


@exercise
def floor(answer: float) -> None:
    """ln 3: three equally likely cells."""
    value = float(answer)
    for wrong, told in FLOORS.items():
        if math.isclose(value, wrong, abs_tol=0.01):
            raise Wrong(f"floor = {value:.3f}: {told}")
    if math.isclose(value, math.log2(3), abs_tol=0.01):
        raise Wrong(f"floor = {value:.3f} is in bits; nats use the natural logarithm")
    if not math.isclose(value, math.log(3), abs_tol=0.01):
        raise Wrong(
            f"floor = {value:.3f}: with n next cells, each as likely, the surprise is"
            " ln n; how many are there if the action is unknown?"
        )
