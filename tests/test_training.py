"""The training loop: updates, schedule, exact resume, crashes, tests, init."""

import csv
import itertools
import json
import math
import os
import random
import signal
import time
from copy import deepcopy
from dataclasses import asdict, replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iris_core import device as device_module
from iris_core import replay as replay_module
from iris_core.config import Config, ConfigError, load_config
from iris_core.config.schema import UpdatesConfig
from iris_core.data.frames import to_frames
from iris_core.device import autocast_for, resolve_device, wants_bf16
from iris_core.dream import imagine
from iris_core.envs import make_vector
from iris_core.envs.catch import BACKGROUND
from iris_core.evaluate import evaluate, own_randomness, standard_error
from iris_core.evaluation.baselines import constant_returns
from iris_core.models.agent import Agent, greedy
from iris_core.models.losses import Losses
from iris_core.replay import Episode, EpisodeStats, Replay
from iris_core.training import checkpoint, report
from iris_core.training import trainer as trainer_module
from iris_core.training.collect import Collector
from iris_core.training.component import Component, DivergedError, annealed
from iris_core.training.held_out import held_out
from iris_core.training.meter import Meter
from iris_core.training.runs import Run
from iris_core.training.trainer import Trainer

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
    "collection.warm_start_habits=true",
    "evaluation.every=2",
    "evaluation.num_envs=1",
    "evaluation.final_baselines=false",
]
BREAKOUT = [
    "env.game=Breakout",
    "env.noop_max=5",
    "env.test_max_raw_frames=40",  # an agent that does not fire would play for ever
    "env.max_raw_frames=200",  # so that an episode is cut short as well
    "collection.steps_per_epoch=80",
    "collection.warm_start_steps=60",
    "evaluation.every=3",
]
TIMES = ("minutes", "seconds_per_step", "steps_per_second")  # never twice the same
ACTIONS = ["NOOP", "LEFT", "RIGHT"]


@pytest.fixture(autouse=True)
def quick_start(monkeypatch):
    """The tokenizer starts from fewer frames: the default takes a second."""
    monkeypatch.setattr(trainer_module, "START_FRAMES", 64)
    monkeypatch.setattr(trainer_module, "REVIVE_EVERY", 2)
    torch.manual_seed(0)


@cache
def load(*overrides: str) -> Config:
    """Cached, for Hydra takes its time."""
    return load_config("smoke", [*SMALL, *overrides])


def make_trainer(folder, *overrides: str, **init) -> Trainer:
    config = deepcopy(load(*overrides))
    config.outputs = str(folder)
    config.init = replace(config.init, **init)
    return Trainer(config, Run.create(config))


def make_agent(*overrides: str) -> Agent:
    return Agent.from_config(deepcopy(load(*overrides)), 3, ACTIONS).eval()


# One component


