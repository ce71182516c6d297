"""The epoch loop: play a little, then train each component (algorithm 1).

The trainer knows which phase and which step of it comes next, and a checkpoint holds
that too, so a run may stop anywhere and go on as if it never had. All else, tests,
logs, pictures and checkpoints, is done by callbacks.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from iris_core.data.episode import EpisodeStats
from iris_core.training.callback import Callback, Result
from iris_core.training.component import DivergedError
from iris_core.training.logger import Meter
from iris_core.training.schedule import (
    WARM_START,
    Phase,
    annealed,
    is_last,
    phases,
    share_done,
)
from iris_core.training.state import Interrupted, TrainingState

Metrics = Mapping[str, float | Tensor]
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Trainer:
    """Trains a state's agent; callbacks are called in their order."""

    def __init__(self, state: TrainingState, callbacks: Sequence[Callback]) -> None:
        self.state = state
        self.callbacks = callbacks

    def run(self) -> Result:
        """Train to the end, or until Ctrl-C.

        Raises:
            DivergedError: a loss is not finite; the last checkpoint is as it was.
        """
        state, result = self.state, Result()
        state.stop_requested = False
        try:
            self.notify("on_train_start")
            with self.interruptible():
                while not self.is_over():
                    self.run_epoch()
                self.notify("on_train_end", result)
        except Interrupted:
            self.notify("on_checkpoint")
            result.interrupted = True
        except DivergedError as error:
            raise DivergedError(
                f"{error} in epoch {state.progress.epoch}. A lower learning rate or "
                "clip_norm may help."
            ) from error
        finally:
            self.notify("on_exit")
        return result

    def notify(self, event: str, *details: object) -> None:
        """Call a method of every callback, by its name in `Callback`."""
        for callback in self.callbacks:
            getattr(callback, event)(self.state, *details)

    def is_over(self) -> bool:
        """Whether all epochs are done, and none is under way."""
        config, progress = self.state.config, self.state.progress
        under_way = progress.phase > 0 or progress.step > 0
        last = is_last(config, progress.epoch - 1, progress.cpu_seconds)
        return last and not under_way

    def run_epoch(self) -> None:
        """What is left of the epoch under way, then its test and checkpoint."""
        progress = self.state.progress
        plan = phases(self.state.config, progress.epoch)
        for phase in plan[progress.phase :]:
            self.run_phase(phase)
            progress.phase += 1
            progress.step = 0
            self.notify("on_phase_end")
            if phase.name == WARM_START:
                self.notify("on_checkpoint")
        self.notify("on_epoch_end", self.epoch_metrics())
        self.begin_next_epoch()

    def epoch_metrics(self) -> dict[str, float]:
        """Means over the epoch under way, and what the run has cost so far."""
        progress = self.state.progress
        metrics = self.state.meter.means()
        metrics["env_steps"] = progress.env_steps
        metrics["minutes"] = progress.seconds / 60
        metrics["cpu_minutes"] = progress.cpu_seconds / 60
        if seconds := metrics.get("collect/seconds_per_step"):
            num_envs = self.state.config.env.num_envs
            metrics["collect/steps_per_second"] = num_envs / seconds
        return metrics

    def begin_next_epoch(self) -> None:
        config, progress = self.state.config, self.state.progress
        epoch, cpu_seconds = progress.epoch, progress.cpu_seconds
        self.state.meter = Meter()
        progress.epoch += 1
        progress.phase = 0
        progress.done = share_done(config, epoch, cpu_seconds)
        due = epoch % config.training.checkpoint_every == 0
        if due or is_last(config, epoch, cpu_seconds):
            self.notify("on_checkpoint")

    # The phases of an epoch

    def run_phase(self, phase: Phase) -> None:
        if phase.name in self.state.components:
            self.train_component(phase)
        elif phase.name == WARM_START:
            self.repeat(phase, self.warm_step)
        else:
            self.repeat(phase, self.collect_step)

    def train_component(self, phase: Phase) -> None:
        """An epoch's updates of one network."""
        state = self.state
        component = state.components[phase.name]
        anneal_from = component.config.anneal_from
        component.annealed = annealed(anneal_from, state.progress.done)
        self.repeat(phase, lambda: component.update(state.autocast))
        component.raise_pending()

    def warm_step(self) -> Metrics:
        """A step of random play in every environment."""
        state = self.state
        return self.collected(state.collector.warm_step(state.random_policy))

    def collect_step(self) -> Metrics:
        """A step of the policy in every environment."""
        state = self.state
        with state.autocast:
            if state.progress.step == 0:
                state.collector.begin(state.agent)
            ended = state.collector.policy_step(state.agent, state.config.collection)
        return self.collected(ended)

    def collected(self, ended: Sequence[EpisodeStats]) -> Metrics:
        self.state.progress.env_steps += self.state.config.env.num_envs
        if not ended:
            return {}
        return {
            "return": float(np.mean([stats.episode_return for stats in ended])),
            "length": float(np.mean([stats.length for stats in ended])),
        }

    def repeat(self, phase: Phase, step: Callable[[], Metrics]) -> None:
        """What is left of a phase's steps, metered, timed, and shown by a bar."""
        state, progress = self.state, self.state.progress
        title = f"epoch {progress.epoch} {phase.name}"
        bar = tqdm(total=phase.steps, initial=progress.step, desc=title, leave=False)
        with bar, self.timed(phase.name):
            while progress.step < phase.steps:
                state.check_stop()
                state.meter.add(phase.name, step())
                progress.step += 1
                bar.update()
                self.notify("on_step")

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note the time of the steps inside, also when Ctrl-C cuts them short."""
        progress = self.state.progress
        started, first = time.perf_counter(), progress.step
        cpu_started = time.process_time()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            progress.seconds += seconds
            progress.cpu_seconds += time.process_time() - cpu_started
            self.state.meter.seconds(name, seconds, progress.step - first)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C asks the loop to stop at its next step, and so does SIGTERM, as a
        batch system sends it; a second one kills it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, _: object) -> None:
            self.state.stop_requested = True
            signal.signal(number, before[number] or signal.SIG_DFL)

        before: dict[int, Any] = {n: signal.signal(n, ask) for n in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)
