"""A whole run: what it leaves behind, and that stopping it changes nothing."""

import json
import math
import os
import random
import signal
from copy import deepcopy

import numpy as np
import pytest
import torch
from running import (
    ACTIONS,
    StopAt,
    assert_same,
    everything,
    make_state,
    place_of,
    resume,
    rows_of,
    run_to,
    same,
    train,
)

from iris_core.agent import Agent
from iris_core.config import ConfigError
from iris_core.data.episode import Episode
from iris_core.envs import CatchEnv
from iris_core.runtime.run_folder import Run
from iris_core.training import checkpoint
from iris_core.training.callback import Callback
from iris_core.training.callbacks import default_callbacks
from iris_core.training.component import DivergedError
from iris_core.training.schedule import COMPONENTS
from iris_core.training.state import Progress, TrainingState
from iris_core.training.trainer import Trainer

BREAKOUT = [
    "env.game=Breakout",
    "env.noop_max=5",
    "env.test_max_raw_frames=40",  # an agent that does not fire would play for ever
    "env.max_raw_frames=200",  # so that an episode is cut short as well
    "collection.steps_per_epoch=80",
    "collection.warm_start_steps=60",
    "evaluation.every=3",
]


def test_the_files_of_a_run(finished):
    state, _ = finished
    run = state.run
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
    assert Run.open(run.path).config == state.config
    agent = Agent.load(run.agent)
    results = json.loads((run.path / "results.json").read_text())
    assert agent.actions == ACTIONS and agent.training_record is not None
    assert agent.training_record.preset == results["preset"]
    assert agent.training_record.preset.startswith("smoke")
    assert (
        agent.training_record.steps == results["env_steps"] == state.progress.env_steps
    )
    assert agent.training_record.commit == results["commit"] == run.commit
    assert agent.training_record.minutes == round(results["training_minutes"], 2)
    Episode.load(run.episodes("test") / "best.npz")
    Episode.load(run.episodes("imagination") / "best.npz")


def updates_of(state: TrainingState) -> dict[str, int]:
    """How often each network was updated."""
    saved = state.state_dict()["components"]
    return {name: component["updates"] for name, component in saved.items()}


def test_the_metrics_of_a_run(finished):
    state, _ = finished
    rows = rows_of(state.run)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["env_steps"]) for row in rows] == [60, 80, 80]
    assert state.replay.num_steps == 80 == sum(map(len, state.replay))
    trained = {name: [bool(row[f"{name}/loss"]) for row in rows] for name in COMPONENTS}
    assert trained == {
        "tokenizer": [True] * 3,
        "world_model": [True] * 3,
        "actor_critic": [False, True, True],
    }
    assert [bool(row["test/return"]) for row in rows] == [False, True, True]
    collected = [bool(row["collect/seconds_per_step"]) for row in rows]
    assert collected == [True, True, False]
    assert updates_of(state) == {"tokenizer": 9, "world_model": 9, "actor_critic": 4}
    results = json.loads((state.run.path / "results.json").read_text())
    assert results["game"] == "Catch" and results["episodes"] == 2
    assert [row["name"] for row in results["table"]] == ["this agent"]
    assert results["table"][0]["mean"] == np.mean(results["returns"])