class Toy(nn.Module):
    """A weight of 1, and a loss that may not be a number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.factor = 1.0
        self.root_of = 1.0

    def loss(self) -> Losses:
        root = (self.root_of * self.weight).sqrt()  # at 0 its slope is infinite
        return Losses({"square": self.factor * self.weight.pow(2).sum() + root.sum()})


def make_component(toy: Toy, **updates) -> Component:
    config = UpdatesConfig(learning_rate=0.1, **updates)
    optimizer = torch.optim.Adam(toy.parameters())
    return Component("toy", toy, optimizer, config, toy.loss)


OFF = torch.autocast("cpu", enabled=False)


def test_an_update():
    toy = Toy().eval()
    component = make_component(toy)
    figures = component.update(OFF)
    assert component.updates == 1 and not toy.training
    assert torch.allclose(toy.weight, torch.tensor(0.9))  # Adam's first step is lr
    assert figures["square"] == figures["loss"] == 4
    assert torch.allclose(figures["grad_norm"], torch.tensor(2.5 * 2**0.5))
    assert not any(value.requires_grad for value in figures.values())


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"factor": math.nan}, "loss"),
        ({"factor": math.inf}, "loss"),
        ({"root_of": 0.0}, "gradient"),
    ],
)
def test_what_is_not_finite_leaves_the_weights_alone(change, what):
    toy = Toy()
    component = make_component(toy)
    component.update(OFF)
    weight, state = toy.weight.clone(), deepcopy(component.optimizer.state_dict())
    for name, value in change.items():
        setattr(toy, name, value)
    with pytest.raises(
        DivergedError, match=f"The {what} of the toy became .* update 2"
    ):
        component.update(OFF)
    assert torch.equal(toy.weight, weight) and component.updates == 1
    assert same(component.optimizer.state_dict(), state) and not toy.training
    toy.factor = toy.root_of = 1.0
    component.update(OFF)  # it can go on
    assert toy.weight.isfinite().all()


def asynchronous(toy: Toy) -> Component:
    """As on CUDA: nobody looks at a number before the next update."""
    optimizer = torch.optim.Adam(toy.parameters(), fused=True)
    config = UpdatesConfig(learning_rate=0.1)
    component = Component("toy", toy, optimizer, config, toy.loss)
    component.asynchronous = True
    return component


def test_without_waiting_the_updates_are_the_same():
    weights = []
    for component in (make_component(Toy()), asynchronous(Toy())):
        figures = [component.update(OFF) for _ in range(3)]
        component.settle()
        weights.append(component.module.weight.detach())
        assert figures[-1]["loss"].ndim == 0 and component.updates == 3
    assert torch.allclose(*weights, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "what"),
    [({"factor": math.nan}, "loss"), ({"root_of": 0.0}, "gradient")],
)
@pytest.mark.parametrize("then", ["update", "settle"])
def test_without_waiting_what_is_not_finite_is_told_later(change, what, then):
    """And the weights are left alone at once."""
    toy = Toy()
    component = asynchronous(toy)
    component.update(OFF)
    weight = toy.weight.clone()
    for name, value in change.items():
        setattr(toy, name, value)
    component.update(OFF)
    assert torch.equal(toy.weight, weight)
    with pytest.raises(DivergedError, match=f"The {what} of the toy became"):
        component.update(OFF) if then == "update" else component.settle()
    assert torch.equal(toy.weight, weight)


def test_the_step_size_grows():
    component = make_component(Toy(), warmup_steps=4)
    sizes = []
    for _ in range(6):
        component.update(OFF)
        sizes.append(component.optimizer.param_groups[0]["lr"])
    assert sizes == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])
    component = make_component(Toy())
    component.update(OFF)
    assert component.optimizer.param_groups[0]["lr"] == 0.1


def test_the_step_size_falls_again():
    component = make_component(Toy(), warmup_steps=2, decay_over=4)
    sizes = []
    for _ in range(6):
        component.update(OFF)
        sizes.append(component.optimizer.param_groups[0]["lr"])
    assert sizes == pytest.approx([0.0375, 0.05, 0.025, 0.005, 0.005, 0.005])


def test_the_step_size_comes_to_rest_at_the_runs_end(tmp_path):
    assert [annealed(0.5, done) for done in (0, 0.5, 0.75, 1)] == [1, 1, 0.5, 0]
    assert [annealed(1.0, done) for done in (0, 0.99, 1)] == [1, 1, 1]
    trainer = make_trainer(tmp_path, "training.epochs=4")
    trainer.config.actor_critic.updates.anneal_from = 0.5
    trainer.run()  # its last epoch begins when 3 of 4 are done
    sizes = [c.optimizer.param_groups[0]["lr"] for c in trainer.components]
    full = [c.config.learning_rate for c in trainer.components]
    assert sizes == pytest.approx([full[0], full[1], full[2] / 2])
    assert trainer.progress.done == 1


def test_the_gradient_is_clipped():
    toy = Toy()
    toy.factor = 1e6
    component = make_component(toy, clip_norm=0.5)
    assert component.update(OFF)["grad_norm"] > 1e6
    assert torch.allclose(toy.weight.grad.norm(), torch.tensor(0.5))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"start_after_epoch": 0}, [7, 7, 7, 7, 7]),
        ({"start_after_epoch": 2}, [0, 0, 7, 7, 7]),
        ({"start_after_epoch": 1, "first_epoch_steps": 9}, [0, 9, 7, 7, 7]),
        ({"start_after_epoch": 1, "first_epoch_steps": 3}, [0, 7, 7, 7, 7]),
        ({"start_after_epoch": 1, "stop_after_epoch": 3}, [0, 7, 7, 0, 0]),
        ({"start_after_epoch": 2, "stop_after_epoch": 2}, [0, 0, 0, 0, 0]),
    ],
)
def test_the_schedule(schedule, expected):
    component = make_component(Toy(), steps_per_epoch=7, **schedule)
    assert [component.updates_in(epoch) for epoch in range(1, 6)] == expected


def test_the_papers_schedule():
    """Epochs of first training, as appendix A gives them: after 5, 25 and 50."""
    config = Config()
    for part, epoch in (("tokenizer", 5), ("world_model", 25), ("actor_critic", 50)):
        updates = getattr(config, part).updates
        component = make_component(Toy())
        component.config = updates
        assert component.updates_in(epoch) == 0
        assert component.updates_in(epoch + 1) == component.updates_in(600) == 200


# Meter


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


# Devices


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in {"cpu", "cuda", "mps"}
    for name in ("tpu", "gpu", "meta", "cuda:x", ""):
        with pytest.raises(ConfigError, match="none of auto, cpu, cuda"):
            resolve_device(name)


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ConfigError, match="sees no CUDA GPU"):
            resolve_device(name)
    with pytest.raises(ConfigError, match="Metal is not available"):
        resolve_device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device("auto") == torch.device("cuda")
    with pytest.raises(ConfigError, match="only 2 GPUs"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(
    ("setting", "device", "on"),
    [("cuda", "cpu", False), ("always", "cpu", True), ("never", "cpu", False)],
)
def test_autocast(setting, device, on):
    config = Config(autocast=setting)
    with autocast_for(config, torch.device(device)):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if on else torch.float32)


@pytest.mark.parametrize(("gain", "on"), [(0.5, False), (1.1, False), (2.0, True)])
def test_bf16_where_it_was_measured_to_pay(gain, on, monkeypatch):
    monkeypatch.setattr(device_module, "bf16_gain", lambda: gain)
    config = Config(autocast="measured")
    assert wants_bf16(config, torch.device("cpu")) == on
    assert wants_bf16(config, torch.device("cuda"))


def test_the_gain_of_bf16_is_that_of_the_least_times(monkeypatch):
    ticks = iter([0, 4, 0, 9, 0, 3, 0, 2])  # float32, bf16, float32, bf16
    monkeypatch.setattr(device_module.time, "process_time", lambda: next(ticks))
    assert device_module.bf16_gain(size=2, repeats=1) == 3 / 2


# A whole run


def same(a, b) -> bool:
    """Equal to the last bit, whatever is inside what; NaN equals NaN."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return a == b or (a != a and b != b)


