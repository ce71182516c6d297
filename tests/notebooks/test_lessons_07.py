"""Notebook 07: its dashboard, and that watching changes nothing."""

import numpy as np
import pandas as pd
import pytest
import torch
from lessons.plots import nb07_live as live
from running import StopAt, resume, train

from iris_core.config import load_config
from iris_core.runtime.run_folder import Run
from iris_core.training.schedule import phases
from iris_core.training.state import TrainingState


def frames(value: int) -> np.ndarray:
    return np.full((4, 64, 64, 3), value, np.uint8)


def test_a_dashboard_of_nothing_and_of_everything():
    live.draw_dashboard(live.Snapshot("just begun"))
    curves = {name: [(1.0, 2.0), (5.0, 0.5)] for name in live.CURVES}
    tests = [(100.0, 1.0, 0.2), (200.0, 3.0, 0.1)]
    snapshot = live.Snapshot("epoch 2", curves, tests, frames(10), frames(200))
    figure = live.draw_dashboard(snapshot)
    assert len(figure.axes) == 5 + 8  # the policy's panel has two scales
    assert figure._suptitle.get_text() == "epoch 2"
    pictures = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert [int(picture[0, 0, 0]) for picture in pictures] == [10, 200] * 4


def test_runs_of_equal_numbers():
    assert live.runs_of(np.array([0, 0, 5, 5, 3, 0, 3])) == [
        (2, 4, 5),
        (4, 5, 3),
        (6, 7, 3),
    ]


QUICK = [
    "device=cpu",
    "evaluation.every=2",
    "evaluation.final_baselines=false",
    "tokenizer.kmeans_start=false",
]


@pytest.fixture
def config(tmp_path):
    return load_config("smoke", [*QUICK, f'outputs="{tmp_path}"'])


def test_watching_changes_nothing_and_sees_everything(config):
    alone = TrainingState(config, Run.create(config))
    train(alone)
    shown = []
    watched = TrainingState(config, Run.create(config))
    train(watched, live.Live(shown.append, seconds=0.0))
    for name, tensor in alone.agent.state_dict().items():
        assert torch.equal(tensor, watched.agent.state_dict()[name]), name

    last = shown[-1]
    assert last.status.startswith("finished: 180 environment steps")
    assert any("the final test" in snapshot.status for snapshot in shown)
    assert any("epoch 2 of 3 · world model" in snapshot.status for snapshot in shown)
    assert len(last.tests) == 2 and last.real.shape == last.seen.shape
    done = {name: last.curves[name][-1][0] for name in live.CURVES}
    assert done == {
        "tokenizer/loss": 12,
        "world_model/loss": 12,
        "actor_critic/policy_entropy": 4,
        "actor_critic/imagined_reward": 4,
    }
    for curve in last.curves.values():  # every update is in exactly one point
        assert np.all(np.diff([updates for updates, _ in curve]) > 0)


def test_a_run_that_goes_on_is_not_counted_twice(config):
    watcher = live.Live(lambda snapshot: None, seconds=60)
    stopped = TrainingState(config, Run.create(config))
    assert train(stopped, watcher, StopAt((2, "world_model", 2))).interrupted
    assert watcher.snapshots[-1].status.startswith("stopped and saved")
    assert watcher.curves["world_model/loss"][-1][0] == 4 + 2
    train(resume(stopped), watcher)
    assert watcher.curves["world_model/loss"][-1][0] == 12
    assert watcher.curves["tokenizer/loss"][-1][0] == 12


def test_curves_are_the_means_of_the_metrics(config):
    state = TrainingState(config, Run.create(config))
    watcher = live.Live(lambda snapshot: None, seconds=60, points=1)
    train(state, watcher)
    logged = pd.read_csv(state.run.metrics)["world_model/loss"]
    seen = [value for _, value in watcher.curves["world_model/loss"]]
    assert np.allclose(np.mean(seen), logged.mean(), rtol=1e-5)


def test_time_left_says_what_it_does_not_know(config):
    state = TrainingState(config, Run.create(config))
    assert live.time_left(state, {}).startswith("at least 0 min")
    pace = {name: (60.0, 1.0) for name, _ in phases(config, 1)}
    steps = sum(n for epoch in (1, 2, 3) for _, n in phases(config, epoch))
    assert live.time_left(state, pace) == f"about {steps} min of training left"
    state.progress.phase, state.progress.step = 1, 10
    done = phases(config, 1)[0].steps + 10
    assert live.time_left(state, pace).startswith(f"about {steps - done} min")


def test_no_tests_yet(tmp_path):
    assert live.read_tests(tmp_path / "absent.csv") == []
    (tmp_path / "metrics.csv").write_text("epoch,env_steps\n1,20\n")
    assert live.read_tests(tmp_path / "metrics.csv") == []