class Events(Callback):
    """Counts the events of a run, and checks where it is when they come."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_train_start(self, state) -> None:
        self.seen.append("start")

    def on_step(self, state) -> None:
        assert state.progress.step > 0
        if self.seen[-1] != "step":
            self.seen.append("step")

    def on_phase_end(self, state) -> None:
        assert state.progress.step == 0
        self.seen.append("phase")

    def on_epoch_end(self, state, metrics) -> None:
        assert "tokenizer/loss" in metrics
        self.seen.append(f"epoch {state.progress.epoch}")

    def on_checkpoint(self, state) -> None:
        self.seen.append(f"checkpoint {state.progress.epoch}")

    def on_train_end(self, state, result) -> None:
        self.seen.append("end")

    def on_exit(self, state) -> None:
        self.seen.append("exit")


def test_the_events_of_a_run(tmp_path):
    events = Events()
    Trainer(make_state(tmp_path, "collection.epochs=1"), [events]).run()
    warm, phase, idle = ["step", "phase"], ["step", "phase"], ["phase"]
    assert events.seen == [
        "start",
        *(warm + ["checkpoint 1"] + phase * 3 + idle + ["epoch 1", "checkpoint 2"]),
        *(phase * 3 + ["epoch 2", "checkpoint 3"]),
        *(phase * 3 + ["epoch 3", "checkpoint 4"]),
        *("end", "exit"),
    ]


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


def test_a_run_resumed_many_times_ends_the_same(finished, tmp_path):
    """It ends as if it never had been: the same weights, experience and numbers."""
    state = make_state(tmp_path)
    for place in PLACES:
        run_to(state, place)
        torch.rand(3), np.random.rand(), random.random()  # a new process is elsewhere
        state = resume(state)
        assert place_of(state) == place
    train(state)
    assert_same(everything(state), finished[1])


def test_an_atari_run_resumed_many_times_ends_the_same(tmp_path):
    """The same with an emulator, lost lives, time limits and open episodes."""
    straight = make_state(tmp_path, *BREAKOUT)
    train(straight)
    episodes = list(straight.replay)
    assert any(episode.terminated.any() for episode in episodes)
    assert any(episode.truncated.any() for episode in episodes)
    assert not all(episode.finished for episode in episodes)
    expected = everything(straight)
    state = make_state(tmp_path, *BREAKOUT)
    for place in [(1, "warm_start", 20), (1, "collect", 30), (2, "collect", 33)]:
        run_to(state, place)
        state = resume(state)
    train(state)
    assert_same(everything(state), expected)


def test_several_updates_on_each_rollout(tmp_path):
    overrides = ["actor_critic.updates_per_dream=3"]
    straight = make_state(tmp_path, *overrides)
    rollouts, imagine = [], straight.actor_critic.imagine
    straight.actor_critic.imagine = lambda: rollouts.append(imagine()) or rollouts[-1]
    train(straight)
    assert len(rollouts) == 4  # two in each of two epochs
    assert updates_of(straight)["actor_critic"] == 12
    expected = everything(straight)
    state = make_state(tmp_path, *overrides)
    run_to(state, (2, "actor_critic", 1))
    state = resume(state)
    train(state)
    assert_same(everything(state), expected)


def steps_timed(state: TrainingState) -> int:
    """How many steps of collecting the epoch's mean time is of."""
    _, count = state.state_dict()["meter"]["collect/seconds_per_step"]
    return count


def test_time_counts_up_to_a_stop(tmp_path):
    state = make_state(tmp_path)
    run_to(state, (1, "collect", 4))
    assert state.progress.seconds > 0
    assert state.progress.cpu_seconds > 0
    assert steps_timed(state) == 4
    state = resume(state)
    run_to(state, (1, "tokenizer", 0))
    assert steps_timed(state) == 10


class PowerCut(Exception):
    """Something that nobody foresaw."""


class Fails(Callback):
    """In an epoch's step, or when it should be saved."""

    def __init__(self, epoch: int, event: str) -> None:
        self.epoch = epoch
        setattr(self, event, self.fail)

    def fail(self, state) -> None:
        if state.progress.epoch == self.epoch:
            raise PowerCut


class FailsIn(Callback):
    """In the first step of a phase."""

    def __init__(self, epoch: int, phase: str) -> None:
        self.place = (epoch, phase, 1)

    def on_step(self, state) -> None:
        if place_of(state) == self.place:
            raise PowerCut


@pytest.mark.parametrize(
    ("failure", "goes_on_at"),
    [
        (Fails(3, "on_step"), (3, "tokenizer", 0)),  # from the last epoch's checkpoint
        (FailsIn(1, "tokenizer"), (1, "collect", 0)),  # a warm start is not lost
    ],
)
def test_a_crashed_run_goes_on_to_the_same_end(finished, tmp_path, failure, goes_on_at):
    state = make_state(tmp_path)
    with pytest.raises(PowerCut):
        train(state, failure)
    state = resume(state)
    assert place_of(state) == goes_on_at
    train(state)
    assert_same(everything(state), finished[1])