def metrics_of(run: Run) -> list[dict[str, str]]:
    with run.metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {name: cell for name, cell in row.items() if not name.endswith(TIMES)}
        for row in rows
    ]


def everything(trainer: Trainer) -> dict:
    """All that a run comes to, but for how long it took."""
    run = trainer.run_folder
    progress = asdict(trainer.progress)
    del progress["seconds"], progress["cpu_seconds"]
    results = json.loads((run.path / "results.json").read_text())
    del results["training_minutes"], results["training_cpu_minutes"]
    return {
        "agent": deepcopy(trainer.agent.state_dict()),
        "slow critic": deepcopy(trainer.slow_critic.state_dict()),
        "optimizers": [deepcopy(c.optimizer.state_dict()) for c in trainer.components],
        "updates": [c.updates for c in trainer.components],
        "collector": trainer.collector.state_dict(),
        "replay": [vars(episode) for episode in trainer.replay],
        "ids": trainer.replay.ids,
        "random": checkpoint.random_state(trainer),
        "progress": progress,
        "metrics": metrics_of(run),
        "results": results,
        "saved agent": Agent.load(run.agent).state_dict(),
        "saved replay": [vars(episode) for episode in Replay.load(run.replay)],
    }


def assert_same(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not same(ours[name], theirs[name])] == []


def place_of(trainer: Trainer) -> tuple[int, str, int]:
    """Epoch, stretch and step that come next."""
    progress = trainer.progress
    if progress.epoch > trainer.config.training.epochs:
        return progress.epoch, "finish", 0
    plan = trainer.plan(progress.epoch)
    names = [*(name for name, _, _ in plan), "test"]
    return progress.epoch, names[progress.stretch], progress.step


def run_to(trainer: Trainer, place: tuple[int, str, int]) -> None:
    """Run, with a Ctrl-C that comes just before a place."""
    check = trainer.check_stop

    def check_stop() -> None:
        trainer.stopping = place_of(trainer) == place
        check()

    trainer.check_stop = check_stop
    assert trainer.run().interrupted
    assert place_of(trainer) == place


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run never stopped, and everything that it came to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module, "START_FRAMES", 64)
        patch.setattr(trainer_module, "REVIVE_EVERY", 2)
        trainer = make_trainer(tmp_path_factory.mktemp("finished"))
        result = trainer.run()
        assert not result.interrupted and len(result.returns) == 2
        yield trainer, everything(trainer)


def test_what_a_run_leaves_behind(finished):
    trainer, _ = finished
    run = trainer.run_folder
    files = [
        "config.yaml",
        "versions.json",
        "metrics.csv",
        "results.json",
        "learning_curve.png",
        "checkpoints/last.pt",
        "checkpoints/agent.safetensors",
        "checkpoints/best.safetensors",
        "media/reconstructions/epoch_0002.png",
        "media/reconstructions/epoch_0003.png",
        "media/episodes/imagination/epoch_0003.png",
        "media/episodes/imagination/best.npz",
        "media/episodes/test/best.npz",
        "media/episodes/test/final.png",
        "replay/index.json",
    ]
    for name in files:
        assert (run.path / name).stat().st_size > 0, name
    assert list(run.tensorboard.glob("events.*"))
    assert not list(run.path.rglob("*.part"))
    (run.path / "plain").touch()  # others may read what they may read elsewhere
    modes = {(run.path / name).stat().st_mode for name in [*files, "plain"]}
    assert len(modes) == 1
    assert Run.open(run.path).config == trainer.config
    agent = Agent.load(run.agent)
    results = json.loads((run.path / "results.json").read_text())
    assert agent.actions == ACTIONS and agent.card is not None
    assert agent.card.preset == results["preset"]
    assert agent.card.preset.startswith("smoke")
    assert agent.card.steps == results["env_steps"] == trainer.progress.env_steps
    assert agent.card.commit == results["commit"] == run.commit
    assert agent.card.minutes == round(results["training_minutes"], 2)
    Episode.load(run.episodes("test") / "best.npz")
    Episode.load(run.episodes("imagination") / "best.npz")


def test_the_numbers_of_a_run(finished):
    trainer, _ = finished
    run = trainer.run_folder
    with run.metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["env_steps"]) for row in rows] == [60, 80, 80]
    assert trainer.replay.num_steps == 80 == sum(map(len, trainer.replay))
    trained = {
        c.name: [bool(r[f"{c.name}/loss"]) for r in rows] for c in trainer.components
    }
    assert trained == {
        "tokenizer": [True] * 3,
        "world_model": [True] * 3,
        "actor_critic": [False, True, True],
    }
    assert [bool(row["test/return"]) for row in rows] == [False, True, True]
    assert [bool(row["collect/seconds_per_step"]) for row in rows] == [
        True,
        True,
        False,
    ]
    assert [c.updates for c in trainer.components] == [9, 9, 4]
    results = json.loads((run.path / "results.json").read_text())
    assert results["game"] == "Catch" and results["episodes"] == 2
    assert [row["name"] for row in results["table"]] == ["this agent"]
    assert results["table"][0]["mean"] == np.mean(results["returns"])


PLACES = [
    (1, "warm_start", 3),
    (1, "collect", 4),
    (1, "tokenizer", 0),
    (1, "tokenizer", 2),
    (1, "world_model", 1),
    (2, "collect", 0),  # between two epochs
    (2, "world_model", 2),
    (2, "actor_critic", 1),
    (2, "test", 0),
    (3, "tokenizer", 1),
    (4, "finish", 0),
]


