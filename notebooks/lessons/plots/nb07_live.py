"""A training run to look at while it learns: what notebook 07 puts on the screen.

`Live` is a callback of the trainer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partialmethod
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import DisplayHandle, Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from tqdm.auto import tqdm

from iris_core.data.frames import to_frames, to_pixels
from iris_core.plotting.frame_strip import draw_frame
from iris_core.plotting.learning_curve import plot_returns, step_axis
from iris_core.plotting.palette import BLUE, FAINT, GREEN, INK, PINK, VERMILLION
from iris_core.runtime.table import read_metrics
from iris_core.training.callback import Callback, Result
from iris_core.training.logger import Meter
from iris_core.training.schedule import Phase, phases
from iris_core.training.state import TrainingState
from lessons.plots.sliders import png

# A panel: its title, and the meter's figures that it shows with their labels
PANELS: dict[str, dict[str, str]] = {
    "tokenizer: loss": {"tokenizer/loss": ""},
    "world model: loss": {"world_model/loss": ""},
    "policy": {
        "actor_critic/policy_entropy": "entropy (nats)",
        "actor_critic/imagined_reward": "reward in a dream",
    },
}
CURVES = [name for panel in PANELS.values() for name in panel]
NAMES = {
    "warm_start": "random play",
    "collect": "playing",
    "world_model": "world model",
    "actor_critic": "policy",
}
SHOWN_FRAMES = 4
FRAMES_APART = 12  # steps between two of them

Curve = list[tuple[float, float]]  # (updates so far, mean since the last point)
Test = tuple[float, float, float]  # environment steps, mean return, standard error


@dataclass
class Snapshot:
    """All that a picture of a run is drawn from.

    real, seen: uint8 (N, 64, 64, 3), frames and their reconstructions; None before the
    tokenizer has learned.
    """

    status: str = ""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    tests: Sequence[Test] = ()
    real: np.ndarray | None = None
    seen: np.ndarray | None = None


# Pictures: pure functions of what they show


def draw_dashboard(snapshot: Snapshot) -> Figure:
    """Losses, the policy, the real game, and what the policy sees of it."""
    figure = plt.figure(figsize=(9.6, 5.0))
    parts: Any = figure.subfigures(1, 2, width_ratios=[2, 0.72])
    *panels, tests = parts[0].subplots(2, 2).flat
    for ax, (title, names) in zip(panels, PANELS.items(), strict=True):
        draw_curves(ax, title, names, snapshot.curves)
    draw_tests(tests, snapshot.tests)
    draw_pairs(parts[1], snapshot.real, snapshot.seen)
    figure.suptitle(snapshot.status, x=0.01, ha="left", fontsize=11, color=INK)
    return figure


def draw_curves(
    ax: Axes, title: str, names: Mapping[str, str], curves: Mapping[str, Curve]
) -> None:
    """One panel; a second curve has its scale on the right. A loss that falls far is
    drawn on a logarithmic scale."""
    ax.set_title(title, loc="left")
    ax.set_xlabel("updates")
    known = {name: curves[name] for name in names if curves.get(name)}
    if not known:
        say_nothing_yet(ax)
        return
    scales = [ax, ax.twinx()] if len(names) > 1 else [ax]
    for (name, points), scale, colour in zip(
        known.items(), scales, [BLUE, VERMILLION], strict=False
    ):
        mark = "o-" if len(points) == 1 else "-"
        scale.plot(*np.array(points).T, mark, color=colour)
        scale.set_ylabel(names[name], color=colour, fontsize=10)
    for right in scales[1:]:
        right.grid(False)
        right.spines["right"].set_visible(True)
    ax.xaxis.set_major_locator(plt.MaxNLocator(5, integer=True))
    if len(names) == 1 and spread(known[next(iter(names))]) > 3:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")


def spread(points: Curve) -> float:
    """How many times the least value of a curve the largest is."""
    values = [value for _, value in points]
    return max(values) / min(values) if min(values) > 0 else 1.0


def draw_tests(ax: Axes, tests: Sequence[Test]) -> None:
    """The mean return of each test, and its standard error."""
    ax.set_title("real game: test return", loc="left")
    ax.set_xlabel("environment steps")
    if not tests:
        say_nothing_yet(ax)
        return
    steps, means, errors = np.array(tests).T
    plot_returns(ax, steps, means, errors, GREEN)
    ax.margins(x=0.1, y=0.2)
    step_axis(ax, 3)


def say_nothing_yet(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.text(0.5, 0.5, "not yet", ha="center", color=FAINT, transform=ax.transAxes)


def draw_pairs(
    part: SubFigure, real: np.ndarray | None, seen: np.ndarray | None
) -> None:
    """Frames in the left column, their reconstructions in the right one."""
    part.suptitle("played | reconstructed", fontsize=10)
    if real is None or seen is None:
        say_nothing_yet(part.subplots())
        return
    axes = part.subplots(len(real), 2, squeeze=False)
    for line, pair in zip(axes, zip(real, seen, strict=True), strict=True):
        for ax, frame in zip(line, pair, strict=True):
            draw_frame(ax, frame)


def draw_schedule(rows: Mapping[str, np.ndarray], title: str) -> Figure:
    """A bar for every run of epochs in which something is done.

    rows: name -> int (epochs,), how much of it is done in each epoch.
    """
    figure, ax = plt.subplots(figsize=(8.4, 0.55 * len(rows) + 1.1))
    colours = {name: FAINT for name in rows if "play" in name}
    others = [name for name in rows if name not in colours]
    colours |= dict(zip(others, [BLUE, VERMILLION, GREEN, PINK], strict=False))
    epochs = max(len(amounts) for amounts in rows.values())
    for y, (name, amounts) in enumerate(rows.items()):
        for start, stop, amount in runs_of(amounts):
            ax.barh(y, stop - start, left=start + 0.5, color=colours[name], height=0.7)
            if stop - start > epochs / 20:
                middle = (start + stop + 1) / 2
                ax.text(middle, y, f"{amount:,}", ha="center", va="center", color="w")
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.set(xlim=(0.5, epochs + 0.5), xlabel="epoch", title=title)
    ax.xaxis.set_major_locator(plt.MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    ax.grid(False)
    return figure


def runs_of(amounts: np.ndarray) -> list[tuple[int, int, int]]:
    """Runs of equal numbers that are not 0, as (start, stop, number)."""
    found, start = [], 0
    for amount, group in groupby(amounts.tolist()):
        stop = start + len(list(group))
        if amount:
            found.append((start, stop, int(amount)))
        start = stop
    return found


# A callback


def no_bars() -> None:
    """From here on the library draws no progress bars: a dashboard stands for them.

    (The variable TQDM_DISABLE is not heard by the bars of notebooks.)
    """
    tqdm.__init__ = partialmethod(tqdm.__init__, disable=True)


class Screen:
    """One picture in a cell's output, replaced whenever a new one comes."""

    def __init__(self) -> None:
        self.handle: DisplayHandle | None = None

    def __call__(self, snapshot: Snapshot) -> None:
        image = Image(png(draw_dashboard(snapshot)))
        if self.handle is None:
            self.handle = display(image, display_id=True)
        else:
            self.handle.update(image)


