"""A checksum inside a file, so that damage is seen before anything is believed.

Archives (.pt and .npz are zip files) carry it in the archive's comment, which is the
file's end; other readers take no notice. `iris_core.runtime.agent_file` has its own.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO

from iris_core.config.setting import ConfigError
from iris_core.runtime.files import write_whole

MARK = b"sha256:"
SEAL = len(MARK) + 64  # and the digest, in hex
PLAIN_END = b"PK\x05\x06"  # of a zip without a comment, 22 bytes before its end
CHUNK = 2**20


def write_sealed(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write an archive whole or not at all, with its checksum."""

    def write_and_seal(file: IO[bytes]) -> None:
        write(file)
        seal(file)

    write_whole(path, write_and_seal)


def seal(file: IO[bytes]) -> None:
    """Add the checksum to an archive that has just been written, without a comment."""
    size = file.seek(0, os.SEEK_END)
    file.seek(size - 2)
    file.write(SEAL.to_bytes(2, "little"))  # the comment's length
    digest = digest_of(file, size)
    file.seek(size)
    file.write(MARK + digest)


def digest_of(file: IO[bytes], size: int) -> bytes:
    """SHA-256 of a file's first bytes, in hex."""
    found = hashlib.sha256()
    file.seek(0)
    while size > 0 and (chunk := file.read(min(CHUNK, size))):
        found.update(chunk)
        size -= len(chunk)
    return found.hexdigest().encode()


def check_seal(path: Path) -> None:
    """ConfigError unless an archive's bytes are those that its checksum is of.

    One without a checksum, of an older version or another program, is accepted with a
    note.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - SEAL))
        end = file.read()
        if end.startswith(MARK):
            if digest_of(file, size - SEAL) != end.removeprefix(MARK):
                raise damaged(path, "its checksum is of other bytes")
            return
    if not end[-22:].startswith(PLAIN_END) or end[-2:] != b"\0\0":
        raise damaged(path, "it does not end as it should")
    note_unsealed(path.parent)


def damaged(path: Path, why: str) -> ConfigError:
    """The message for a file that is not what was written."""
    return ConfigError(
        f"{path} is damaged ({why}); was it cut short, or not copied to its end? Use"
        " another copy."
    )


@cache
def note_unsealed(folder: Path) -> None:
    """Say once that files of a folder can't be checked for damage."""
    print(
        f"note: {folder} has files without a checksum (an older version's, or another"
        " program's): their form is checked, but a changed number would not be seen",
        file=sys.stderr,
    )
