"""Means over an epoch; loggers: later columns, resumed runs, W&B without W&B."""

import sys
import time
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from iris_core.config import ConfigError, load_config
from iris_core.runtime.run_folder import Run
from iris_core.training.logger import (
    CsvLogger,
    Meter,
    TensorBoardLogger,
    WandbLogger,
    make_loggers,
)
from iris_core.training.train import start


@pytest.fixture
def run(tmp_path):
    return Run.create(load_config("smoke", [f'outputs="{tmp_path}"', "device=cpu"]))


def test_csv_takes_new_columns(tmp_path):
    path = tmp_path / "metrics.csv"
    logger = CsvLogger(path)
    logger.log(1, {"loss": 0.5})
    logger.log(2, {"loss": 0.25, "return": 3})
    logger.log(3, {"return": float("nan")})
    table = pd.read_csv(path)
    assert list(table.columns) == ["epoch", "loss", "return"]
    assert table["epoch"].tolist() == [1, 2, 3]
    assert table["loss"].tolist()[:2] == [0.5, 0.25] and table["loss"].isna()[2]
    assert table["return"].isna().tolist() == [True, False, True]


def test_csv_keeps_every_digit(tmp_path):
    CsvLogger(tmp_path / "m.csv").log(1, {"x": 0.1 + 0.2})
    assert float((tmp_path / "m.csv").read_text().split(",")[-1]) == 0.1 + 0.2


def test_csv_resumes_after_an_epoch(tmp_path):
    path = tmp_path / "metrics.csv"
    logger = CsvLogger(path)
    for epoch in (1, 2, 3):
        logger.log(epoch, {"loss": epoch / 4} | ({"late": 1.0} if epoch == 2 else {}))
    logger = CsvLogger(path, resume_epoch=2)
    logger.log(3, {"loss": 9.0})
    table = pd.read_csv(path)
    assert table["epoch"].tolist() == [1, 2, 3]
    assert table["loss"].tolist() == [0.25, 0.5, 9.0]
    assert table["late"].tolist()[1] == 1.0


def test_csv_drops_a_row_that_a_crash_cut_off(tmp_path):
    path = tmp_path / "metrics.csv"
    logger = CsvLogger(path)
    logger.log(1, {"loss": 1.5})
    logger.log(2, {"loss": 2.5})
    path.write_text(path.read_text() + "1")  # of "12,3.5"
    CsvLogger(path, resume_epoch=2)
    assert pd.read_csv(path)["loss"].tolist() == [1.5, 2.5]


def test_csv_starts_afresh_without_resume(tmp_path):
    path = tmp_path / "metrics.csv"
    CsvLogger(path).log(1, {"loss": 1.0})
    CsvLogger(path)
    assert path.read_text() == "epoch\n"


def test_csv_resumes_a_run_without_metrics(tmp_path):
    CsvLogger(tmp_path / "metrics.csv", resume_epoch=3).log(4, {"x": 1.0})
    assert pd.read_csv(tmp_path / "metrics.csv")["epoch"].tolist() == [4]


def test_tensorboard_hides_what_is_done_again(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    logger = TensorBoardLogger(tmp_path)
    for epoch in (1, 2, 3):
        logger.log(epoch, {"loss": float(epoch)})
    logger.close()
    time.sleep(1.1)  # event files are sorted by the second they were made in
    logger = TensorBoardLogger(tmp_path, resume_epoch=2)
    logger.log(3, {"loss": 9.0})
    logger.close()
    events = accumulator.EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert [(event.step, event.value) for event in events] == [
        (1, 1.0),
        (2, 2.0),
        (3, 9.0),
    ]


class FakeWandb:
    """Records what the real one would send."""

    def __init__(self):
        self.settings, self.logged, self.finished = None, [], False
        self.key = "a key"

    def login(self):
        if not self.key:
            raise ValueError("no key")

    def init(self, **settings):
        self.settings = settings
        return SimpleNamespace(
            log=lambda values, step: self.logged.append((step, values)),
            finish=lambda: setattr(self, "finished", True),
        )


@pytest.fixture
def wandb(monkeypatch):
    """In place of the real one."""
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


@pytest.fixture
def no_wandb(monkeypatch):
    """As if it were not installed."""
    monkeypatch.setitem(sys.modules, "wandb", None)


def test_wandb(run, wandb):
    run.config.wandb.mode = "offline"
    logger = WandbLogger(run.config, run)
    logger.log(3, {"loss": 0.5})
    logger.close()
    assert wandb.settings["mode"] == "offline" and wandb.settings["project"] == "iris"
    assert wandb.settings["name"].endswith(run.path.name)
    assert wandb.settings["config"]["env"]["game"] == "Catch"
    assert wandb.settings["resume"] is None
    assert wandb.logged == [(3, {"epoch": 3, "loss": 0.5})] and wandb.finished


def test_wandb_continues_the_same_curves(run, wandb):
    run.config.wandb.mode, run.config.wandb.name = "online", "mine"
    WandbLogger(run.config, run)
    first = wandb.settings["id"]
    WandbLogger(run.config, run, resume_epoch=2)
    assert wandb.settings["id"] == first and wandb.settings["resume"] == "allow"
    assert wandb.settings["name"] == "mine"


def test_wandb_tells_runs_apart(tmp_path, run, wandb):
    """Two sweeps have a folder runs/Catch-seed0 each."""
    run.config.wandb.mode = "offline"
    ids = []
    for sweep in ("baseline", "low-entropy"):
        folder = tmp_path / sweep / "runs" / "Catch-seed0"
        WandbLogger(run.config, Run.create(run.config, folder))
        ids.append(wandb.settings["id"])
    assert len({*ids}) == 2 and all("Catch-seed0" in one for one in ids)


def test_wandb_continues_a_run_of_before(run, wandb):
    run.config.wandb.mode = "offline"
    WandbLogger(run.config, run, resume_epoch=2)
    assert wandb.settings["id"] == f"{run.path.parent.name}-{run.path.name}"


def test_a_key_is_asked_for_before_a_run_begins(tmp_path, wandb):
    wandb.key = ""
    config = load_config("smoke", ["wandb.mode=online", f"outputs={tmp_path}/runs"])
    with pytest.raises(ConfigError, match="W&B does not start"), start(config):
        pass
    assert not (tmp_path / "runs").exists()


def test_without_wandb_the_message_says_how_to_get_it(run, no_wandb):
    run.config.wandb.mode = "online"
    with pytest.raises(ConfigError, match="pip install"):
        make_loggers(run.config, run)
    assert not run.metrics.exists()


def test_by_default_csv_and_tensorboard(run, no_wandb):
    loggers = make_loggers(run.config, run)
    assert [type(logger) for logger in loggers] == [CsvLogger, TensorBoardLogger]
    for logger in loggers:
        logger.log(1, {"loss": 0.5})
        logger.close()
    assert run.metrics.read_text() == "epoch,loss\n1,0.5\n"
    assert list(run.tensorboard.iterdir())


def test_a_meter_comes_back():
    meter = Meter()
    for i in range(3):
        meter.add("a", {"x": torch.tensor(0.1 * i), "y": i})
    meter.seconds("a", 6.0, 3)
    meter.seconds("b", 1.0, 0)  # nothing was done
    again = Meter()
    again.load_state_dict(meter.state_dict())
    for both in (meter, again):
        both.add("a", {"x": torch.tensor(0.7), "y": 1})
    assert again.means() == meter.means()
    expected = {"a/x": 0.25, "a/y": 1.0, "a/seconds_per_step": 2.0}
    assert meter.means() == pytest.approx(expected)
