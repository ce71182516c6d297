"""Long runs and long recordings take no more memory than short ones."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from running import make_state, train

from iris_core.tools.play.recording import save_video
from iris_core.training.callback import Callback

MOST_GROWTH = 32  # MiB, in the second half of a run
MOST_FOR_A_VIDEO = 200  # MiB; 5,000 frames have 983


def memory() -> float:
    """What this process has in memory, in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


class Weigh(Callback):
    """Notes the memory after each epoch."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_epoch_end(self, state, metrics) -> None:
        self.found.append(memory())


@pytest.mark.timeout(3600)
def test_a_long_run(full, keep, tmp_path) -> None:
    epochs = 300 if full else 24
    overrides = [f"training.epochs={epochs}", "evaluation.every=100000"]
    weigh = Weigh()
    train(make_state(tmp_path, *overrides, "collection.epochs=2"), weigh)
    later = weigh.found[epochs // 2 :]  # after the first epochs all is in use
    growth = np.polyfit(range(len(later)), later, 1)[0]
    # In a process that ran other tests a single jump may be theirs; a leak is steady
    steady = growth if full else np.median(np.diff(later))
    assert steady * len(later) / 1024 < MOST_GROWTH
    keep("memory of a run", epochs=epochs, kib_an_epoch=round(float(growth), 1))


def frames(count: int) -> Iterator[np.ndarray]:
    """Frames that move, 256 x 256."""
    picture = np.arange(256 * 256 * 3, dtype=np.uint8).reshape(256, 256, 3)
    return (np.roll(picture, i, axis=1) for i in range(count))


@pytest.mark.timeout(3600)
def test_a_long_recording(full, keep, tmp_path) -> None:
    count = 5000 if full else 200
    save_video(frames(30), tmp_path / "first.mp4", 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    save_video(frames(count), tmp_path / "long.mp4", 30)
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert growth < MOST_FOR_A_VIDEO
    keep("memory of a recording", frames=count, mib=round(growth, 1))
