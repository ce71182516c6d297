"""How two results differ, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


class Wrong(Exception):
    """An answer is wrong; the message says how."""


NUMBERS = "biuf"  # numpy's kinds: bool, int, unsigned, float
MOST = 25  # numbers that are shown one by one


def difference(got: Any, wanted: Any, typed: bool = True) -> str:
    """How results differ in shape, type or value; empty if they do not.

    Whole numbers must be equal, and of one type in arrays if `typed`; floats must be
    close, of whatever type. Errors count as results, which are equal if they say the
    same.
    """
    if isinstance(got, Exception) or isinstance(wanted, Exception):
        return "" if repr(got) == repr(wanted) else explain(got)
    mine, right = as_array(got), as_array(wanted)
    if mine.dtype.kind not in NUMBERS:
        return f"got {got!s:.60}, expected {show(right)}"
    listed = mine.ndim == right.ndim <= 1 and max(mine.size, right.size) <= MOST
    text = f"got {show(mine)}, expected {show(right)}"
    if mine.shape != right.shape:
        return text if listed else f"shape {mine.shape}, expected {right.shape}"
    whole = right.dtype.kind != "f"
    if typed and whole and right.ndim and right.size and mine.dtype != right.dtype:
        return f"type {mine.dtype}, expected {right.dtype}"
    within = 0.0 if whole else 1e-4
    close = np.isclose(mine, right, within, within, equal_nan=True)
    if close.all() or listed:
        return "" if close.all() else text
    at = tuple(int(i) for i in np.argwhere(~close)[0])
    return f"got {show(mine[at])} at {list(at)}, expected {show(right[at])}"


def explain(error: Any) -> str:
    """An error, with its type unless it is ours."""
    ours = isinstance(error, Wrong)
    return str(error) if ours else f"{type(error).__name__}: {error}"


def as_array(value: Any) -> np.ndarray:
    """Numbers, lists and tensors; anything else as an array of objects."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        return np.asarray(None)


def show(value: Any) -> str:
    """Numbers as on paper, [1.4, -0.3]; a large array by its shape alone."""
    array = as_array(value)
    if array.dtype.kind not in NUMBERS:
        return repr(value)
    if array.dtype == bool and array.ndim == 0:
        return str(bool(array))
    if array.size > MOST:
        return f"an array of shape {array.shape}"
    if array.ndim:
        return f"[{', '.join(show(each) for each in array)}]"
    return f"{array:.4g}" if array.dtype.kind == "f" else f"{array[()]:,}"