class BreaksTheDisk(Callback):
    """A folder stands where the checkpoint of epoch 2 should be written."""

    def on_epoch_end(self, state, metrics) -> None:
        last = state.run.checkpoints / checkpoint.FILE
        if state.progress.epoch == 2:
            last.rename(last.with_name("earlier.pt"))
            last.mkdir()


def test_a_crash_while_saving(finished, tmp_path):
    """The replay's files are ahead of the checkpoint then: they are cut back."""
    state = make_state(tmp_path)
    with pytest.raises(OSError, match="directory"):
        train(state, BreaksTheDisk())
    last = state.run.checkpoints / checkpoint.FILE
    last.rmdir()
    last.with_name("earlier.pt").rename(last)
    state = resume(state)
    assert state.progress.epoch == 2
    train(state)
    assert_same(everything(state), finished[1])


@pytest.fixture
def foreground():
    """A shell's background jobs ignore Ctrl-C: have it as in the foreground."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class IsToldToStop(Callback):
    """After the third step of collecting in epoch 2, for real."""

    def __init__(self, times: int = 1, number: int = signal.SIGINT) -> None:
        self.times, self.number = times, number

    def on_step(self, state) -> None:
        if place_of(state) == (2, "collect", 3):
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_what_a_batch_system_sends(number, finished, tmp_path, foreground):
    state, before = make_state(tmp_path), signal.getsignal(number)
    assert train(state, IsToldToStop(number=number)).interrupted
    assert place_of(state) == (2, "collect", 3)
    assert signal.getsignal(number) is before
    state = resume(state)
    train(state)
    assert_same(everything(state), finished[1])


def test_a_stopped_run_may_go_on_in_the_same_process(finished, tmp_path):
    state = make_state(tmp_path)
    run_to(state, (2, "world_model", 1))
    assert not train(state).interrupted
    assert_same(everything(state), finished[1])


def test_ctrl_c_twice_does_not_wait(tmp_path, foreground):
    state = make_state(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(state, IsToldToStop(times=2))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert place_of(resume(state)) == (2, "collect", 0)


class BreaksAWeight(Callback):
    """Of the ends' head, after the world model's seventh update."""

    def on_step(self, state) -> None:
        if place_of(state) == (3, "world_model", 1):
            state.agent.world_model.head_ends[-1].bias.data.fill_(math.nan)


def test_a_loss_that_is_not_a_number(finished, tmp_path):
    state = make_state(tmp_path)
    with pytest.raises(DivergedError) as caught:
        train(state, BreaksAWeight())
    for part in ("loss of the world_model", "nan", "update 8", "epoch 3", "ends nan"):
        assert part in str(caught.value), part
    state = resume(state)
    assert state.progress.epoch == 3 and state.progress.step == 0
    train(state)
    assert_same(everything(state), finished[1])


def test_resuming_a_run_that_is_finished(finished):
    """Tests again and comes to the same result."""
    state, expected = finished
    state = resume(state)
    train(state)
    assert_same(everything(state), expected)


def test_damaged_checkpoints(tmp_path):
    state = make_state(tmp_path)
    run = state.run
    with pytest.raises(ConfigError, match="No checkpoint at"):
        checkpoint.resume(run)
    run_to(state, (1, "collect", 4))
    last = run.checkpoints / checkpoint.FILE
    whole = last.read_bytes()
    cut = [whole[:size] for size in (0, 100, len(whole) // 2, len(whole) - 10)]
    for content in (*cut, b"half"):  # the last is no pickle at all
        last.write_bytes(content)
        with pytest.raises(ConfigError, match="is damaged"):
            checkpoint.resume(run)
    last.write_bytes(whole)
    other = Run(run.path, deepcopy(run.config))
    other.config.actor_critic.lstm_dim = 16
    with pytest.raises(ConfigError, match="does not fit this run's config"):
        checkpoint.resume(other)
    next(run.replay.glob("*.npz")).unlink()
    with pytest.raises(ConfigError, match="^no episode at"):
        checkpoint.resume(run)


class Slow(Callback):
    """Every phase of an epoch takes ten minutes more."""

    def on_phase_end(self, state) -> None:
        state.progress.cpu_seconds += 600


def test_a_budget_of_minutes_ends_a_run_after_an_epoch(tmp_path):
    overrides = ["training.cpu_minutes=72", "training.epochs=1", "collection.epochs=1"]
    state = make_state(tmp_path, *overrides, "evaluation.every=9")
    train(state, Slow())  # 50 minutes, then 40: the second is finished, no third begins
    assert state.progress.epoch == 3
    assert 0 < state.progress.cpu_seconds - 90 * 60 < 60  # its own few seconds
    assert state.progress.env_steps == 40 + 20 + 20  # each epoch collects
    assert [bool(row["test/return"]) for row in rows_of(state.run)] == [False, True]
    again = resume(state)
    train(again)
    assert again.progress.epoch == 3
    assert again.progress.cpu_seconds == state.progress.cpu_seconds


def test_a_run_that_is_made_longer_has_done_less_of_it(tmp_path):
    """Else its next epoch would learn at the rate of the end, which is 0."""

    def share(budget: str, **place: float) -> float:
        state = make_state(tmp_path, budget)
        state.progress = Progress(**place)
        state.recall_share()
        return state.progress.done

    assert share("training.epochs=6", epoch=4, done=1.0) == 0.5
    assert share("training.epochs=6", epoch=4, phase=1, done=1.0) == 0.5
    budget, used = "training.cpu_minutes=2", {"epoch": 4, "cpu_seconds": 60.0}
    assert share(budget, **used, done=1.0) == 0.5
    assert share(budget, **used, phase=1, done=0.25) == 0.25  # when it began


def test_the_lstm_state_is_made_anew_once_an_epoch(tmp_path):
    state = make_state(tmp_path)
    begin, begun = state.collector.begin, []

    def noted(agent: Agent) -> None:
        begun.append(place_of(state))
        begin(agent)

    state.collector.begin = noted
    train(state, StopAt((2, "tokenizer", 0)))
    assert begun == [(1, "collect", 0), (2, "collect", 0)]


def test_a_run_needs_no_callbacks(finished, tmp_path):
    """And learns the same without them."""
    state = make_state(tmp_path)
    assert Trainer(state, []).run().returns is None
    assert same(state.agent.state_dict(), finished[0].agent.state_dict())
    assert len(default_callbacks()) == 4


class BreaksTheLastWeight(Callback):
    """After the last update of epoch 2, where no loss tells."""

    def on_epoch_end(self, state, metrics) -> None:
        if state.progress.epoch == 2:
            state.agent.actor_critic.critic_linear.bias.data.fill_(math.nan)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    state = make_state(tmp_path, "evaluation.every=9")
    with pytest.raises(DivergedError, match="actor_critic.critic_linear.bias"):
        train(state, BreaksTheLastWeight())
    state = resume(state)
    assert place_of(state) == (2, "collect", 0)
    state.check_finite()


@pytest.mark.parametrize("reward", [math.nan, math.inf, 1e39])
def test_a_reward_that_is_no_number_stops_the_run(reward, tmp_path, monkeypatch):
    state = make_state(tmp_path)
    run_to(state, (2, "collect", 2))
    step, steps = CatchEnv.step, state.replay.num_steps

    def broken(self, action):
        frame, _, *rest = step(self, action)
        return frame, reward, *rest

    monkeypatch.setattr(CatchEnv, "step", broken)
    with pytest.raises(ConfigError, match="rewards must be finite"):
        train(state)
    assert state.replay.num_steps == steps
