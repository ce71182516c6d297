"""What a setting may be, and the message that says so when it is not that."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import Field
from typing import Any

from iris_core.config.schema import Config, ConfigError, TokenizerConfig, walk

DEVICES = r"auto|cpu|mps|cuda(:\d+)?"
GROUPNORM_GROUPS = 32  # of the paper's convolutions: their channels must divide by it


def nearest(name: str, names: Iterable[str], count: int = 3) -> str:
    """The names most like `name`, as the end of a message; empty if none is."""
    names = list(names)
    close = difflib.get_close_matches(name, names, count, cutoff=0.6)
    if not close:  # `lr` or `vocab` alone: match the last part of a dotted name
        last = {full.rsplit(".", 1)[-1]: full for full in reversed(names)}
        found = difflib.get_close_matches(name.rsplit(".", 1)[-1], last, count, 0.6)
        close = [last[part] for part in found]
    return f" Did you mean {' or '.join(close)}?" if close else ""


def valid_range(field: Field[Any]) -> str:
    """What a setting accepts, in words."""
    meta = field.metadata
    low, high, choices = meta.get("low"), meta.get("high"), meta.get("choices")
    if choices:
        return "one of " + ", ".join(str(c) for c in choices)
    kind = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "str": "text",
        "list[int]": "a list of whole numbers, like [8,16]",
    }.get(str(field.type), str(field.type))
    if low is not None and high is not None:
        return f"{kind} from {low:g} to {high:g}"
    if low is not None:
        return f"{kind}, {low:g} or more"
    if high is not None:
        return f"{kind}, {high:g} or less"
    return kind


def bad_value(name: str, value: Any, field: Field[Any]) -> str:
    """The message for a value that a setting does not accept."""
    about = field.metadata.get("about", "")
    shown = repr(value) if isinstance(value, str) else str(value)
    hint = ""
    if isinstance(value, str):
        hint = nearest(value, map(str, field.metadata.get("choices", ())))
    return f"{name}: got {shown}, expected {valid_range(field)} ({about}).{hint}"


def in_range(value: Any, field: Field[Any]) -> bool:
    """Whether a value lies in the range that its setting declares."""
    meta = field.metadata
    if meta.get("choices"):
        return value in meta["choices"]
    if isinstance(value, list):
        return all(item >= 1 for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    low, high = meta.get("low"), meta.get("high")
    return (low is None or value >= low) and (high is None or value <= high)


def check(config: Config) -> Config:
    """The config itself, if usable; else a ConfigError that names every bad setting."""
    wrong = [bad_value(n, v, f) for n, v, f in walk(config) if not in_range(v, f)]
    if not wrong:  # the cross-checks would divide by what is out of range
        wrong = [*tokenizer_conflicts(config.tokenizer), *other_conflicts(config)]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return config


def tokenizer_conflicts(tokenizer: TokenizerConfig) -> Iterable[str]:
    """Tokenizer settings that are fine alone and not together."""
    if tokenizer.architecture != "vqgan":
        return
    if tokenizer.channels % GROUPNORM_GROUPS:
        yield (
            f"tokenizer.channels={tokenizer.channels} must divide by"
            f" {GROUPNORM_GROUPS}, the groups of the vqgan's GroupNorm."
        )
    widths = [64 >> level for level in range(tokenizer.levels)]
    for width in tokenizer.attention_resolutions:
        if width not in widths:
            yield (
                f"tokenizer.attention_resolutions has {width}, but with"
                f" tokenizer.levels={tokenizer.levels} the widths are {widths}."
            )


def other_conflicts(config: Config) -> Iterable[str]:
    """The other settings whose validity a range does not tell."""
    if not re.fullmatch(DEVICES, config.device):
        yield f"device: got {config.device!r}, expected auto, cpu, mps, cuda or cuda:0."
    width, heads = config.world_model.embed_dim, config.world_model.num_heads
    if width % heads:
        yield (
            f"world_model.embed_dim={width} must divide by"
            f" world_model.num_heads={heads}."
        )
    world_model = config.world_model
    if world_model.tokens_per_position > 1 and world_model.prediction != "parallel":
        yield (
            f"world_model.tokens_per_position={world_model.tokens_per_position} needs"
            " world_model.prediction=parallel: token by token there is one each."
        )
    channels = config.actor_critic.channels
    if world_model.dream_context >= world_model.max_blocks:
        yield (
            f"world_model.dream_context={world_model.dream_context} must be less than"
            f" world_model.max_blocks={world_model.max_blocks}, or no step fits."
        )
    strided = config.actor_critic.strided
    count = 3 if strided else 4
    if len(channels) != count:
        yield (
            f"actor_critic.channels={channels} must have {count} numbers, one for each"
            f" convolution (actor_critic.strided={str(strided).lower()}), like"
            f" {[32, 32, 64, 64][-count:]}."
        )
