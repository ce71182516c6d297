"""Small runs for tests: made, stopped at a place, resumed, and compared."""

from __future__ import annotations

import csv
import json
from copy import deepcopy
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from iris_core.agent import Agent
from iris_core.config import Config, load_config
from iris_core.data.replay_buffer import Replay
from iris_core.runtime.run_folder import Run
from iris_core.training import checkpoint
from iris_core.training.callback import Callback, Result
from iris_core.training.schedule import COMPONENTS, phases
from iris_core.training.state import TrainingState
from iris_core.training.train import train_state

SMALL = [  # of the smoke preset
    "device=cpu",
    "collection.steps_per_epoch=20",
    "collection.warm_start_steps=40",
    "tokenizer.updates.steps_per_epoch=3",
    "tokenizer.updates.batch_size=8",
    "world_model.updates.steps_per_epoch=3",
    "world_model.updates.batch_size=4",
    "actor_critic.updates.steps_per_epoch=2",
    "actor_critic.updates.batch_size=4",
    "actor_critic.target_decay=0.5",
    "actor_critic.updates.anneal_from=0.5",  # options of preset surprise
    "actor_critic.surprise_share=0.5",
    "world_model.surprise_share=0.5",
    "world_model.updates.muon=true",
    "collection.warm_start_habits=true",
    "evaluation.every=2",
    "evaluation.num_envs=1",
    "evaluation.final_baselines=false",
]
TIMES = ("minutes", "seconds_per_step", "steps_per_second")  # never twice the same
ACTIONS = ["NOOP", "LEFT", "RIGHT"]
Place = tuple[int, str, int]  # epoch, phase, step


@cache
def load(*overrides: str) -> Config:
    """Cached, for Hydra takes its time."""
    return load_config("smoke", [*SMALL, *overrides])


def make_state(folder: Path, *overrides: str, **init) -> TrainingState:
    config = deepcopy(load(*overrides))
    config.outputs = str(folder)
    config.init = replace(config.init, **init)
    return TrainingState(config, Run.create(config))


def make_agent(*overrides: str) -> Agent:
    return Agent(deepcopy(load(*overrides)), ACTIONS).eval()


def train(state: TrainingState, *callbacks: Callback) -> Result:
    """Run to the end, or until a callback asks it to stop; these come first."""
    return train_state(state, callbacks)


def resume(state: TrainingState) -> TrainingState:
    """As another process would: from the run's folder."""
    return checkpoint.resume(Run.open(state.run.path))


def place_of(state: TrainingState) -> Place:
    """What comes next."""
    progress = state.progress
    if progress.epoch > state.config.training.epochs:
        return progress.epoch, "finish", 0
    names = [*(phase.name for phase in phases(state.config, progress.epoch)), "test"]
    return progress.epoch, names[progress.phase], progress.step


class StopAt(Callback):
    """Asks the run to stop just before a place."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def on_step(self, state: TrainingState) -> None:
        state.stop_requested |= place_of(state) == self.place

    on_phase_end = on_checkpoint = on_step


def run_to(state: TrainingState, place: Place) -> None:
    """Run, with a Ctrl-C that comes just before a place."""
    assert train(state, StopAt(place)).interrupted
    assert place_of(state) == place


def same(a: object, b: object) -> bool:
    """Equal to the last bit, whatever is inside what; NaN equals NaN."""
    for kind in (dict, list | tuple, Tensor, np.ndarray):
        if isinstance(a, kind) and not isinstance(b, kind):
            return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a.nan_to_num(7e7), b.nan_to_num(7e7))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return a == b or (a != a and b != b)


def rows_of(run: Run) -> list[dict[str, str]]:
    """Of its metrics.csv."""
    with run.metrics.open(newline="") as file:
        return list(csv.DictReader(file))


def everything(state: TrainingState) -> dict:
    """All that a run comes to, but for how long it took."""
    run, progress = state.run, asdict(state.progress)
    del progress["seconds"], progress["cpu_seconds"]
    results = json.loads((run.path / "results.json").read_text())
    del results["training_minutes"], results["training_cpu_minutes"]
    held = deepcopy(state.state_dict())
    del held["progress"], held["meter"]
    return {
        **held,
        "replay": [vars(episode) for episode in state.replay],
        "ids": state.replay.ids,
        "progress": progress,
        "metrics": [
            {name: cell for name, cell in row.items() if not name.endswith(TIMES)}
            for row in rows_of(run)
        ],
        "results": results,
        "saved agent": Agent.load(run.agent).state_dict(),
        "saved replay": [vars(episode) for episode in Replay.load(run.replay)],
    }


def assert_same(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not same(ours[name], theirs[name])] == []


def networks_of(agent: Agent) -> dict[str, dict[str, Tensor]]:
    return {name: getattr(agent, name).state_dict() for name in COMPONENTS}
