"""What a run will cost: its schedule, priced with the times of `iris bench`."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iris_core.config import Config, ConfigError, load_config, walk
from iris_core.runtime.files import read_json
from iris_core.training.schedule import epoch_updates

Seconds = Mapping[str, float]  # of one call of a part of training, by its name


def training_minutes(config: Config, seconds: Seconds, epochs: int = 0) -> float:
    """Minutes of training, tests left out: of the whole run, or of its first epochs.

    With a budget of CPU minutes a run ends when that is spent, as if alone on its core.
    """
    minutes, budget = 0.0, config.training.cpu_minutes
    limit = epochs or (config.training.epochs if budget == 0 else math.inf)
    epoch = 1
    while epoch <= limit and not 0 < budget <= minutes:
        minutes += epoch_seconds(config, seconds, epoch) / 60
        epoch += 1
    return minutes


def epoch_seconds(config: Config, seconds: Seconds, epoch: int) -> float:
    """Seconds of an epoch (counted from 1), tests left out."""
    collection, n = config.collection, config.env.num_envs
    collects = epoch <= collection.epochs or config.training.cpu_minutes > 0
    steps = collection.steps_per_epoch if collects else 0
    if epoch == 1:
        steps += collection.warm_start_steps
    total = -(-steps // n) * seconds["collect_step"]
    for name, updates in epoch_updates(config, epoch).items():
        total += updates * seconds[f"{name}_update"]
    encoded, decoded = frames_to_know(config, epoch)
    return total + encoded * seconds["encode"] + decoded * seconds["decode"]


def frames_to_know(config: Config, epoch: int) -> tuple[float, float]:
    """How many of the replay's frames are encoded, and decoded, in an epoch (from 1).

    All that are drawn, once each, where the tokenizer has changed; else the new ones.
    N frames drawn D times leave a share of exp(-D / N) out.
    """
    wm, policy, collection = config.world_model, config.actor_critic, config.collection
    collecting = epoch if config.training.cpu_minutes > 0 else collection.epochs
    new = collection.steps_per_epoch if epoch <= collecting else 0
    frames = collection.warm_start_steps
    frames += min(epoch, collecting) * collection.steps_per_epoch
    if frames == 0:
        return 0.0, 0.0
    updates = epoch_updates(config, epoch)
    starts = updates["actor_critic"] * policy.updates.batch_size
    looked_at = starts * (policy.burn_in + 1)
    segments = updates["world_model"] * wm.updates.batch_size
    drawn = segments * wm.max_blocks + looked_at
    there = frames if updates["tokenizer"] > 0 else new
    encoded, decoded = (-there * math.expm1(-n / frames) for n in (drawn, looked_at))
    return encoded, decoded


def span(minutes: float) -> str:
    """A time in words: 12 min, 3.5 h, 2.1 days."""
    if minutes < 90:
        return f"{minutes:.0f} min"
    if minutes < 48 * 60:
        return f"{minutes / 60:.1f} h"
    return f"{minutes / 60 / 24:.1f} days"


def benchmark_seconds(file: Path, config: Config) -> tuple[Seconds, str]:
    """Median times of a JSON of `iris bench`, and the device that they hold for;
    no times if the networks and batches that it timed are not those of a config."""
    try:
        report = read_json(file)
        timings = seconds_of(report["seconds"])
        timed = load_config(overrides=report["overrides"])
        same = sizes(timed) == sizes(config)
        return timings if same else {}, device_name(report)
    # A file that is not what it says can fail in any way at all.
    except Exception as error:
        raise ConfigError(
            f"{file} is not of iris bench ({type(error).__name__}: {error})"
        ) from error


def device_name(report: Mapping[str, Any]) -> str:
    """Of a report of `iris bench`: its GPU, or the processor."""
    machine: dict[str, str] = report["machine"]
    return machine["cpu" if machine["device"].startswith("cpu") else "device"]


def seconds_of(timings: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Medians of what `iris bench` times; of one frame for `encode` and `decode`."""
    seconds = {name: float(timing["median"]) for name, timing in timings.items()}
    for name in ("encode", "decode"):
        seconds[name] = seconds[f"{name}_frames"] / timings[f"{name}_frames"]["batch"]
    return seconds


def sizes(config: Config) -> dict[str, Any]:
    """The settings that decide how long a step or an update takes."""
    parts = ("tokenizer.", "world_model.", "actor_critic.", "env.num_envs", "autocast")
    found = {name: value for name, value, _ in walk(config) if name.startswith(parts)}
    schedule = ("_epoch", "_epoch_steps")
    return {name: found[name] for name in found if not name.endswith(schedule)}
