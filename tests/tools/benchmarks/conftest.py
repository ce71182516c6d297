"""A trainer to measure, quickly."""

from collections.abc import Callable

import pytest

from iris_core.config import load_config
from iris_core.tools.benchmarks import parts, roofline, timing
from iris_core.training.trainer import Trainer


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(timing, "SHORTEST", 1e-9)
    monkeypatch.setattr(parts, "RANDOM_STEPS", 40)
    monkeypatch.setattr(roofline, "SIZE", 64)
    monkeypatch.setattr(roofline, "BYTES", 2**20)


@pytest.fixture
def make_trainer(tmp_path) -> Callable[..., Trainer]:
    """Of the smoke preset, with some settings changed and some steps played."""

    def make(*overrides: str) -> Trainer:
        settings = ["device=cpu", f"outputs={tmp_path}", *overrides]
        trainer = parts.make_trainer(load_config("smoke", settings))
        for _ in range(30):
            trainer.warm_step()
        return trainer

    return make
