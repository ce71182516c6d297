"""A stopwatch for parts of training, and the machine that its figures hold for."""

import math
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import torch

from iris_core.config import Config
from iris_core.runtime.run_folder import find_versions

SHORTEST = 0.1  # seconds of a repeat: what is quicker is done several times in it

Part = Callable[[], Any]
Clock = Callable[[], float]
Timing = dict[str, float]  # seconds of one call: median, least, most


def clock_for(device: torch.device) -> Clock:
    """On one core, processor time: other programs do not count."""
    one_core = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if one_core else time.perf_counter


def timed(
    part: Part, repeats: int, device: torch.device, clock: Clock | None = None
) -> Timing:
    """Seconds of one call: the median over repeats after a warm-up, and the spread.

    clock: by default that of the device.
    """
    clock = clock or clock_for(device)

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
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


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
