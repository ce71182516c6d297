"""Tests during training, and the agent that a run ends with."""

from copy import deepcopy

import torch
from running import make_state, same, train

from iris_core.agent import Agent
from iris_core.data.episode import EpisodeStats
from iris_core.training import callbacks, checkpoint


def test_a_run_ends_with_its_best_agent(tmp_path, monkeypatch):
    means, tested = iter([5.0, 9.0, 1.0]), []
    play = callbacks.evaluate

    def evaluate(agent, *args, **kwargs):
        played = play(agent, *args, **kwargs)
        tested.append(deepcopy(agent.state_dict()))
        score = next(means)
        played.stats = [EpisodeStats(s.length, score) for s in played.stats]
        return played

    monkeypatch.setattr(callbacks, "evaluate", evaluate)
    overrides = ["evaluation.keep_best=true", "evaluation.every=1"]
    state = make_state(tmp_path, *overrides)
    train(state)
    assert len(tested) == 3 and not same(tested[2], tested[1])
    assert same(state.agent.state_dict(), tested[1])
    assert same(Agent.load(state.run.agent).state_dict(), tested[1])
    assert state.progress.best_return == 9
    last = checkpoint.read(state.run.checkpoints / checkpoint.FILE, torch.device("cpu"))
    assert same(last["agent"], tested[2])  # training would go on from the last
