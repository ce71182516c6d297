"""Exercises of notebook 02: frames to tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice

OfTensors = Callable[[Tensor, Tensor], Tensor]


class LargestTensor(TorchFunctionMode):
    """Remembers the size of the largest tensor that an operation inside it gives."""

    size = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.size = max(self.size, out.numel())
        return out


def indices_and_memory(
    answer: OfTensors, z: Tensor, codes: Tensor
) -> tuple[Tensor, bool]:
    with LargestTensor() as largest:
        answer(torch.zeros(40, 20), torch.zeros(30, 20))
    return answer(z, codes), largest.size >= 40 * 30 * 20


@exercise(
    parts=["indices", "a tensor of N x V x d numbers is made"],
    observe=indices_and_memory,
    array=torch.tensor,
    cases=[
        ([[3.0, 1], [1, 2]], [[0.0, 0], [4, 0], [0, 3]]),
        ([[1.0, 0]], [[1.0, 0], [10, 0]]),
        ([[1.4], [2.8], [0.8]], [[0.0], [2], [4]]),
        ([[0.4], [0.9]], [[0.0], [0.5], [1]]),
    ],
    slips={
        "the largest product is not the nearest: a long code may be far away; did you"
        " leave out |e|^2?": "codes.pow(2).sum(1) - 2 * -> -",
        "that is |e|; it must be |e|^2": "codes.pow(2).sum(1) -> codes.norm(dim=1)",
        "the product counts twice: |e|^2 - 2 z.e": "2 * z -> z",
        "those are the farthest codes": "argmin -> argmax",
        "those are distances; give indices": lambda z, codes: torch.cdist(
            z, codes
        ).amin(1),
        "N x V are enough: write the square out and use a matrix product": (
            lambda z, codes: (z[:, None] - codes).square().sum(-1).argmin(1)
        ),
    },
)
def nearest(z: Tensor, codes: Tensor) -> Tensor:
    """|z - e|^2 = |z|^2 - 2 z.e + |e|^2, and |z|^2 is the same for every code."""
    return (codes.pow(2).sum(1) - 2 * z @ codes.T).argmin(1)


def value_and_gradients(answer: OfTensors, z: Tensor, z_q: Tensor) -> list[Tensor]:
    """The value, and what z and z_q get if the decoder sends back (5, -2)."""
    with torch.enable_grad():
        out = answer(z.requires_grad_(), z_q.requires_grad_())
        if out.requires_grad:
            out.backward(torch.tensor([5.0, -2.0]))
    return [out, *(torch.zeros(2) if x.grad is None else x.grad for x in (z, z_q))]


@exercise(
    parts=["value", "gradient of z if (5, -2) is sent back", "gradient of z_q"],
    observe=value_and_gradients,
    array=torch.tensor,
    cases=[([1.4, -0.3], [1.0, 0.0])],
    slips={
        "the decoder must see z_q": "(z_q - z).detach() -> 0",
        "z gets nothing, and the encoder would never learn from the frame's error; only"
        " the difference is detached": "z + (z_q - z) -> z_q",
        "z should get the same": "z + (z_q - z) -> 2 * z + (z_q - 2 * z)",
        "the codes learn from the codebook term alone, so z_q stands inside the"
        " detach": "(z_q - z).detach() -> z_q - z.detach()",
    },
)
def straight_through(z: Tensor, z_q: Tensor) -> Tensor:
    """Forward z_q; backward the identity for z, nothing for z_q."""
    return z + (z_q - z).detach()


@exercise(
    array=torch.tensor,
    case="three vectors at squared distances 25, 0 and 4 from their codes",
    cases=[([[3.0, 4], [1, 1], [0, 2]], [[0.0, 0], [1, 1], [0, 0]])],
    slips={
        "that is their sum; take the mean over the vectors": "mean -> sum",
        "that is a mean over all numbers; sum over d, then average": ".sum(1) -> ",
        "that is a mean of the distances; square them": "sum(1) -> sum(1).sqrt()",
    },
)
def drift(z: Tensor, z_q: Tensor) -> Tensor:
    return (z - z_q).pow(2).sum(1).mean()


why_drift = Choice(
    "why_drift",
    "b",  # z is pushed, the code follows late, and nothing calls z back
    a="the codebook term is still there, and the codes do move: that is why the frame's"
    " error does not grow at once",
    c="the decoder still sees z_q: the forward pass is the same with or without the"
    " commitment term",
    d="look at the middle panel: the vectors get longer, not shorter",
)


@exercise(
    array=torch.tensor,
    cases=[
        ([7.0] * 512, 16),
        ([2.0, 1, 1], 1),
        ([2.0, 1, 1], 64),
        ([5.0, 5, 0, 0], 10),
        ([0.0, 9, 0], 16),
    ],
    slips={
        "that is in nats; use log2 for bits": "log2 -> log",
        "the sign is wrong": "-tokens -> tokens",
        "0 * log 0 counts as 0; drop unused codes": "p[p > 0] -> p",
        "that is one token; a frame has tokens_per_frame": "-tokens_per_frame * -> -",
        "tokens_per_frame is an argument": "-tokens_per_frame -> -16",
        "that holds for codes used equally; weigh each by its"
        " share": "(p * torch.log2(p)).sum() -> -torch.tensor(len(counts)).log2()",
        "that counts the codes in use; weigh each by its"
        " share": "(p * torch.log2(p)).sum() -> -torch.tensor(len(p)).log2()",
    },
)
def bits_per_frame(counts: Tensor, tokens_per_frame: int) -> Tensor:
    p = counts / counts.sum()
    p = p[p > 0]  # 0 log 0 = 0
    return -tokens_per_frame * (p * torch.log2(p)).sum()
