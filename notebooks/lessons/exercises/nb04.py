"""Exercises of notebook 04: the world model."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lessons.exercises.exercise import exercise
from lessons.exercises.question import Number


@exercise(
    parts=["frame tokens", "actions", "positions that predict a frame token"],
    case="start = {0}, length = {1}, K = {2}",
    cases=[(0, 6, 2), (2, 4, 2), (16, 1, 16), (17, 16, 16), (40, 30, 16)],
    slips={
        "count from the piece's beginning, not the sequence's": "[i -> [start + i",
        "the piece begins in the middle of a block": "(start + i) -> i",
        "the last frame token is silent, the action is not": "frame - 1] -> frame]",
        "the last frame token predicts no frame token": "frame - 1] -> frame + 1]",
        "a block is K frame tokens and"
        " one action": "% (tokens_per_frame + 1) -> % tokens_per_frame",
    },
)
def slices(
    start: int, length: int, tokens_per_frame: int
) -> tuple[list[int], list[int], list[int]]:
    """The place in the block counts from the sequence, the index from the piece."""
    at = [(start + i) % (tokens_per_frame + 1) for i in range(length)]
    frame = [i for i, place in enumerate(at) if place != tokens_per_frame]
    action = [i for i, place in enumerate(at) if place == tokens_per_frame]
    predicts = [i for i, place in enumerate(at) if place != tokens_per_frame - 1]
    return frame, action, predicts


@exercise(
    array=torch.tensor,
    cases=[
        ([[[70, 71], [80, 81], [90, 91]]], [[True, True, True]]),
        ([[[70, 71], [80, 81], [90, 91]]], [[True, True, False]]),
        (torch.arange(96).view(2, 3, 16), [[True, True, True], [True, False, False]]),
    ],
    slips={
        "nothing is shifted: the first token, that nothing precedes, is"
        " no label": "[:, 1:] -> ",
        "the LAST token was dropped: a token would be its own label; drop"
        " the first": "[:, 1:] -> [:, :-1]",
        "shifted by a whole frame; a token's label is the"
        " NEXT token": "[:, 1:] -> [:, frame_tokens.shape[-1]:]",
        "padding has labels; they must be"
        " -100": ".masked_fill(~mask[..., None], -100) -> ",
        "padding is labelled 0, which is a real code": "-100 -> 0",
        "the mask is True where a step is REAL; fill the others": "~mask -> mask",
    },
)
def labels(frame_tokens: Tensor, mask: Tensor) -> Tensor:
    return frame_tokens.masked_fill(~mask[..., None], -100).flatten(1)[:, 1:]


@exercise(
    array=torch.tensor,
    cases=[([[-7.0, -0.5, 0.0, 0.5, 1.0, 30.0, 0.0, 1.0]], [[True] * 6 + [False] * 2])],
    slips={
        "padding must be -100": ".masked_fill(~mask, -100) -> ",
        "classes begin at 0, so add 1": " + 1 -> ",
        "take the sign first; .long() turns 0.5 into 0": ".sign() -> .long().sign()",
        "a reward of 0.5 is class 2; take the sign": ".sign() -> .clamp(-1, 1)",
        "cross_entropy wants int64": ".long() -> ",
        "the mask is True where a step is REAL; fill the others": "~mask -> mask",
    },
)
def reward_class(rewards: Tensor, mask: Tensor) -> Tensor:
    return (rewards.sign() + 1).long().masked_fill(~mask, -100)


@exercise(
    array=torch.tensor,
    cases=[([[1, 2, 0, 2], [2, 2, 1, 1]],)],
    slips={
        "the first column holds the last action; make it"
        " 0": "torch.zeros_like(actions[:, :1]) -> actions[:, -1:]",
        "that is one step EARLY: step t has action"
        " t + 1": "[nothing, actions[:, :-1]] -> [actions[:, 1:], nothing]",
        "nothing moved": "[nothing, actions[:, :-1]] -> [actions]",
        "the batch was shifted; time is dimension 1": lambda a: a.roll(1, dims=0),
    },
)
def delayed(actions: Tensor) -> Tensor:
    nothing = torch.zeros_like(actions[:, :1])
    return torch.cat([nothing, actions[:, :-1]], dim=1)


floor = Number(
    "floor",
    math.log(3),  # three cells, each as likely
    {
        "that needs the action, which has not been fed yet": 0,
        "that is a model that does not even know where the marker is": math.log(6),
        "that would be two possible next cells; there are three moves": math.log(2),
        "that is the probability of a cell; the loss is its negative logarithm": 1 / 3,
        "that is in bits; nats use the natural logarithm": math.log2(3),
    },
    "with n next cells, each as likely, the surprise is ln n; how many are there if the"
    " action is unknown?",
)
