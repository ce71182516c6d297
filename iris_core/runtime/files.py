"""Files that are written whole or not at all, and files of tensors, read safely."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from iris_core.config.setting import ConfigError

PART = ".{name}.{pid}.part"  # a file that is not whole yet, beside it


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all: beside it first, then renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(PART.format(name=path.name, pid=os.getpid()))
    try:
        with part.open("wb") as file:  # not mkstemp, whose files nobody else may read
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:
        # torch.save hides what the system said behind an error of its own
        fault = error.__context__ if isinstance(error, RuntimeError) else error
        if not isinstance(fault, OSError):
            raise
        raise OSError(fault.errno, fault.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def write_atomic(path: str | Path, content: str | bytes) -> None:
    """Write a file whole or not at all: a crash never leaves half of one."""
    data = content.encode() if isinstance(content, str) else content
    write_whole(Path(path), lambda file: file.write(data))


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """A torch file with a flat dict of tensors, on the CPU.

    Never runs code from the file. ConfigError if there is no such file, or if it is
    anything else.
    """
    if not Path(path).is_file():
        raise ConfigError(f"no checkpoint at {path}: check the path")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    # A file that is not what it says can fail in any way at all.
    except Exception as error:
        raise ConfigError(
            f"{path} cannot be read as a file of tensors ({type(error).__name__});"
            " is it a published IRIS checkpoint, and was it copied to its end?"
        ) from error
    if not isinstance(tensors, dict):
        raise ConfigError(f"{path} holds a {type(tensors).__name__}, not a state dict")
    wrong = [k for k, v in tensors.items() if not isinstance(v, Tensor)]
    if wrong or not tensors:
        what = f"other things than tensors, e.g. {wrong[0]!r}" if wrong else "nothing"
        raise ConfigError(
            f"{path} holds {what}; a published checkpoint is a state dict"
        )
    return dict(tensors)
