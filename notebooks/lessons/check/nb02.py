"""Checks of notebook 02: frames to tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lessons.exercise import Wrong, as_array, choose, exercise, expect


@exercise
def nearest(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """(N, d) and (V, d) -> (N,), without a tensor of N * V * d numbers."""
    codes = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    z = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
    compare(answer(z, codes), [1, 2], "codes (0,0), (4,0), (0,3), z = (3,1) and (1,2)")
    # The largest dot product is not the nearest: code 1 is long and far away
    long = torch.tensor([[1.0, 0.0], [10.0, 0.0]])
    compare(
        answer(torch.tensor([[1.0, 0.0]]), long),
        [0],
        "codes (1,0) and (10,0), z = (1,0); did you leave out |e|^2?",
    )
    # |e| in the place of |e|^2, or one z.e in the place of two, chooses otherwise here
    three = torch.tensor([[0.0], [2.0], [4.0]])
    compare(
        answer(torch.tensor([[1.4], [2.8], [0.8]]), three),
        [1, 1, 0],
        "codes 0, 2, 4, z = 1.4, 2.8, 0.8; is it |e|^2 - 2 z.e?",
    )
    refuse_large(answer)


def compare(got: Tensor, wanted: list[int], case: str) -> None:
    """Wrong unless `got` is this row of indices."""
    if torch.as_tensor(got).is_floating_point():
        raise Wrong(f"{case}: got {as_array(got)}; expected indices, {wanted}")
    expect(got, wanted, case)


def refuse_large(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Wrong if the answer makes a tensor as large as every vector minus every code."""
    n, vocab, d = 40, 30, 20
    watch = Watch()
    with watch:
        answer(torch.zeros(n, d), torch.zeros(vocab, d))
    if watch.largest >= n * vocab * d:
        raise Wrong(
            f"right, but for N = {n}, V = {vocab}, d = {d} you make a tensor of "
            f"{watch.largest:,} numbers; {n * vocab:,} are enough (write the square "
            "out and use a matrix product)"
        )


class Watch(TorchFunctionMode):
    """Remembers the largest tensor that any operation inside it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.largest = max(self.largest, out.numel())
        return out


@exercise
def straight_through(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The value is z_q; the gradient goes to z, unchanged, and not to z_q."""
    z = torch.tensor([1.4, -0.3], requires_grad=True)
    z_q = torch.tensor([1.0, 0.0], requires_grad=True)
    case = "z = (1.4, -0.3), z_q = (1, 0)"
    out = answer(z, z_q)
    if not torch.allclose(out, z_q):
        raise Wrong(
            f"{case}: the value is {numbers(out)}; the decoder must see z_q, (1, 0)"
        )
    upstream = torch.tensor([5.0, -2.0])
    if not out.requires_grad:
        raise Wrong(f"{case}: no gradient reaches z; only the difference is detached")
    to_z, to_codes = torch.autograd.grad(out, (z, z_q), upstream, allow_unused=True)
    if to_z is None or not to_z.any():
        raise Wrong(
            f"{case}: the decoder sends back (5, -2), and z gets nothing: "
            "the encoder would never learn from the frame's error"
        )
    if not torch.allclose(to_z, upstream):
        raise Wrong(
            f"{case}: the decoder sends back (5, -2), z gets {numbers(to_z)}; "
            "it should get the same"
        )
    if to_codes is not None and to_codes.any():
        raise Wrong(
            f"{case}: z_q gets the gradient {numbers(to_codes)} too; the codes learn "
            "from the codebook term alone, so z_q stands inside the detach"
        )


def numbers(x: Tensor) -> str:
    """A short tensor as it is written on paper: (1.4, -0.3)."""
    return "(" + ", ".join(f"{float(v):.4g}" for v in x.detach().flatten()) + ")"


@exercise
def drift(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Squared distances: summed over d, averaged over the vectors."""
    z = torch.tensor([[3.0, 4.0], [1.0, 1.0], [0.0, 2.0]])
    z_q = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    case = "three vectors at squared distances 25, 0 and 4 from their codes"
    got = as_array(answer(z, z_q))
    slips = {
        29.0: "that is their sum; take the mean over the vectors",
        29 / 6: "that is a mean over all numbers; sum over d first, then average",
        7 / 3: "that is a mean of the distances; square them",
    }
    for value, what in slips.items():
        if got.shape == () and abs(got - value) < 1e-4:
            raise Wrong(f"{case}: got {value:.4g}: {what}")
    expect(got, 29 / 3, case)


@exercise
def why_drift(answer: str) -> None:
    """One of the four explanations."""
    replies = {
        "a": "the codebook term is still there, and the codes do move: that is why"
        " the frame's error does not grow at once",
        "c": "the decoder still sees z_q: the forward pass is the same with or"
        " without the commitment term",
        "d": "look at the middle panel: the vectors get longer, not shorter",
    }
    choose(answer, "b", replies)


@exercise
def bits_per_frame(answer: Callable[[Tensor, int], Tensor]) -> None:
    """Tokens a frame times the entropy of a token."""
    cases: list[tuple[list[float], int, float, str]] = [
        ([7.0] * 512, 16, 144.0, "512 codes used equally, 16 tokens a frame"),
        ([2.0, 1.0, 1.0], 1, 1.5, "counts 2, 1, 1, one token a frame"),
        ([2.0, 1.0, 1.0], 64, 96.0, "counts 2, 1, 1, 64 tokens a frame"),
        ([5.0, 5.0, 0.0, 0.0], 10, 10.0, "counts 5, 5, 0, 0, 10 tokens a frame"),
        ([0.0, 9.0, 0.0], 16, 0.0, "one code for everything, 16 tokens a frame"),
    ]
    for counts, tokens, wanted, case in cases:
        got = as_array(answer(torch.tensor(counts), tokens))
        if got.shape != ():
            raise Wrong(f"{case}: shape {got.shape}, expected one number")
        if got != got:  # nan
            raise Wrong(f"{case}: got nan; 0 * log 0 counts as 0, drop unused codes")
        if wanted and abs(got - wanted * 0.6931472) < 1e-3 * wanted:
            raise Wrong(f"{case}: got {got:.4g}, in nats; use log2 for bits")
        if wanted and abs(got + wanted) < 1e-3 * wanted:
            raise Wrong(f"{case}: got {got:.4g}; the sign is wrong")
        expect(got, wanted, case, atol=1e-4)