def test_a_run_that_is_stopped_again_and_again(finished, tmp_path):
    """It ends as if it never had been: the same weights, experience and numbers."""
    trainer = make_trainer(tmp_path)
    run = trainer.run_folder
    for place in PLACES:
        run_to(trainer, place)
        torch.rand(3), np.random.rand(), random.random()  # a new process is elsewhere
        trainer = Trainer.resume(Run.open(run.path))
        assert place_of(trainer) == place
    trainer.run()
    assert_same(everything(trainer), finished[1])


def test_a_game_that_is_stopped_again_and_again(tmp_path):
    """The same with an emulator, lost lives, time limits and open episodes."""
    straight = make_trainer(tmp_path, *BREAKOUT)
    straight.run()
    episodes = list(straight.replay)
    assert any(episode.terminated.any() for episode in episodes)
    assert any(episode.truncated.any() for episode in episodes)
    assert not all(episode.finished for episode in episodes)
    expected = everything(straight)
    trainer = make_trainer(tmp_path, *BREAKOUT)
    for place in [(1, "warm_start", 20), (1, "collect", 30), (2, "collect", 33)]:
        run_to(trainer, place)
        trainer = Trainer.resume(Run.open(trainer.run_folder.path))
    trainer.run()
    assert_same(everything(trainer), expected)


def test_several_updates_on_each_dream(tmp_path, monkeypatch):
    dreams = []
    monkeypatch.setattr(
        trainer_module, "imagine", lambda *a, **k: dreams.append(1) or imagine(*a, **k)
    )
    overrides = ["actor_critic.updates_per_dream=3"]
    straight = make_trainer(tmp_path, *overrides)
    straight.run()
    assert len(dreams) == 4  # two in each of two epochs
    assert straight.components[2].updates == 12 and straight.dreamt is None
    expected = everything(straight)
    trainer = make_trainer(tmp_path, *overrides)
    run_to(trainer, (2, "actor_critic", 1))
    trainer = Trainer.resume(Run.open(trainer.run_folder.path))
    trainer.run()
    assert_same(everything(trainer), expected)


def test_time_counts_up_to_a_stop(tmp_path):
    trainer = make_trainer(tmp_path)
    run_to(trainer, (1, "collect", 4))
    assert trainer.progress.seconds > 0
    assert trainer.progress.cpu_seconds > 0
    assert trainer.meter.counts["collect/seconds_per_step"] == 4
    trainer = Trainer.resume(trainer.run_folder)
    run_to(trainer, (1, "tokenizer", 0))
    assert trainer.meter.counts["collect/seconds_per_step"] == 10


class PowerCut(Exception):
    """Something that nobody foresaw."""


def test_a_run_that_crashed(finished, tmp_path):
    """It goes on from the last epoch's checkpoint, and comes to the same end."""
    trainer = make_trainer(tmp_path)
    world_model = trainer.components[1]
    draw = world_model.draw_loss

    def fail() -> Losses:
        if trainer.progress.epoch == 3:
            raise PowerCut
        return draw()

    world_model.draw_loss = fail
    with pytest.raises(PowerCut):
        trainer.run()
    trainer = Trainer.resume(Run.open(trainer.run_folder.path))
    assert place_of(trainer) == (3, "tokenizer", 0)
    trainer.run()
    assert_same(everything(trainer), finished[1])


