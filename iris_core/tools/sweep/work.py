"""A run as a Ray task, and the sweep that hands them out and gathers what they give.

Ray packs the tasks onto the cores and GPUs of this machine or of a cluster. A task
whose worker is lost or fails is started again by Ray and goes on from the run's last
checkpoint, which a run resumes exactly.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from iris_core.config import ConfigError, config_from_dict, config_to_dict
from iris_core.runtime.device import resolve_device
from iris_core.runtime.files import write_atomic
from iris_core.runtime.run_folder import Run
from iris_core.tools.benchmarks.command import default_file
from iris_core.tools.benchmarks.parts import measure
from iris_core.tools.benchmarks.run_cost import Seconds, benchmark_seconds, seconds_of
from iris_core.tools.scores.run_records import (
    METRICS,
    append_run,
    final_test,
    run_of_json,
    run_table,
)
from iris_core.tools.sweep.plan import Sweep
from iris_core.training import checkpoint
from iris_core.training.component import DivergedError
from iris_core.training.state import TrainingState
from iris_core.training.train import train_state

STOPPED = "stopped"
ATTEMPTS = "attempts.txt"  # of a run folder: a line for each worker that took it up
REFRESH = 2.0  # seconds between two looks at the runs
GRACE = 60.0  # seconds for runs to save themselves when their sweep is stopped
Notice = Callable[[str, str], None]  # a run, and "" or what went wrong with it


def train_run(folder: str, settings: dict[str, Any]) -> str:
    """Train the run of a folder to its end, from wherever it stands.

    Returns "" or why it cannot be done; raises what trying again may help against.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    with (path / ATTEMPTS).open("a") as file:
        file.write(f"{socket.gethostname()} {os.getpid()}\n")
    if (path / "results.json").is_file():
        return ""
    try:
        begun = (path / "config.yaml").is_file()
        run = Run.open(path) if begun else Run.create(config_from_dict(settings), path)
        run.check_whole()
        with run.writing(patience=GRACE):
            saved = (run.checkpoints / checkpoint.FILE).is_file()
            state = checkpoint.resume(run) if saved else TrainingState(run.config, run)
            return STOPPED if train_state(state).interrupted else ""
    except (ConfigError, DivergedError) as error:  # the same again would come of it
        return str(error)


def measure_run(settings: dict[str, Any]) -> Seconds:
    """Seconds of each part of training, where the runs will take place."""
    config = config_from_dict(settings)
    with tempfile.TemporaryDirectory() as folder:
        config.outputs = folder
        timings = measure(TrainingState(config, Run.create(config)), repeats=1)
    return seconds_of(timings)


def slots(ray: Any, sweep: Sweep) -> int:
    """How many runs fit side by side; ConfigError if none does."""
    there = ray.cluster_resources()
    wanted = {"CPU": sweep.cpu, "GPU": sweep.gpu}
    count = min(int(there.get(n, 0) / need) for n, need in wanted.items() if need > 0)
    if count < 1:
        raise ConfigError(
            f"a run is to have {sweep.cpu:g} cores and {sweep.gpu:g} GPUs, but Ray has"
            f" {there.get('CPU', 0):g} and {there.get('GPU', 0):g}. Change"
            " resources.cpu or resources.gpu."
        )
    return count


def task(ray: Any, sweep: Sweep, function: Callable[..., Any]) -> Any:
    """A function as a Ray task that takes what a run may have of a machine."""
    return ray.remote(function).options(
        num_cpus=sweep.cpu,
        num_gpus=sweep.gpu,
        max_retries=sweep.retries,
        retry_exceptions=True,
    )


def part_times(ray: Any, sweep: Sweep) -> tuple[Seconds, str]:
    """Seconds of each part of training and where they are from: a benchmark of these
    sizes and this kind of device in results/benchmarks, or else a short measurement."""
    config = next(iter(sweep.configs.values()))
    gpu = torch.device("cuda") if sweep.gpu else resolve_device(config.device)
    file = default_file(sweep.overrides, gpu)
    if file.is_file():
        seconds, device = benchmark_seconds(file, config)
        if seconds:
            return seconds, f"{file} ({device})"
    seconds = ray.get(task(ray, sweep, measure_run).remote(config_to_dict(config)))
    return seconds, "a short measurement"


def work(
    ray: Any, sweep: Sweep, on_run_end: Notice, on_refresh: Callable[[], None]
) -> dict[str, str]:
    """Train all runs that are not finished; what went wrong, by run.

    on_run_end: called as each run ends. on_refresh: called every few seconds.
    KeyboardInterrupt lets the runs save themselves first.
    """
    train = task(ray, sweep, train_run)
    waiting = {
        train.remote(str(sweep.path(run).resolve()), config_to_dict(config)): run
        for run, config in sweep.configs.items()
        if not sweep.finished(run)
    }
    failed: dict[str, str] = {}
    try:
        while waiting:
            ready, _ = ray.wait(list(waiting), timeout=REFRESH)
            for reference in ready:
                run, problem = waiting.pop(reference), outcome(ray, reference)
                if problem:
                    failed[run] = problem
                else:
                    gather(sweep, [run])
                on_run_end(run, problem)
            on_refresh()
    except KeyboardInterrupt:
        for reference in waiting:
            ray.cancel(reference)
        ray.wait(list(waiting), num_returns=len(waiting), timeout=GRACE)
        raise
    return failed


def outcome(ray: Any, reference: Any) -> str:
    """What a task says that went wrong, or Ray of its worker; "" if nothing did."""
    try:
        return str(ray.get(reference))
    except ray.exceptions.RayError as error:
        return str(error).strip().splitlines()[-1]


def gather(sweep: Sweep, runs: Sequence[str]) -> None:
    """Put what finished runs gave into the results folder: a row each in scores.csv and
    table.md, and their results and metrics under the names that figures read."""
    for run in runs:
        folder, name = sweep.path(run), f"{sweep.name}-{run.lower()}"
        results = folder / "results.json"
        append_run(run_of_json(results), sweep.results / "scores.csv")
        shutil.copyfile(results, sweep.results / f"{name}.json")
        metrics = sweep.results / f"{name}{METRICS}.csv"
        shutil.copyfile(folder / "metrics.csv", metrics)
    if done := [run for run in sweep.configs if sweep.finished(run)]:
        tests = [final_test(sweep.path(run) / "results.json") for run in done]
        write_atomic(sweep.results / "table.md", run_table(tests))
