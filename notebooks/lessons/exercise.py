"""What makes a check: it answers at once, and never stops the notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import torch


class Wrong(Exception):
    """An answer is wrong; the message says how, by example."""


class NotAttempted(Exception):
    """A stub is as it was."""


@dataclass(frozen=True)
class Verdict:
    """What a check says. state is "passed", "wrong" or "not attempted"."""

    exercise: str
    state: str
    message: str = ""

    def __repr__(self) -> str:
        sign = {"passed": "✔", "wrong": "✘", "not attempted": "○"}[self.state]
        told = f"\n  {self.message}" if self.message else ""
        return f"{sign} {self.exercise}: {self.state}{told}"


def exercise(check: Callable[[Any], None]) -> Callable[[Any], Verdict]:
    """Turn a function that raises Wrong into a check that returns a Verdict.

    An answer of None or `...`, or a function that returns one of them or raises
    NotImplementedError, was not attempted. Any other error of the reader's
    is told to the reader.
    """

    @wraps(check)
    def told(answer: Any) -> Verdict:
        name = check.__name__
        try:
            check(attempt(answer))
        except (NotAttempted, NotImplementedError):
            return Verdict(name, "not attempted", "Replace the ... in the cell above.")
        except Wrong as error:
            return Verdict(name, "wrong", str(error))
        except Exception as error:  # whatever the reader's code raises
            return Verdict(name, "wrong", f"{type(error).__name__}: {error}")
        return Verdict(name, "passed")

    return told


def attempt(answer: Any) -> Any:
    """The answer, guarded: a function that gives nothing has not been written yet."""
    if answer is None or answer is ...:
        raise NotAttempted
    if not callable(answer):
        return answer

    def guarded(*args: Any) -> Any:
        result = answer(*args)
        if result is None or result is ...:
            raise NotAttempted
        return result

    return guarded


def expect(got: Any, wanted: Any, case: str, atol: float = 1e-5) -> None:
    """Wrong unless `got` has the shape and the values of `wanted`; `case` tells which
    input, e.g. "for codes 0, 1, 2 and z = 1.4"."""
    mine, theirs = as_array(got), as_array(wanted)
    if mine.shape != theirs.shape:
        raise Wrong(f"{case}: shape {mine.shape}, expected {theirs.shape}")
    close = np.isclose(mine, theirs, atol=atol, rtol=1e-4, equal_nan=True)
    if not close.all():
        at = tuple(int(i) for i in np.argwhere(~close)[0])
        where = f" at {list(at)}" if at else ""
        raise Wrong(f"{case}: got {mine[at]:.4g}{where}, expected {theirs[at]:.4g}")


def choose(answer: Any, right: str, replies: Mapping[str, str]) -> None:
    """Wrong unless the letter is `right`. replies: what to say to each other letter."""
    letter = str(answer).strip(" \"'()").lower()
    if letter in replies:
        raise Wrong(f"not {letter}: {replies[letter]}")
    if letter != right:
        letters = ", ".join(f'"{each}"' for each in sorted([right, *replies]))
        raise Wrong(f"got {answer!r}; choose one of {letters}")


def as_array(value: Any) -> np.ndarray:
    """Numbers, lists and tensors as a float64 array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    return np.asarray(value, dtype=np.float64)
