"""Long runs and long recordings take no more memory than short ones."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from torturing import weigh_run

from iris_core.tools.play.recording import save_video

MOST_GROWTH = 32  # MiB, in the second half of a run
MOST_FOR_A_VIDEO = 200  # MiB; 5,000 frames have 983


@pytest.mark.timeout(3600)
def test_a_long_run(full, keep, tmp_path) -> None:
    epochs = 300 if full else 24
    # A process of its own: other tests leave memory behind that grows by itself
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as own:
        found = own.submit(weigh_run, tmp_path, epochs).result()
    later = found[epochs // 2 :]  # after the first epochs all is in use
    growth = np.polyfit(range(len(later)), later, 1)[0]
    assert growth * len(later) / 1024 < MOST_GROWTH
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
