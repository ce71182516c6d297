"""A sweep whose workers and driver are killed comes to what an undisturbed one does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from running import everything, same

from iris_core.runtime.run_folder import Run
from iris_core.tools.sweep.work import ATTEMPTS
from iris_core.training import checkpoint

SEEDS = range(4)
SETTINGS = ["preset=smoke", "device=cpu", "training.epochs=6", "evaluation.every=6"]
SETTINGS += ["collection.steps_per_epoch=20", "collection.warm_start_steps=40"]
SETTINGS += ["evaluation.final_baselines=false"]
SWEEP = ["sweep", "games=Catch", f"seeds={len(SEEDS)}", "name=s", *SETTINGS]
WAYS = ("worker", "driver", "worker", "Ctrl-C")


def begin(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """A command line of iris, in a folder, under way."""
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "iris_core.cli", *words]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


def run_folder(folder: Path, seed: int) -> Path:
    return folder / "outputs" / "sweeps" / "s" / "runs" / f"Catch-seed{seed}"


def attempts(folder: Path) -> list[str]:
    """The workers that have taken up runs that are not finished, by their ids."""
    runs = [run_folder(folder, seed) for seed in SEEDS]
    begun = [run for run in runs if not (run / "results.json").exists()]
    files = [run / ATTEMPTS for run in begun if (run / ATTEMPTS).exists()]
    return [file.read_text().split()[-1] for file in files]


def end_of(folder: Path) -> dict[str, Any]:
    """All that a run came to."""
    found = everything(checkpoint.resume(Run.open(folder)))
    del found["results"]["commit"]  # which may be made while this runs
    return found


def strike(way: str, driver: subprocess.Popen[bytes], folder: Path) -> bool:
    """Kill a worker or the driver; whether there was one."""
    if driver.poll() is not None:
        return False
    if way == "worker":
        alive = [int(pid) for pid in attempts(folder) if Path("/proc", pid).exists()]
        if not alive:
            return False
        os.kill(alive[-1], signal.SIGKILL)
        return True
    driver.send_signal(signal.SIGINT if way == "Ctrl-C" else signal.SIGKILL)
    driver.wait()
    return True


@pytest.mark.timeout(3600)
def test_workers_and_driver_are_killed(full, keep, tmp_path) -> None:
    if not full:
        pytest.skip("make torture does it; tests/tools/sweep kills one worker")
    draw, kills = random.Random(4), Counter()
    for seed in SEEDS:
        alone = tmp_path / f"alone{seed}"
        alone.mkdir()
        train = ["train", "env.game=Catch", f"seed={seed}", *SETTINGS, "outputs=o"]
        assert begin(alone, *train).wait() == 0, (alone / "log").read_text()
    driver = begin(tmp_path, *SWEEP)
    for way in WAYS:
        seen = len(attempts(tmp_path))
        while driver.poll() is None and len(attempts(tmp_path)) == seen == 0:
            time.sleep(0.1)
        time.sleep(draw.uniform(0, 3))
        kills[way] += strike(way, driver, tmp_path)
        if driver.poll() is not None:
            driver = begin(tmp_path, *SWEEP)
    assert driver.wait() == 0, (tmp_path / "log").read_text()
    for seed in SEEDS:
        (alone,) = tmp_path.glob(f"alone{seed}/o/*/*/config.yaml")
        assert same(end_of(run_folder(tmp_path, seed)), end_of(alone.parent)), seed
    keep("sweep", runs=len(SEEDS), equal=len(SEEDS), kills=dict(kills))
