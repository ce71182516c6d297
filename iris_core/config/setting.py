"""A setting: a dataclass field that says what it means and what it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field, fields, is_dataclass
from typing import Any


class ConfigError(ValueError):
    """A setting that cannot be used: says which, the value given, and what to do."""


def setting(
    default: Any,
    about: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that carries its meaning and its valid range."""
    metadata = {"about": about, "low": low, "high": high, "choices": choices}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def part(kind: Callable[[], Any]) -> Any:
    """A dataclass field that holds a nested group of settings."""
    return field(default_factory=kind)


def walk(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every setting of a config as (dotted name, value, its dataclass field); a group's
    own settings come before its nested groups."""
    values = [(f, getattr(config, f.name)) for f in fields(config)]
    for f, value in sorted(values, key=lambda pair: is_dataclass(pair[1])):
        if is_dataclass(value):
            yield from walk(value, f"{prefix}{f.name}.")
        else:
            yield f"{prefix}{f.name}", value, f


def shown(value: Any) -> str:
    """A value as an override would give it."""
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value).replace(" ", "")
