"""A run to measure, quickly."""

from collections.abc import Callable

import pytest

from iris_core.config import load_config
from iris_core.tools.benchmarks import parts, roofline, timing
from iris_core.training.state import TrainingState


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(timing, "SHORTEST", 1e-9)
    monkeypatch.setattr(parts, "RANDOM_STEPS", 40)
    monkeypatch.setattr(roofline, "SIZE", 64)
    monkeypatch.setattr(roofline, "BYTES", 2**20)


@pytest.fixture
def make_state(tmp_path) -> Callable[..., TrainingState]:
    """Of the smoke preset, with some settings changed and some steps played."""

    def make(*overrides: str) -> TrainingState:
        settings = ["device=cpu", f"outputs={tmp_path}", *overrides]
        state = parts.make_state(load_config("smoke", settings))
        for _ in range(30):
            state.collector.warm_step(state.random_policy)
        return state

    return make
