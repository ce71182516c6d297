"""What `iris bench` finds out, as numbers, as text and as a picture."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from iris_core.config.departures import Config
from iris_core.plotting.palette import BLUE, ORANGE
from iris_core.tools.benchmarks import ablation, parts, roofline, run_cost
from iris_core.tools.figures.style import STYLE, WIDTH
from iris_core.training.state import TrainingState

Report = dict[str, Any]


def study(
    state: TrainingState, config: Config, repeats: int, price: float | None
) -> Report:
    """Parts, ablation, roofline, and the projected run of `config`, whose batches are
    not cut; price: of an hour of this device, in USD."""
    timings = parts.measure(state, repeats)
    variants = ablation.run(state, repeats)
    agent, bf16, batches = state.agent, state.bf16, parts.batch_sizes(state)
    peak, unit = roofline.measure_peak(state.device, bf16), roofline.unit_flop(agent)
    work = roofline.limits(agent, state.config, unit, peak, bf16)
    limits = {name: limit["seconds"] for name, limit in work.items()}
    others = run_cost.seconds_of(timings)
    hours = {}
    for variant in variants:
        whole = others | whole_batches(batches, config, variant.seconds)
        if variant is variants[0]:  # its updates encode and decode by themselves
            whole |= {"encode": 0, "decode": 0}
        variant.seconds["epoch"] = run_cost.epoch_seconds(config, whole, middle(config))
        if variant in (variants[0], variants[-1]):
            hours[variant.name] = run_cost.training_minutes(config, whole) / 60
    least = {name: unit[name] / peak["flop"] for name in ("encode", "decode")}
    least |= {"collect_step": 0, **whole_batches(batches, config, limits)}
    limits["epoch"] = run_cost.epoch_seconds(config, least, middle(config))
    best = variants[-1].seconds
    return {
        "seconds": timings,
        "batches": batches,
        "ablation": [asdict(variant) for variant in variants],
        "differing": ablation.differing(variants, bf16),
        "peak": peak,
        "gflop_of_one": {name: flop / 1e9 for name, flop in unit.items()},
        "roofline": work,
        "limits": limits,
        "share_of_limit": {name: limits[name] / best[name] for name in limits},
        "full_run_hours": hours,
        "usd_an_hour": price,
    }


def middle(config: Config) -> int:
    """The epoch half-way through a run: all learn, the replay is half full or more."""
    return -(-config.training.epochs // 2)


def whole_batches(
    batches: Mapping[str, int], config: Config, seconds: Mapping[str, float]
) -> dict[str, float]:
    """Seconds of an update of each component, as `run_cost` names them: a batch of
    `config` at the rate of those that were timed, which may be cut."""
    whole = {name: getattr(config, name).updates.batch_size for name in batches}
    return {
        f"{name}_update": seconds[name] * whole[name] / size
        for name, size in batches.items()
    }


def text(report: Report) -> str:
    """The whole report, for a terminal."""
    times = pd.DataFrame(report["seconds"]).T.rename_axis(columns="ms")
    times[["median", "least", "most"]] *= 1000
    table = times.to_string(formatters={"batch": "{:.0f}".format}, float_format="%.2f")
    return f"{table}\n\n{ablation_table(report)}\n\n{full_run(report)}"


def variants_of(report: Report) -> pd.DataFrame:
    """Of every variant, a row each, and at last the limit; a column is a part."""
    rows = {variant["name"]: variant["seconds"] for variant in report["ablation"]}
    return pd.DataFrame({**rows, "limit": report["limits"]}).T


def ablation_table(report: Report) -> str:
    """Milliseconds of every variant, the limit, the gain and the share of the limit."""
    seconds, share = variants_of(report), pd.Series(report["share_of_limit"])
    shown = (1000 * seconds).map("{:.1f}".format).rename_axis(columns="ms")
    shown.loc["gain"] = (seconds.iloc[0] / seconds.iloc[-2]).map("{:.1f}x".format)
    shown.loc["share of the limit"] = share.map("{:.0%}".format)
    return shown.to_string()


def full_run(report: Report) -> str:
    """How long, and what that costs if the price is known."""
    lines = ["a full run, tests left out:"]
    price = report["usd_an_hour"]
    for name, hours in report["full_run_hours"].items():
        usd = "" if price is None else f", {price * hours:,.0f} USD"
        lines.append(f"{name:32}{duration(3600 * hours):>14}{usd}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A time in words, a short one too: 8.8 ms, 114.4 s, 17.8 h."""
    if seconds < 2:
        return f"{1000 * seconds:,.1f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else run_cost.span(seconds / 60)


def draw(report: Report, path: Path) -> None:
    """The ablation of every part as bars: times as fast as the reference."""
    seconds = variants_of(report)
    *variants, _ = seconds.index
    with plt.rc_context(STYLE):
        size = (WIDTH * 1.6, 0.9 + 0.24 * len(variants))
        figure, axes = plt.subplots(1, seconds.shape[1], figsize=size, sharey=True)
        for ax, (name, each) in zip(axes, seconds.items(), strict=True):
            draw_part(ax, each.iloc[0] / each)
            now = duration(each[variants[-1]])
            ax.set_title(f"{str(name).replace('_', ' ')}\nnow {now}")
        axes[0].invert_yaxis()
        device = run_cost.device_name(report)
        figure.suptitle(f"{device}. Orange: the limit", fontsize=7)
        figure.savefig(path)
        plt.close(figure)


def draw_part(ax: Axes, gains: pd.Series) -> None:
    """Times as fast as the reference: a bar a variant, a line at the limit."""
    *times, limit = gains
    bars = ax.barh(gains.index[:-1], times, color=BLUE)
    ax.bar_label(bars, fmt=" %.1f", fontsize=6)
    ax.axvline(limit, color=ORANGE)
    ax.set(xscale="log", xlim=(0.5, 2 * max(gains)), xlabel="times as fast")
    subs = (1,) if limit > 100 else (1, 3)  # there is no room for threes
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
