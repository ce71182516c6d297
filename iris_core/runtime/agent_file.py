"""An agent's file: weights, settings, action names, what its training cost; checked.

A safetensors file. Its metadata is JSON by name, all of it data: nothing is executed or
interpolated. One of them is the checksum of the whole file, computed with zeros in its
own place.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from iris_core.config import Config, config_from_dict, config_to_dict
from iris_core.config.setting import ConfigError
from iris_core.runtime.files import write_atomic
from iris_core.runtime.seal import damaged, note_unsealed
from iris_core.runtime.tensors import check_finite

FORMAT = "iris_core agent 1"
BLANK = "0" * 64
DIGEST = re.compile(rb'"sha256":"\\"([0-9a-f]{64})\\""')
UNSEALED = {"format", "config", "actions", "training_record"}  # of files without one


@dataclass(frozen=True)
class TrainingRecord:
    """What an agent's training was, and cost; its file carries it.

    preset: of `config.preset_of`. steps: of the environment. minutes: of training,
    tests left out; cpu_minutes: of all cores. Not every file says all: device and
    commit (of this library) are "" if not known, cpu_minutes is nan.
    """

    preset: str
    seed: int
    steps: int
    minutes: float
    cpu_minutes: float = math.nan
    device: str = ""
    commit: str = ""


@dataclass(frozen=True)
class AgentFile:
    """What an agent's file holds."""

    config: Config
    actions: list[str]
    training_record: TrainingRecord | None
    tensors: dict[str, Tensor]


def write_agent(path: Path, content: AgentFile) -> None:
    """Write an agent whole or not at all, with its checksum; ConfigError if its weights
    are no numbers."""
    check_finite(content.tensors, path)
    about: dict[str, Any] = {
        "config": config_to_dict(content.config),
        "actions": content.actions,
        "sha256": BLANK,
    }
    if content.training_record is not None:
        about["training_record"] = asdict(content.training_record)
    metadata = {name: json.dumps(value) for name, value in about.items()}
    data = to_bytes(content.tensors, {"format": FORMAT, **metadata})
    write_atomic(path, sealed(data))


def sealed(data: bytes) -> bytes:
    """A safetensors file whose blank checksum is filled in."""
    start, stop = digest_at(data)
    return data[:start] + hashlib.sha256(data).hexdigest().encode() + data[stop:]


def digest_at(data: bytes) -> tuple[int, int]:
    """Where a safetensors file has its checksum; (0, 0) if it has none."""
    header = 8 + int.from_bytes(data[:8], "little")
    found = DIGEST.search(data, 8, min(header, len(data)))
    return found.span(1) if found else (0, 0)


def check_digest(data: bytes, path: Path) -> bool:
    """Whether a safetensors file has a checksum; ConfigError if it is another's."""
    start, stop = digest_at(data)
    blank = data[:start] + BLANK.encode() + data[stop:]
    if stop and hashlib.sha256(blank).hexdigest().encode() != data[start:stop]:
        raise damaged(path, "its checksum is of other bytes")
    return stop > 0


def read_agent(path: Path) -> AgentFile:
    """What an agent's file holds; ConfigError that says what is wrong with it."""
    if not path.is_file():
        raise ConfigError(f"No agent at {path}. Train one with: iris train")
    try:
        checked = check_digest(path.read_bytes(), path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise damaged(path, f"no whole safetensors file: {error}") from error
    content = parse(metadata, tensors, path)
    check_names(metadata, checked, path)
    check_finite(tensors, path)
    return content


def check_names(metadata: Mapping[str, str], checked: bool, path: Path) -> None:
    """A file without a checksum is an older one, and has what older ones have."""
    if checked:
        return
    if unknown := sorted(set(metadata) - UNSEALED):
        raise damaged(path, f"it has {unknown[0]!r} but no checksum")
    note_unsealed(path.parent)


def parse(
    metadata: Mapping[str, str], tensors: dict[str, Tensor], path: Path
) -> AgentFile:
    """The metadata with its types."""
    kind = metadata.get("format", "missing")
    if kind != FORMAT:
        raise ConfigError(
            f"{path} is no agent of this library (format {kind!r}, expected "
            f"{FORMAT!r}). Published IRIS checkpoints are read with load_published."
        )
    try:
        about = {k: json.loads(text) for k, text in metadata.items() if k != "format"}
        config = config_from_dict(about.get("config", ""))
        actions = read_actions(about.get("actions"))
        record = read_record(about.get("training_record"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} does not describe an agent: {error}. Use another copy."
        ) from error
    return AgentFile(config, actions, record, tensors)


def read_actions(value: Any) -> list[str]:
    """The names of actions, one or more."""
    if not isinstance(value, list) or not value:
        raise ConfigError(f"its actions are {value!r:.80}, not a list of names")
    if not all(isinstance(name, str) for name in value):
        raise ConfigError(f"its actions {value!r:.80} are not all names")
    return value


# What the types of a record's fields accept
ACCEPTS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: type(value) is int and 0 <= value < 2**63,
    "float": lambda value: type(value) in (int, float) and 0 <= value < 2**63,
}


def read_record(value: Any) -> TrainingRecord | None:
    """A training record; fields of newer versions are left out, and without those that
    every version writes there is none."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ConfigError(f"its training_record is {value!r:.80}, not a record")
    known = {f.name: f for f in fields(TrainingRecord) if f.name in value}
    for name, field in known.items():
        unknown = name == "cpu_minutes" and value[name] != value[name]  # nan
        if not unknown and not ACCEPTS[str(field.type)](value[name]):
            raise ConfigError(
                f"its training_record's {name} is {value[name]!r:.80}, not of type"
                f" {field.type}"
            )
    if {"preset", "seed", "steps", "minutes"} - set(known):
        return None
    return TrainingRecord(**{name: value[name] for name in known})
