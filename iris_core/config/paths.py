"""Paths that people write."""

from __future__ import annotations

import os
from pathlib import Path

from iris_core.config.setting import ConfigError


def user_path(text: str | Path) -> Path:
    """A path as a shell's user means it: ~ is home, all else is taken as it stands.

    Raises:
        ConfigError: no file can have the name.
    """
    name = os.path.expanduser(text)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name!a} is not UTF-8: give a path that is") from None
    if "\0" in name:
        raise ConfigError(f"{name!r} is no path: it has a zero byte")
    return Path(name)
