"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

PART = ".{name}.{pid}.part"  # a file that is not whole yet, beside it


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all: beside it first, then renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(PART.format(name=path.name, pid=os.getpid()))
    try:
        with part.open("w+b") as file:  # not mkstemp, whose files nobody else may read
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
