"""What a setting may be, and the message that says so when it is not that."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import Field
from typing import Any

from iris_core.config.departures import (
    ActorCriticConfig,
    Config,
    TokenizerConfig,
    WorldModelConfig,
)
from iris_core.config.setting import ConfigError, shown, walk

MOST = 2**32 - 1  # of any whole number: what is larger is a slip, or runs for ever
WIDEST = 16_384  # of a list: widths and channels
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
    if isinstance(value, int) and value > MOST:
        hint = f" No setting goes beyond {MOST}."
    if isinstance(value, str):
        hint = nearest(value, map(str, field.metadata.get("choices", ())))
    return f"{name}: got {shown}, expected {valid_range(field)} ({about}).{hint}"


def in_range(value: Any, field: Field[Any]) -> bool:
    """Whether a value lies in the range that its setting declares."""
    meta = field.metadata
    if meta.get("choices"):
        return value in meta["choices"]
    if isinstance(value, list):
        return len(value) <= 64 and all(1 <= item <= WIDEST for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if isinstance(value, int) and value > MOST:
        return False
    low, high = meta.get("low"), meta.get("high")
    return (low is None or value >= low) and (high is None or value <= high)


def check(config: Config) -> Config:
    """The config itself, if usable; else a ConfigError that names every bad setting."""
    wrong = [bad_value(n, v, f) for n, v, f in walk(config) if not in_range(v, f)]
    if not wrong:  # the cross-checks would divide by what is out of range
        wrong = list(conflicts(config))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return config


def conflicts(config: Config) -> Iterable[str]:
    """Settings whose validity a range does not tell, or that do not go together."""
    if not re.fullmatch(DEVICES, config.device):
        yield f"device: got {config.device!r}, expected auto, cpu, mps, cuda or cuda:0."
    if config.tokenizer.architecture == "vqgan":
        yield from vqgan_conflicts(config.tokenizer)
    if not (config.collection.epochs or config.collection.warm_start_steps):
        yield (
            "collection.epochs=0 and collection.warm_start_steps=0: nothing would be"
            " played, and there is nothing to learn from. Give one of them more."
        )
    yield from world_model_conflicts(config.world_model)
    yield from actor_critic_conflicts(config.actor_critic)


def vqgan_conflicts(config: TokenizerConfig) -> Iterable[str]:
    if config.channels % GROUPNORM_GROUPS:
        yield (
            f"tokenizer.channels={config.channels} must divide by"
            f" {GROUPNORM_GROUPS}, the groups of the vqgan's GroupNorm."
        )
    widths = [64 >> level for level in range(config.levels)]
    for width in config.attention_resolutions:
        if width not in widths:
            yield (
                f"tokenizer.attention_resolutions has {width}, but with"
                f" tokenizer.levels={config.levels} the widths are {widths}."
            )


def world_model_conflicts(config: WorldModelConfig) -> Iterable[str]:
    if config.embed_dim % config.num_heads:
        yield (
            f"world_model.embed_dim={config.embed_dim} must divide by"
            f" world_model.num_heads={config.num_heads}."
        )
    if config.tokens_per_position > 1 and config.prediction != "parallel":
        yield (
            f"world_model.tokens_per_position={config.tokens_per_position} needs"
            " world_model.prediction=parallel: token by token there is one each."
        )
    if config.prediction == "parallel":
        for name, plain in (("positions", "table"), ("qk_norm", False)):
            if getattr(config, name) != plain:
                yield (
                    f"world_model.{name}={shown(getattr(config, name))} needs"
                    " world_model.prediction=autoregressive."
                )
    if config.dream_context >= config.max_blocks:
        yield (
            f"world_model.dream_context={config.dream_context} must be less than"
            f" world_model.max_blocks={config.max_blocks}, or no step fits."
        )


def actor_critic_conflicts(config: ActorCriticConfig) -> Iterable[str]:
    count = 3 if config.strided else 4
    if len(config.channels) != count:
        yield (
            f"actor_critic.channels={config.channels} must have {count} numbers, one"
            f" for each convolution (actor_critic.strided={shown(config.strided)}),"
            f" like {[32, 32, 64, 64][-count:]}."
        )
