"""What `iris bench` finds out about a trainer, as numbers, as text and as a picture."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter
from torch import nn

from iris_core import cost, floors, ladder
from iris_core.bench import Timing, measure
from iris_core.config.schema import Config
from iris_core.device import resolve_device
from iris_core.models.perceptual import LPIPS
from iris_core.plotting.palette import BLUE, ORANGE
from iris_core.tools.figures.style import STYLE, WIDTH
from iris_core.training.runs import Run
from iris_core.training.trainer import Trainer

# The most that a CPU is given of the paper's batches
SMALL = {"tokenizer": 8, "world_model": 2, "actor_critic": 4}

Report = dict[str, Any]


def make_trainer(config: Config) -> Trainer:
    """A trainer of these settings, its batches cut where a CPU would take hours."""
    small = deepcopy(config)
    paper_sized = config.tokenizer.architecture == "vqgan"
    if paper_sized and resolve_device(config.device).type == "cpu":
        for component, size in SMALL.items():
            updates = getattr(small, component).updates
            updates.batch_size = min(updates.batch_size, size)
    trainer = Trainer(small, Run.create(small))
    # Far apart, as after training: else the nearest is a matter of rounding
    nn.init.normal_(trainer.agent.tokenizer.embedding.weight)
    if config.tokenizer.loss.perceptual > 0:  # no download: any weights take as long
        trainer.agent.tokenizer._lpips.append(LPIPS())
    return trainer


def study(
    trainer: Trainer, config: Config, repeats: int, price: float | None
) -> Report:
    """Parts, ladder, floors, and the projected run of `config`, whose batches are not
    cut; price: of an hour of this device, in USD."""
    timings = measure(trainer, repeats)
    rungs = ladder.climb(trainer, repeats)
    agent, bf16 = trainer.agent, trainer.bf16
    peak, unit = floors.measure_peak(trainer.device, bf16), floors.unit_flop(agent)
    work = floors.floors(agent, trainer.config, unit, peak, bf16)
    seconds = cost.seconds_of(timings)
    literally = {**seconds, "encode": 0, "decode": 0}  # its updates do that themselves
    hours = {}
    for rung in rungs:
        others = literally if rung is rungs[0] else seconds
        whole = {**others, **whole_batches(trainer, config, rung.seconds)}
        rung.seconds["epoch"] = cost.epoch_seconds(config, whole, middle(config))
        if rung in (rungs[0], rungs[-1]):
            hours[rung.name] = cost.training_minutes(config, whole) / 60
    limits = {name: floor.seconds for name, floor in work.items()}
    least = {name: unit[name] / peak.flop for name in ("encode", "decode")}
    least |= {"collect_step": 0, **whole_batches(trainer, config, limits)}
    limits["epoch"] = cost.epoch_seconds(config, least, middle(config))
    best = rungs[-1].seconds
    return {
        "seconds": timings,
        "batches": {c.name: c.config.batch_size for c in trainer.components},
        "ladder": [asdict(rung) for rung in rungs],
        "differing": ladder.differing(rungs, trainer.bf16),
        "peak": asdict(peak),
        "gflop_of_one": {name: flop / 1e9 for name, flop in unit.items()},
        "floors": {name: asdict(floor) for name, floor in work.items()},
        "limits": limits,
        "share_of_limit": {name: limits[name] / best[name] for name in limits},
        "full_run_hours": hours,
        "usd_an_hour": price,
    }


def middle(config: Config) -> int:
    """The epoch half-way through a run: all components learn, the replay is half full
    or more."""
    return -(-config.training.epochs // 2)


def whole_batches(
    trainer: Trainer, config: Config, seconds: dict[str, float]
) -> dict[str, float]:
    """Seconds of an update of each component, as `cost` names them: a batch of `config`
    at the rate of the trainer's, which may be cut."""
    return {
        f"{c.name}_update": seconds[c.name]
        * getattr(config, c.name).updates.batch_size
        / c.config.batch_size
        for c in trainer.components
    }


# Text


def text(report: Report) -> str:
    """The whole report, for a terminal."""
    parts = table(report["seconds"])
    return f"{parts}\n\n{ladder_table(report)}\n\n{full_run(report)}"


def table(timings: dict[str, Timing]) -> str:
    """Milliseconds, a part a line."""
    lines = [f"{'ms':20}{'batch':>6}{'median':>10}{'least':>10}{'most':>10}"]
    for name, timing in timings.items():
        cells = [f"{1000 * timing[key]:10.2f}" for key in ("median", "least", "most")]
        lines.append(f"{name:20}{timing['batch']:6}{''.join(cells)}")
    return "\n".join(lines)


def ladder_table(report: Report) -> str:
    """Milliseconds of every rung, then the gain, the floor and the share of it."""
    rungs = report["ladder"]
    names = list(rungs[0]["seconds"])
    lines = [f"{'ms':32}" + "".join(f"{name:>14}" for name in names)]
    rows = {rung["name"]: rung["seconds"] for rung in rungs}
    rows["limit"] = report["limits"]
    for title, seconds in rows.items():
        cells = "".join(f"{1000 * seconds[name]:14.1f}" for name in names)
        lines.append(f"{title:32}{cells}")
    gains = "".join(f"{gain(report, name):13.1f}x" for name in names)
    shares = "".join(f"{report['share_of_limit'][name]:14.0%}" for name in names)
    lines += [f"{'gain':32}{gains}", f"{'share of the limit':32}{shares}"]
    return "\n".join(lines)


def gain(report: Report, part: str) -> float:
    """How many times as fast the highest rung is as the lowest."""
    first, last = report["ladder"][0], report["ladder"][-1]
    return first["seconds"][part] / last["seconds"][part]


def full_run(report: Report) -> str:
    """How long, and what that costs if the price is known."""
    lines = ["a full run, tests left out:"]
    price = report["usd_an_hour"]
    for name, hours in report["full_run_hours"].items():
        cost = "" if price is None else f", {price * hours:,.0f} USD"
        lines.append(f"{name:32}{duration(3600 * hours):>14}{cost}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A time in words, a short one too: 8.8 ms, 114.4 s, 17.8 h."""
    if seconds < 2:
        return f"{1000 * seconds:,.1f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else cost.span(seconds / 60)


# The picture


def draw(report: Report, path: Path) -> None:
    """The ladder of every part as bars: times as fast as the literal computation."""
    rungs = report["ladder"]
    names = list(rungs[0]["seconds"])
    with plt.rc_context(STYLE):
        size = (WIDTH * 1.6, 0.9 + 0.24 * len(rungs))
        figure, axes = plt.subplots(1, len(names), figsize=size, sharey=True)
        for ax, name in zip(axes, names, strict=True):
            first = rungs[0]["seconds"][name]
            times = [first / rung["seconds"][name] for rung in rungs]
            bars = ax.barh([rung["name"] for rung in rungs], times, color=BLUE)
            ax.bar_label(bars, labels=[f" {each:.1f}" for each in times], fontsize=6)
            limit = first / report["limits"][name]
            ax.axvline(limit, color=ORANGE)
            ax.set_xscale("log")
            wide = limit > 100  # no room for threes
            ax.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 3)))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_xlim(0.5, 2 * max(limit, *times))
            last = duration(rungs[-1]["seconds"][name])
            ax.set_title(f"{name.replace('_', ' ')}\nnow {last}")
            ax.set_xlabel("times as fast")
        axes[0].invert_yaxis()
        figure.suptitle(f"{cost.device_name(report)}. Orange: the limit", fontsize=7)
        figure.savefig(path)
        plt.close(figure)
