"""How long training takes on this machine, and why: `iris bench preset=tutorial`.

The parts are the trainer's own, at a preset's sizes, on a few hundred steps of random
play. Weights are random: what they are does not change how long they take. Beside them:
what every optimisation is worth (ladder.py), the least that the work could take
(floors.py), and what a full run would (bench_report.py).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import torch
from gymnasium.vector import AutoresetMode

from iris_core.config import Config, ConfigError, load_config
from iris_core.cuda_graph import fast
from iris_core.data.frames import to_frames
from iris_core.envs.vector import make_vector
from iris_core.evaluation.test_play import TestPlay
from iris_core.graphed_dream import GraphedDream
from iris_core.runtime.files import write_atomic
from iris_core.training.runs import find_versions
from iris_core.training.trainer import Trainer

RANDOM_STEPS = 200  # in the replay that updates sample from
FRAMES = 64  # encoded or decoded together, as the replay's are
SHORTEST = 0.1  # seconds of a repeat: what is quicker is done several times in it

Part = Callable[[], Any]
Timing = dict[str, float]  # batch, and seconds of one call: median, least, most


def main(argv: Sequence[str]) -> int:
    """iris bench [name=value ...] [options]; returns the exit code, which is 1 if an
    optimisation changes what is computed."""
    parser = argparse.ArgumentParser(prog="iris bench", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="name=value")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    about = "of this device, an hour: prices the full run"
    parser.add_argument("--price", type=float, metavar="USD", help=about)
    about = "the JSON; by default results/benchmarks/PRESET-DEVICE.json"
    parser.add_argument("--out", type=Path, metavar="FILE", help=about)
    args = parser.parse_intermixed_args(argv)
    if args.repeats < 1:
        parser.error("--repeats must be 1 or more")
    from iris_core import bench_report  # which is built on this file

    config = load_config(overrides=args.overrides)
    with tempfile.TemporaryDirectory() as folder:
        config.outputs = folder
        trainer = bench_report.make_trainer(config)
        out = args.out or default_file(args.overrides, trainer.device)
        check_folder(out)
        report = {
            "overrides": args.overrides,
            "repeats": args.repeats,
            "machine": machine(config),
            **bench_report.study(trainer, config, args.repeats, args.price),
        }
    write_atomic(out, json.dumps(report, indent=2) + "\n")
    bench_report.draw(report, out.with_suffix(".png"))
    print(f"{bench_report.text(report)}\n\n{out}")
    for line in report["differing"]:
        print(line, file=sys.stderr)
    return 1 if report["differing"] else 0


def default_file(overrides: Sequence[str], device: torch.device) -> Path:
    """results/benchmarks/<preset>-<device>.json"""
    values = dict(override.split("=", 1) for override in overrides)
    preset = values.get("preset", "tutorial")
    return Path("results", "benchmarks", f"{preset}-{device.type}.json")


def check_folder(out: Path) -> None:
    """Refuse a file that can't be written before the work for it is done."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from error


def measure(trainer: Trainer, repeats: int) -> dict[str, Timing]:
    """Every part of training by name; `batch` games, frames or samples a call."""
    config, tokenizer = trainer.config, trainer.agent.tokenizer
    for _ in range(math.ceil(RANDOM_STEPS / config.env.num_envs)):
        trainer.warm_step()
    trainer.collector.begin(trainer.agent)
    trainer.progress.step = 1  # in the middle of a stretch of collecting
    frames = trainer.replay.sample_frames(FRAMES, trainer.rng, trainer.device)
    with torch.no_grad():
        tokens = tokenizer.tokenize(frames)
    dreams, games = config.actor_critic.updates.batch_size, config.evaluation.num_envs
    parts: dict[str, tuple[int, Part]] = {
        "collect_step": (config.env.num_envs, trainer.collect_step),
        **{
            f"{c.name}_update": (c.config.batch_size, trainer.updater(c))
            for c in trainer.components
        },
        "dream_step": (dreams, dreaming(trainer, dreams)),
        "dream_step_alone": (1, dreaming(trainer, 1)),
        **{
            f"{name}_frame{'s' * (n > 1)}": (n, without_gradient(trainer, do, x[:n]))
            for name, do, x in (
                ("encode", tokenizer.tokenize, frames),
                ("decode", tokenizer.decode, tokens),
            )
            for n in (1, FRAMES)
        },
        "test_step": (games, testing(trainer, games)),
    }
    timings = {}
    for name, (batch, part) in parts.items():
        know_replay(trainer)
        timings[name] = {"batch": batch, **timed(part, repeats, trainer.device)}
    return timings


@torch.no_grad()
def know_replay(trainer: Trainer) -> None:
    """Encode and decode all frames, so that no part is timed with work that the whole
    of training shares: `cost.frames_to_know` counts it."""
    cache = trainer.token_cache
    if cache.version == trainer.components[0].updates and cache.encoded.all():
        return
    with trainer.autocast:
        for batch in trainer.replay.traverse(1, FRAMES, pixels=False):
            cache.reconstructions(batch, trainer.tokens(batch))


def without_gradient(trainer: Trainer, do: Callable[..., Any], *args: Any) -> Part:
    """`do(*args)` as training does it where nothing learns."""

    def part() -> None:
        with torch.no_grad(), trainer.autocast:
            do(*args)

    return part


def dreaming(trainer: Trainer, batch: int) -> Part:
    """A step of `batch` dreams; the cache is refreshed in its turn."""
    with trainer.autocast:
        dream = trainer.new_dream()
    frames = trainer.replay.sample_frames(batch, trainer.rng, trainer.device)
    without_gradient(trainer, dream.reset, frames)()
    actions = torch.zeros(batch, dtype=torch.int64, device=trainer.device)
    step = without_gradient(trainer, dream.step, actions)
    if isinstance(dream, GraphedDream):
        for _ in range(trainer.config.world_model.max_blocks):
            step()  # each length of the cache is recorded once, which takes long
    return step


def testing(trainer: Trainer, games: int) -> Part:
    """A step of test play, policy and games together."""
    agent, memory = trainer.agent, trainer.agent.new_state(games)
    see = fast(agent.tokenizer.reconstruct, agent.device)
    envs = make_vector(trainer.config.env, "test", games, AutoresetMode.DISABLED)
    play = TestPlay(envs, episodes=games, seed=0, keep=0)

    def step() -> None:
        actions, _ = agent.act(to_frames(play.pixels, agent.device), memory, see=see)
        play.step(actions.cpu().numpy())

    return without_gradient(trainer, step)


def timed(part: Part, repeats: int, device: torch.device) -> Timing:
    """Seconds of one call: the median over repeats after a warm-up, and the spread."""

    # On one core, processor time: other programs do not count
    one_core = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if one_core else time.perf_counter

    def seconds(times: int) -> float:
        wait_for(device)
        started = clock()
        for _ in range(times):
            part()
        wait_for(device)
        return (clock() - started) / times

    # In the first call kernels are chosen and memory is taken
    times = math.ceil(SHORTEST / max(seconds(1), 1e-9))
    each = [seconds(times) for _ in range(repeats)]
    return {"median": median(each), "least": min(each), "most": max(each)}


def wait_for(device: torch.device) -> None:
    """A GPU works behind the program's back: wait until it has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def machine(config: Config) -> dict[str, Any]:
    """What the figures hold for."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        **find_versions(config.device),
    }


def cpu_model() -> str:
    """The processor's name; on Linux Python does not tell it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