def test_a_crash_while_saving(finished, tmp_path, monkeypatch):
    """The replay's files are ahead of the checkpoint then: they are cut back."""
    trainer = make_trainer(tmp_path)

    def fail(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch, pytest.raises(PowerCut):

        def run_epoch(reporter) -> None:
            if trainer.progress.epoch == 2:
                patch.setattr(checkpoint, "write_whole", fail)
            Trainer.run_epoch(trainer, reporter)

        trainer.run_epoch = run_epoch
        trainer.run()
    trainer = Trainer.resume(Run.open(trainer.run_folder.path))
    assert trainer.progress.epoch == 2
    trainer.run()
    assert_same(everything(trainer), finished[1])


@pytest.fixture
def foreground():
    """A shell's background jobs ignore Ctrl-C: have it as in the foreground."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c(trainer: Trainer, times: int) -> None:
    """At the third step of collecting in epoch 2, for real."""
    step = trainer.collect_step

    def collect_step() -> dict:
        if place_of(trainer) == (2, "collect", 2):
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        return step()

    trainer.collect_step = collect_step


def test_ctrl_c(finished, tmp_path, foreground):
    trainer = make_trainer(tmp_path)
    press_ctrl_c(trainer, times=1)
    assert trainer.run().interrupted
    assert place_of(trainer) == (2, "collect", 3)  # the step under way is finished
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    trainer = Trainer.resume(Run.open(trainer.run_folder.path))
    trainer.run()
    assert_same(everything(trainer), finished[1])


def test_ctrl_c_twice_does_not_wait(tmp_path, foreground):
    trainer = make_trainer(tmp_path)
    press_ctrl_c(trainer, times=2)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert place_of(Trainer.resume(trainer.run_folder)) == (2, "collect", 0)


def test_a_loss_that_is_not_a_number(finished, tmp_path):
    trainer = make_trainer(tmp_path)
    world_model = trainer.components[1]
    draw = world_model.draw_loss

    def diverge() -> Losses:
        losses = draw()
        if world_model.updates == 7:
            losses.terms["ends"] = losses.terms["ends"] * math.nan
        return losses

    world_model.draw_loss = diverge
    with pytest.raises(DivergedError) as caught:
        trainer.run()
    for part in ("loss of the world_model", "nan", "update 8", "epoch 3", "ends nan"):
        assert part in str(caught.value), part
    trainer = Trainer.resume(Run.open(trainer.run_folder.path))
    assert trainer.progress.epoch == 3 and trainer.progress.step == 0
    trainer.run()
    assert_same(everything(trainer), finished[1])


def test_resuming_a_run_that_is_finished(finished, tmp_path):
    """Tests again and comes to the same result."""
    done, expected = finished
    trainer = Trainer.resume(Run.open(done.run_folder.path))
    trainer.run()
    assert_same(everything(trainer), expected)


def test_damaged_checkpoints(tmp_path):
    trainer = make_trainer(tmp_path)
    run = trainer.run_folder
    with pytest.raises(ConfigError, match="No checkpoint at"):
        Trainer.resume(run)
    run_to(trainer, (1, "collect", 4))
    last = run.checkpoints / checkpoint.FILE
    whole = last.read_bytes()
    cut = [whole[:size] for size in (0, 100, len(whole) // 2, len(whole) - 10)]
    for content in (*cut, b"half"):  # the last is no pickle at all
        last.write_bytes(content)
        with pytest.raises(ConfigError, match="not a whole checkpoint"):
            Trainer.resume(run)
    last.write_bytes(whole)
    other = Run(run.path, deepcopy(run.config))
    other.config.actor_critic.lstm_dim = 16
    with pytest.raises(ConfigError, match="does not fit this run's config"):
        Trainer.resume(other)
    next(run.replay.glob("*.npz")).unlink()
    with pytest.raises(ConfigError, match="^no episode at"):
        Trainer.resume(run)


# Starting from parts of another agent


def parts_of(agent: Agent) -> dict[str, dict[str, Tensor]]:
    return {name: getattr(agent, name).state_dict() for name in checkpoint.PARTS}


@pytest.fixture(scope="module")
def donor(tmp_path_factory):
    """The file of an agent with its own background, and the agent."""
    torch.manual_seed(99)
    agent = make_agent()
    with torch.no_grad():
        agent.tokenizer.background.uniform_()
    path = tmp_path_factory.mktemp("donor") / "agent.safetensors"
    agent.save(path)
    return path, agent


def test_all_parts_of_an_agent(donor, tmp_path):
    path, agent = donor
    trainer = make_trainer(tmp_path, path=str(path))
    assert same(parts_of(trainer.agent), parts_of(agent))


def test_some_parts_of_an_agent(donor, tmp_path):
    path, agent = donor
    fresh = parts_of(make_trainer(tmp_path).agent)
    theirs = parts_of(agent)
    trainer = make_trainer(tmp_path, path=str(path), actor_critic=False)
    ours = parts_of(trainer.agent)
    assert same(ours["tokenizer"], theirs["tokenizer"])
    assert same(ours["world_model"], theirs["world_model"])
    assert same(ours["actor_critic"], fresh["actor_critic"])
    assert same(trainer.slow_critic.state_dict(), ours["actor_critic"])


def test_a_new_policy_sees_the_games_background(tmp_path):
    """And one that came trained keeps its own."""
    overrides = ["actor_critic.subtract_background=true"]
    trainer = make_trainer(tmp_path, *overrides)
    run_to(trainer, (2, "actor_critic", 1))
    for policy in (trainer.agent.actor_critic, trainer.slow_critic):
        corner = policy.background[:, 0, 0] * 255  # no ball is there at the median
        assert torch.allclose(corner, torch.tensor(BACKGROUND, dtype=torch.float32))
    trainer.agent.actor_critic.background.fill_(0.25)
    path = tmp_path / "agent.safetensors"
    trainer.agent.save(path)
    trainer = make_trainer(tmp_path, *overrides, path=str(path))
    run_to(trainer, (2, "actor_critic", 1))
    for policy in (trainer.agent.actor_critic, trainer.slow_critic):
        assert (policy.background == 0.25).all()


def test_a_taken_tokenizer_is_not_started_anew(donor, tmp_path):
    """k-means is for a codebook that knows nothing yet."""
    path, agent = donor
    still = "tokenizer.revive_dead_codes=false"
    trainer = make_trainer(tmp_path, still, path=str(path), actor_critic=False)
    run_to(trainer, (1, "tokenizer", 1))
    ours, theirs = trainer.agent.tokenizer, agent.tokenizer
    assert torch.equal(ours.background, theirs.background)
    moved = (ours.embedding.weight - theirs.embedding.weight).abs().max()
    assert 0 < moved <= 1.01e-4  # one update of Adam, at its learning rate


def test_a_tokenizer_that_is_not_taken_starts_from_data(donor, tmp_path):
    path, agent = donor
    trainer = make_trainer(tmp_path, path=str(path), tokenizer=False)
    fresh = trainer.agent.tokenizer.embedding.weight.clone()
    run_to(trainer, (1, "tokenizer", 1))
    assert (trainer.agent.tokenizer.embedding.weight - fresh).abs().max() > 0.01
    assert same(parts_of(trainer.agent)["world_model"], parts_of(agent)["world_model"])


def test_parts_of_a_run(finished, tmp_path):
    trainer, _ = finished
    path = str(trainer.run_folder.path)
    ours = make_trainer(tmp_path, path=path)
    assert same(parts_of(ours.agent), parts_of(Agent.load(trainer.run_folder.agent)))


@pytest.mark.parametrize(
    ("part", "override"),
    [
        ("tokenizer", "tokenizer.embed_dim=16"),
        ("world_model", "world_model.embed_dim=16"),
        ("world_model", "world_model.num_layers=2"),
        ("actor_critic", "actor_critic.lstm_dim=16"),
        ("world_model", "env.game=Breakout"),  # four actions
    ],
)
def test_parts_that_do_not_fit(part, override, donor, tmp_path):
    with pytest.raises(ConfigError) as caught:
        make_trainer(tmp_path, override, path=str(donor[0]))
    message = str(caught.value)
    assert f"The {part} of {donor[0]}" in message and f"init.{part}=false" in message
    left_out = {part: False} | ({"actor_critic": False} if "game" in override else {})
    make_trainer(tmp_path, override, path=str(donor[0]), **left_out)


def test_an_agent_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="absent"):
        make_trainer(tmp_path, path=str(tmp_path / "absent.safetensors"))


def test_resuming_needs_no_donor(donor, tmp_path):
    """A run has what it took; where from may be gone."""
    path = tmp_path / "agent.safetensors"
    path.write_bytes(donor[0].read_bytes())
    trainer = make_trainer(tmp_path, path=str(path))
    run_to(trainer, (1, "collect", 4))
    path.unlink()
    again = Trainer.resume(Run.open(trainer.run_folder.path))
    assert same(again.agent.state_dict(), trainer.agent.state_dict())


# Tests in the real game


def test_a_run_ends_with_its_best_agent(tmp_path, monkeypatch):
    means, saved = iter([5.0, 9.0, 1.0]), []
    play = report.evaluate

    def evaluate(agent, *args, **kwargs):
        played = play(agent, *args, **kwargs)
        saved.append(deepcopy(agent.state_dict()))
        score = next(means, 0.0)
        played.stats = [EpisodeStats(s.length, score) for s in played.stats]
        return played

    monkeypatch.setattr(report, "evaluate", evaluate)
    overrides = ["evaluation.keep_best=true", "evaluation.every=1"]
    trainer = make_trainer(tmp_path, *overrides)
    trainer.run()
    run = trainer.run_folder
    assert len(saved) == 4 and same(saved[3], saved[1]) and not same(saved[2], saved[1])
    assert same(Agent.load(run.agent).state_dict(), saved[1])
    assert trainer.progress.best_return == 9
    last = checkpoint.read(run.checkpoints / checkpoint.FILE, torch.device("cpu"))
    assert same(last["agent"], saved[2])  # training would go on from the last


def test_a_budget_of_minutes_ends_a_run_after_an_epoch(tmp_path, monkeypatch):
    ticks = itertools.count(step=10)  # every stretch of an epoch takes ten seconds
    clock = SimpleNamespace(perf_counter=time.perf_counter, process_time=ticks.__next__)
    monkeypatch.setattr(trainer_module, "time", clock)
    overrides = ["training.cpu_minutes=1.2", "training.epochs=1", "collection.epochs=1"]
    trainer = make_trainer(tmp_path, *overrides, "evaluation.every=9")
    trainer.run()  # 50 seconds, then 40: the second epoch is finished, no third begins
    assert trainer.progress.cpu_seconds == 90 and trainer.progress.epoch == 3
    assert trainer.progress.env_steps == 40 + 20 + 20  # each epoch collects
    rows = list(csv.DictReader(trainer.run_folder.metrics.open()))
    assert [bool(row["test/return"]) for row in rows] == [False, True]
    again = Trainer.resume(trainer.run_folder)
    again.run()
    assert again.progress.epoch == 3 and again.progress.cpu_seconds == 90


def favour(agent: Agent, action: int) -> None:
    """Make the policy take one action whatever it sees."""
    with torch.no_grad():
        agent.actor_critic.actor_linear.weight.zero_()
        agent.actor_critic.actor_linear.bias.copy_(1e3 * torch.eye(3)[action])


@pytest.mark.parametrize("num_envs", [1, 2, 4, 9])
def test_episodes_belong_to_their_seeds(num_envs):
    """Whichever environment plays one; so a baseline meets the same starts."""
    agent = make_agent()
    for action in (1, 2):
        favour(agent, action)
        played = evaluate(agent, episodes=7, num_envs=num_envs, seed=30)
        assert played.shares.shape == (3,) and np.isclose(played.shares.sum(), 1)
        expected = constant_returns(agent.config.env, action, 7, 30)
        assert played.returns.tolist() == expected.tolist()
        assert played.lengths.tolist() == [28] * 7 and not played.kept


def test_the_same_seed_gives_the_same_play():
    agent = make_agent()
    options = {"episodes": 5, "num_envs": 2, "temperature": 1.0, "keep": 5}
    ours, same_seed, other = (evaluate(agent, seed=s, **options) for s in (1, 1, 2))
    assert ours.stats == same_seed.stats
    for a, b in zip(ours.kept, same_seed.kept, strict=True):
        assert same(vars(a), vars(b))
    assert not same(vars(ours.kept[0]), vars(other.kept[0]))


def test_one_or_four_environments_play_alike():
    """A greedy agent that looks at the screen."""
    agent = make_agent()
    options = {"episodes": 6, "temperature": 1e-6, "keep": 6, "seed": 3}
    alone = evaluate(agent, num_envs=1, **options)
    four = evaluate(agent, num_envs=4, **options)
    assert alone.stats == four.stats
    for a, b in zip(alone.kept, four.kept, strict=True):
        assert same(vars(a), vars(b))


def test_a_test_episode_begins_without_memory(monkeypatch):
    agent, empty = make_agent(), []
    act = agent.act

    def noted(frames: Tensor, memory: tuple[Tensor, Tensor], *args, **options):
        empty.append([(m == 0).all().item() for m in memory])
        return act(frames, memory, *args, **options)

    monkeypatch.setattr(agent, "act", noted)
    evaluate(agent, episodes=4, num_envs=2)
    assert [i for i, both in enumerate(empty) if all(both)] == [0, 28]
    assert len(empty) == 56 and sum(map(any, empty)) == 2


@pytest.mark.parametrize("pieces", [7, 256])
def test_kept_episodes_are_what_was_played(monkeypatch, pieces):
    monkeypatch.setattr(replay_module, "PIECES", pieces)  # an episode has 28 steps
    agent = make_agent()
    played = evaluate(agent, episodes=3, num_envs=2, keep=2, temperature=1.0)
    assert len(played.stats) == 3 and len(played.kept) == 2
    for stats, episode in zip(played.stats, played.kept, strict=False):
        assert episode.stats() == stats and episode.finished
    envs = make_vector(agent.config.env, "test", 1)
    for i, episode in enumerate(played.kept):
        pixels, _ = envs.reset(seed=i)
        for frame, action, reward in zip(
            episode.frames, episode.actions, episode.rewards, strict=True
        ):
            assert np.array_equal(frame, pixels[0].transpose(2, 0, 1))
            pixels, rewards, *_ = envs.step(np.array([action]))
            assert rewards[0] == reward


def test_tests_leave_random_numbers_alone():
    agent = make_agent()
    before = torch.get_rng_state()
    evaluate(agent, episodes=1, num_envs=1, temperature=1.0)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(PowerCut), own_randomness(torch.device("cpu"), 1):
        torch.rand(3)
        raise PowerCut
    assert torch.equal(torch.get_rng_state(), before)


def test_a_test_can_be_stopped():
    steps = iter(range(3))

    def each_step() -> None:
        if next(steps) == 2:
            raise PowerCut

    with pytest.raises(PowerCut):
        evaluate(make_agent(), episodes=1, num_envs=1, each_step=each_step)


def test_an_agent_meets_another_game():
    env = replace(load().env, game="Breakout")
    with pytest.raises(ConfigError, match="learned Catch; it can't play Breakout"):
        evaluate(make_agent(), env, episodes=1)


def test_standard_error():
    assert standard_error(np.array([1.0, 3.0])) == 1.0
    assert standard_error(np.array([1.0])) == 0.0


# Collecting


def make_collector(agent: Agent, num_envs: int = 2) -> Collector:
    envs = make_vector(agent.config.env, "train", num_envs)
    return Collector(envs, Replay(), seed=4)


def test_collected_episodes_are_what_was_played():
    agent = make_agent()
    collector, config = make_collector(agent), agent.config.collection
    over = []
    for _ in range(30):
        over += collector.warm_step(config)
    collector.begin(agent)
    for _ in range(30):
        over += collector.policy_step(agent, config)
    replay = collector.replay
    assert replay.num_steps == 120 and replay.num_episodes == 6
    assert [stats.length for stats in over] == [28] * 4
    assert [len(episode) for episode in replay] == [28] * 4 + [4] * 2
    envs = make_vector(agent.config.env, "train", 2)
    pixels, _ = envs.reset(seed=4)
    for first in (0, 2, 4):
        pair = [replay[first], replay[first + 1]]
        for t in range(len(pair[0])):
            for episode, seen in zip(pair, pixels, strict=True):
                assert np.array_equal(episode.frames[t], seen.transpose(2, 0, 1))
            actions = np.array([episode.actions[t] for episode in pair])
            pixels, rewards, *_ = envs.step(actions)
            assert [episode.rewards[t] for episode in pair] == rewards.tolist()


def test_random_play_repeats_itself():
    agent = make_agent()
    collector, config = make_collector(agent, 1), agent.config.collection
    for _ in range(400):
        collector.warm_step(config)
    actions = np.concatenate([e.actions for e in collector.replay])
    repeated = (actions[1:] == actions[:-1]).mean()
    chance = config.warm_start_repeat
    assert repeated == pytest.approx(chance + (1 - chance) / 3, abs=0.04)


def test_random_play_has_habits():
    agent = make_agent()
    collector, config = make_collector(agent, 1), agent.config.collection
    config.warm_start_habits, config.warm_start_repeat = True, 0.0
    shares = []
    for _ in range(60):  # episodes of 28 steps
        for _ in range(28):
            collector.warm_step(config)
        taken = collector.replay[collector.replay.ids[-1]].actions
        shares.append(np.bincount(taken, minlength=3) / len(taken))
    assert (np.array(shares).max(1) > 0.7).sum() > 15  # evenly drawn it would be none
    habits = collector.habits
    assert habits.steps.sum() == 60 * 28
    assert habits.gained.sum() == sum(e.rewards.sum() for e in collector.replay)


@pytest.mark.parametrize("steps", [0, 1, 5, 28])
def test_the_policys_memory_is_made_anew(steps):
    """From the last frames of the open episode, as the new policy would see them."""
    agent = make_agent("actor_critic.burn_in=3")
    collector, config = make_collector(agent), agent.config.collection
    for _ in range(steps):
        collector.warm_step(config)
    collector.begin(agent)
    expected = agent.new_state(2)
    since = steps % 28
    if since:
        past = [collector.replay[i] for i in collector.open]
        for t in range(max(0, since - 3), since):
            pixels = np.stack([e.frames[t].transpose(1, 2, 0) for e in past])
            _, expected = agent.act(to_frames(pixels, "cpu"), expected, sample=greedy)
    for ours, theirs in zip(collector.memory, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_memory_is_made_anew_once_an_epoch(tmp_path):
    trainer = make_trainer(tmp_path)
    begin, begun = trainer.collector.begin, []

    def noted(agent: Agent) -> None:
        begun.append(place_of(trainer))
        begin(agent)

    trainer.collector.begin = noted
    run_to(trainer, (3, "tokenizer", 0))
    assert begun == [(1, "collect", 0), (2, "collect", 0)]


def test_memory_ends_with_the_episode():
    agent = make_agent()
    collector, config = make_collector(agent), agent.config.collection
    collector.begin(agent)
    for step in range(1, 30):
        collector.policy_step(agent, config)
        empty = [m.abs().max() == 0 for m in collector.memory]
        assert empty == [step == 28] * 2


# Held-out figures


def make_replay(lengths: list[int]) -> Replay:
    rng, replay = np.random.default_rng(0), Replay()
    for length in lengths:
        frames = rng.integers(256, size=(length, 3, 64, 64), dtype=np.uint8)
        frames[1::2] = frames[::2][: len(frames[1::2])]  # every other frame is a copy
        replay.add(
            Episode(
                frames,
                rng.integers(3, size=length),
                rng.choice([-2.0, 0.0, 5.0], size=length).astype(np.float32),
                np.arange(length) == length - 1,
                np.zeros(length, dtype=bool),
            )
        )
    return replay


@torch.no_grad()
def likeliest_action(agent: Agent, tokens: Tensor, actions: Tensor) -> int:
    """Which action before the last frame, tokens (T, K), explains it best."""
    wm, chances = agent.world_model, []
    for action in range(agent.num_actions):
        past = torch.cat([actions[:-2], torch.tensor([action]), actions[-1:]])
        output = wm(wm.sequence(tokens[None], past[None]))
        logps = wm.predictions(output).log_softmax(-1)[-16:]
        chances.append(sum(logps[i, int(tokens[-1, i])].item() for i in range(16)))
    return int(np.argmax(chances))


@pytest.mark.parametrize("prediction", ["autoregressive", "parallel"])
def test_held_out_figures_against_a_loop(prediction):
    agent = make_agent(f"world_model.prediction={prediction}")
    replay = make_replay([3, 9, 1])
    with torch.no_grad():
        agent.tokenizer.start_from(
            torch.rand(8, 3, 64, 64), torch.full((3, 64, 64), 0.5)
        )
        for p in agent.world_model.parameters():
            p.mul_(3)
    ours = held_out(agent, replay, batches=2)
    rng, wm, config = random.Random(0), agent.world_model, agent.config.world_model
    seen = {n: [] for n in ("token", "copy", "changed", "reward", "action")}
    losses = []
    for _ in range(2):
        batch = replay.sample(config.updates.batch_size, config.max_blocks, rng)
        with torch.no_grad():
            tokens = agent.tokenizer.encode(batch.frames).tokens
            output = wm(wm.sequence(tokens, batch.actions))
            losses.append(wm.loss(tokens, batch).total.item())
        start = 0 if prediction == "parallel" else 15  # of the first frame: 15 tokens
        for b in range(len(batch)):
            if batch.mask[b, -1]:
                told = likeliest_action(agent, tokens[b], batch.actions[b])
                seen["action"].append(told == batch.actions[b, -2])
            guesses = output.observations[b, start:].argmax(-1).tolist()
            for t in range(config.max_blocks):
                if batch.mask[b, t] and batch.rewards[b, t] != 0:
                    sign = int(batch.rewards[b, t].sign())
                    guess = int(output.rewards[b, t].argmax()) - 1
                    seen["reward"].append(guess == sign)
                if t == 0 or not batch.mask[b, t]:
                    continue
                for i in range(16):
                    now, before = int(tokens[b, t, i]), int(tokens[b, t - 1, i])
                    right = guesses[(t - 1) * 16 + i] == now
                    seen["token"].append(right)
                    seen["copy"].append(before == now)
                    if before != now:
                        seen["changed"].append(right)
    for name, cases in seen.items():
        kind = "recall" if name in ("reward", "action") else "accuracy"
        figure = f"{name}_{kind}"
        assert cases and ours[figure] == pytest.approx(np.mean(cases)), name
    assert ours["world_model_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert held_out(agent, replay, batches=2) == ours  # always the same segments


def test_held_out_without_rewards_or_changes():
    agent = make_agent()
    replay, still = Replay(), np.full((5, 3, 64, 64), 7, dtype=np.uint8)
    none = np.zeros(5, dtype=bool)
    replay.add(Episode(still, np.zeros(5, dtype=np.int64), np.zeros(5), none, none))
    figures = held_out(agent, replay, batches=1)
    assert math.isnan(figures["reward_recall"]) and figures["copy_accuracy"] == 1
    assert math.isnan(figures["changed_accuracy"])
