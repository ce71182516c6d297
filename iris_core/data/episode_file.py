"""The file of an episode: a compressed npz, checked before memory is taken for it."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from iris_core.config.setting import ConfigError
from iris_core.runtime.seal import check_seal, damaged, write_sealed

FIELDS = ("frames", "actions", "rewards", "terminated", "truncated")
DTYPES = (np.uint8, np.int64, np.float32, np.bool_, np.bool_)
MOST_BYTES = 2**29  # 43,000 steps: Atari's longest episode has 27,000
MOST_ACTIONS = 2**15

Arrays = dict[str, NDArray[Any]]
Layout = tuple[tuple[int, ...], bool]  # an array's shape, and whether Fortran's order


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write a compressed npz whole or not at all, with its checksum."""
    write_sealed(Path(path), lambda file: np.savez_compressed(file, **arrays))


def read_arrays(path: str | Path, steps: int | None = None) -> Arrays:
    """The arrays of an episode's file, or the first `steps` of each.

    ConfigError if there is no such file, it is damaged, has values that no game gives,
    or would take more than `MOST_BYTES` where no number of steps is given.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"no episode at {path}: check the path")
    try:
        check_seal(path)
        with zipfile.ZipFile(path) as archive:
            layouts = read_layouts(archive)
            count = check_layouts(layouts, steps)
            arrays = {n: read_array(archive, n, layouts[n], count) for n in FIELDS}
        check_values(arrays)
    except ConfigError:
        raise
    # A file that is not what it says can fail in any way at all.
    except Exception as error:
        why = str(error) or type(error).__name__
        raise damaged(path, f"no whole episode: {why}") from error
    return arrays


def read_layouts(archive: zipfile.ZipFile) -> dict[str, Layout]:
    """Shapes and orders, from the arrays' headers alone."""
    layouts = {}
    for name, dtype in zip(FIELDS, DTYPES, strict=True):
        with archive.open(f"{name}.npy") as file:
            shape, fortran, found = read_header(file)
        if found != dtype:
            raise ValueError(f"{name} are {found}, not {np.dtype(dtype)}")
        layouts[name] = shape, fortran
    return layouts


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran's order and dtype of an npy, whose data come next."""
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file)
    return npy.read_array_header_2_0(file)


def check_layouts(layouts: Mapping[str, Layout], steps: int | None) -> int:
    """How many steps to read; ValueError unless the arrays make an episode."""
    shape = layouts["frames"][0]
    if len(shape) != 4 or shape[1] != 3 or min(shape) < 1:
        raise ValueError(f"frames have the shape {shape}, not (steps, 3, 64, 64)")
    for name in FIELDS[1:]:
        if layouts[name][0] != shape[:1]:
            raise ValueError(f"{name} have the shape {layouts[name][0]}")
    size = math.prod(shape)
    if steps is None and size > MOST_BYTES:
        raise ValueError(f"its frames would take {size:,} bytes, over {MOST_BYTES:,}")
    return shape[0] if steps is None else min(steps, shape[0])


def read_array(
    archive: zipfile.ZipFile, name: str, layout: Layout, count: int
) -> NDArray[Any]:
    """The first `count` rows of an array, of which no more is unpacked."""
    shape, fortran = layout
    if fortran:  # its first rows are everywhere
        raise ValueError(f"{name} are not in C's order")
    array = np.empty((count, *shape[1:]), DTYPES[FIELDS.index(name)])
    with archive.open(f"{name}.npy") as file:
        read_header(file)
        if fill(file, array) < array.nbytes:
            raise ValueError(f"{name} end too early")
        if count == shape[0] and file.read(1):  # at the end, zip's checksum is compared
            raise ValueError(f"{name} go on too long")
    return array


def fill(file: IO[bytes], array: NDArray[Any]) -> int:
    """Read an array's bytes; returns how many there were."""
    room: memoryview = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(room) and (got := file.readinto(room[done:])):  # type: ignore[attr-defined]
        done += got
    return done


def check_values(arrays: Arrays) -> None:
    """ValueError for what no game gives."""
    rewards, actions = arrays["rewards"], arrays["actions"]
    if not np.isfinite(rewards).all():
        raise ValueError("a reward is not a finite number")
    if actions.min() < 0 or actions.max() >= MOST_ACTIONS:
        raise ValueError(f"actions are from {actions.min()} to {actions.max()}")
    for name in FIELDS[3:]:
        if arrays[name].view(np.uint8).max() > 1:
            raise ValueError(f"{name} are neither true nor false")