class Live(Callback):
    """Shows a run every few seconds, as its meter tells it.

    It reads, changes nothing, and draws no random number, so a run that is watched
    learns what it would learn unwatched. snapshots: what was shown, in order.
    points: on a curve, for one phase of an epoch.
    """

    def __init__(
        self,
        show: Callable[[Snapshot], None] | None = None,
        seconds: float = 5.0,
        points: int = 20,
    ) -> None:
        self.show = show or Screen()
        self.seconds = seconds
        self.points = points
        self.snapshots: list[Snapshot] = []
        self.curves: dict[str, Curve] = {name: [] for name in CURVES}
        self.pace: dict[str, list[float]] = {}  # phase -> seconds, steps
        self.last_shown = 0.0
        self.last_step: float | None = None  # when the last step of this phase ended

    def on_train_start(self, state: TrainingState) -> None:
        self.follow(state.meter)  # of a run that is resumed, it knows something already
        self.last_step = None
        self.picture(state)

    def follow(self, meter: Meter) -> None:
        """Read this meter from here on."""
        self.meter = meter
        self.noted = {name: self.read(name) for name in CURVES}

    def on_step(self, state: TrainingState) -> None:
        now = time.perf_counter()
        if state.meter is not self.meter:  # of a new epoch, in which this was a step
            self.meter, self.noted = state.meter, dict.fromkeys(CURVES, (0.0, 0))
        phase = phase_of(state)
        if self.last_step is not None:
            seconds_steps = self.pace.setdefault(phase.name, [0.0, 0.0])
            seconds_steps[0] += now - self.last_step
            seconds_steps[1] += 1
        if state.progress.step % max(1, phase.steps // self.points) == 0:
            self.note()
        if now - self.last_shown > self.seconds:
            self.picture(state)
        self.last_step = time.perf_counter()

    def on_phase_end(self, state: TrainingState) -> None:
        self.note()
        self.last_step = None

    def on_epoch_end(self, state: TrainingState, metrics: dict[str, float]) -> None:
        self.picture(state)

    def on_train_end(self, state: TrainingState, result: Result) -> None:
        self.picture(state)

    def on_exit(self, state: TrainingState) -> None:
        self.note()
        minutes = state.progress.seconds / 60
        over = state.progress.epoch > state.config.training.epochs
        ended = "finished" if over and not state.stop_requested else "stopped and saved"
        steps = f"{state.progress.env_steps:,} environment steps"
        self.picture(state, f"{ended}: {steps}, {minutes:.1f} minutes of training")

    def note(self) -> None:
        """A point on every curve that the meter has news of."""
        for name, curve in self.curves.items():
            total, count = self.read(name)
            before, counted = self.noted[name]
            if count > counted:
                done = curve[-1][0] if curve else 0.0
                mean = (total - before) / (count - counted)
                curve.append((done + count - counted, mean))
                self.noted[name] = (total, count)

    def read(self, name: str) -> tuple[float, int]:
        """Sum and count of a metric in this epoch."""
        return float(self.meter.sums.get(name, 0.0)), self.meter.counts.get(name, 0)

    def picture(self, state: TrainingState, status: str | None = None) -> None:
        """Show the run as it is now."""
        real, seen = pairs(state)
        snapshot = Snapshot(
            status or self.status(state),
            {name: list(curve) for name, curve in self.curves.items()},
            read_tests(state.run.metrics),
            real,
            seen,
        )
        self.snapshots.append(snapshot)
        self.show(snapshot)
        self.last_shown = time.perf_counter()

    def status(self, state: TrainingState) -> str:
        """Where a run is and how long it will take, in words."""
        progress, epochs = state.progress, state.config.training.epochs
        if progress.epoch > epochs:
            return f"all {epochs} epochs done; the final test is being played"
        phase = phase_of(state)
        what = NAMES.get(phase.name, phase.name)
        step = f", {progress.step:,} of {phase.steps:,}" if phase.steps else ""
        left = time_left(state, self.pace)
        done = f"{progress.env_steps:,} environment steps"
        return f"epoch {progress.epoch} of {epochs} · {what}{step} · {done} · {left}"


def phase_of(state: TrainingState) -> Phase:
    """The phase under way, or the test that ends an epoch."""
    plan = phases(state.config, state.progress.epoch)
    at = state.progress.phase
    return plan[at] if at < len(plan) else Phase("test", 0)


def time_left(state: TrainingState, pace: Mapping[str, Sequence[float]]) -> str:
    """From the seconds a step took so far; what was never done is not counted."""
    progress, seconds, unknown = state.progress, 0.0, False
    for epoch in range(progress.epoch, state.config.training.epochs + 1):
        for at, (name, steps) in enumerate(phases(state.config, epoch)):
            if epoch == progress.epoch and at <= progress.phase:
                steps = steps - progress.step if at == progress.phase else 0
            took, done = pace.get(name, (0.0, 0.0))
            seconds += steps * took / done if done else 0.0
            unknown |= steps > 0 and not done
    about = "at least" if unknown else "about"
    return f"{about} {seconds / 60:.0f} min of training left"


@torch.no_grad()
def pairs(state: TrainingState) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The newest frames played and their reconstructions, uint8 (N, 64, 64, 3)."""
    if not state.tokenizer.updates:
        return None, None
    newest = state.replay[state.replay.ids[-1]].frames[::-FRAMES_APART]
    real = np.ascontiguousarray(newest[:SHOWN_FRAMES][::-1].transpose(0, 2, 3, 1))
    with state.autocast:
        seen = state.agent.tokenizer.reconstruct(to_frames(real, state.device))
    return real, to_pixels(seen)


def read_tests(metrics: Path) -> list[Test]:
    """The tests so far, from a run's metrics.csv."""
    columns = ["env_steps", "test/return", "test/return_error"]
    if not metrics.is_file():
        return []
    table = read_metrics(metrics, ["epoch"])
    if not set(columns) <= set(table):
        return []
    return [tuple(row) for row in table[columns].dropna().to_numpy().tolist()]
