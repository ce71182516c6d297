"""Tests during training, and the agent that a run ends with."""

import math
from copy import deepcopy

import pytest
import torch
from running import make_state, resume, rows_of, same, train
from torch import Tensor

from iris_core.agent import Agent
from iris_core.config import ConfigError
from iris_core.training import checkpoint
from iris_core.training.callback import Callback
from iris_core.training.component import DivergedError

UNBEATEN = 1e9  # more than any game gives


class SecondIsBest(Callback):
    """Before each test: the second's score beats all before, the third's none."""

    def __init__(self) -> None:
        self.tested: list[dict[str, Tensor]] = []
        self.best: list[float] = []  # when a test begins

    def on_epoch_end(self, state, metrics) -> None:
        self.tested.append(deepcopy(state.agent.state_dict()))
        self.best.append(state.progress.best_return)
        to_beat = {2: -math.inf, 3: UNBEATEN}
        state.progress.best_return = to_beat.get(state.progress.epoch, -math.inf)


def test_a_run_ends_with_its_best_agent(tmp_path):
    overrides = ["evaluation.keep_best=true", "evaluation.every=1"]
    state, tests = make_state(tmp_path, *overrides), SecondIsBest()
    train(state, tests)
    tested = tests.tested
    assert len(tested) == 3 and not same(tested[2], tested[1])
    assert same(Agent.load(state.run.agent).state_dict(), tested[1])
    scores = [float(row["test/return"]) for row in rows_of(state.run)]
    assert tests.best == [-math.inf, *scores[:2]]
    assert state.progress.best_return == UNBEATEN  # the third did not beat it
    last = checkpoint.read(state.run.checkpoints / checkpoint.FILE, torch.device("cpu"))
    assert same(last["agent"], tested[2])  # training would go on from the last
    assert same(state.agent.state_dict(), tested[2])


class StopsTheFinalTest(Callback):
    def on_train_end(self, state, result) -> None:
        state.stop_requested = True


def test_a_stopped_final_test_goes_on_from_the_last_agent(tmp_path):
    overrides = ["evaluation.keep_best=true", "evaluation.every=1"]
    state, tests = make_state(tmp_path, *overrides), SecondIsBest()
    assert train(state, tests, StopsTheFinalTest()).interrupted
    assert same(resume(state).agent.state_dict(), tests.tested[2])


class BreaksAWeight(Callback):
    """Before the first test."""

    def on_epoch_end(self, state, metrics) -> None:
        state.agent.actor_critic.critic_linear.bias.data.fill_(math.nan)


def test_a_best_agent_has_finite_weights(tmp_path):
    state = make_state(tmp_path, "evaluation.keep_best=true", "evaluation.every=1")
    with pytest.raises(DivergedError, match="critic_linear.bias"):
        train(state, BreaksAWeight())
    assert not state.run.best_agent.exists()
    with pytest.raises(ConfigError, match="not finite"):
        state.agent.save(tmp_path / "exported.safetensors")
    assert not (tmp_path / "exported.safetensors").exists()
