"""Files that are written whole or not at all, and texts that are read with a bound."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from iris_core.config.setting import ConfigError

PART = ".{name}.{pid}.part"  # a file that is not whole yet, beside it
MOST_BYTES = 2**26  # of a text


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


def check_folder(folder: Path, option: str) -> None:
    """Refuse a folder that can't be written, before the work for it is done. option:
    that another one is chosen with."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(
            f"cannot write into {folder}: {error.strerror}. Choose another with"
            f" {option}."
        ) from error


def read_text(path: Path) -> str:
    """A file's text; ConfigError if it can't be read as one."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text") from error
    if len(data) > MOST_BYTES or "\0" in text:
        raise ConfigError(f"{path} is too large, or no text")
    return text


def read_json(path: Path) -> Any:
    """What a .json holds; ConfigError if it can't be read."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"cannot read {path}: {error}") from error
