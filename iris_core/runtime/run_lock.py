"""One writer a folder: a lock of the operating system, which ends with its process."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import TextIO

from iris_core.config.setting import ConfigError

FILE = ".lock"  # of the folder; holds who has it, and is empty if nobody does


class RunLock:
    """Held from when it is made until `release`.

    A process that was killed leaves its name behind and no lock: the folder is taken
    over, and it says so. patience: seconds to wait for one that is about to end.

    Raises:
        ConfigError: another process holds it.
        OSError: the folder can't be written.
    """

    def __init__(self, folder: Path, patience: float = 0.0) -> None:
        self.file = (folder / FILE).open("a+", encoding="utf-8", errors="replace")
        deadline = time.monotonic() + patience
        while not (locked := try_lock(self.file)) and time.monotonic() < deadline:
            time.sleep(0.2)
        self.file.seek(0)
        holder = self.file.read().strip()
        if not locked:
            self.file.close()
            raise ConfigError(
                f"{folder} is being trained by {holder or 'another process'}: two at"
                " once would mix their results. Wait for it, or stop it (kill PID saves"
                " it first)."
            )
        if holder:
            print(f"{folder} was left by {holder}; taken over.", file=sys.stderr)
        self.file.truncate(0)
        self.file.write(f"process {os.getpid()} on {socket.gethostname()}")
        self.file.flush()

    def release(self) -> None:
        """Let others write."""
        self.file.truncate(0)
        self.file.close()


def try_lock(file: TextIO) -> bool:
    """Lock a file until it is closed; False if somebody else has."""
    try:
        import fcntl  # not on Windows, where nothing is locked
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
