"""YAML of settings, read as plain data: bounded, without aliases, each name once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from iris_core.config.setting import ConfigError

MOST_BYTES = 10**6  # a config.yaml has some 5,000


class PlainLoader(yaml.SafeLoader):
    """Plain values; aliases, with which a short text makes a long one, are refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias (*), which no settings need")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value if isinstance(key.value, str)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise yaml.YAMLError(f"{min(twice)} is there twice")
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> Any:
    """What a YAML file holds; ConfigError if it can't be read."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} is no file of settings: over {MOST_BYTES:,} bytes")
    try:
        return yaml.load(data.decode("utf-8"), PlainLoader)
    # A date like 2026-99-99 fails as one, and deep nesting as a recursion
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
