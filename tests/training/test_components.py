"""An update of one network, and what it learns from."""

import math
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from running import make_state, resume, same, train
from torch import nn

from iris_core.config.departures import InitConfig, UpdatesConfig
from iris_core.models.losses import Losses
from iris_core.training.component import Component, DivergedError


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


class ToyComponent(Component):
    name = "toy"

    def draw_loss(self) -> Losses:
        return self.module.loss()


def make_component(toy: Toy, optimizer=None, **updates) -> Component:
    updates = UpdatesConfig(learning_rate=0.1, **updates)
    config = SimpleNamespace(toy=SimpleNamespace(updates=updates), init=InitConfig())
    agent = SimpleNamespace(toy=toy, config=config)
    return ToyComponent(agent, optimizer or torch.optim.Adam(toy.parameters()))


OFF = torch.autocast("cpu", enabled=False)


def test_an_update():
    toy = Toy().eval()
    component = make_component(toy)
    metrics = component.update(OFF)
    assert component.updates == 1 and not toy.training
    assert torch.allclose(toy.weight, torch.tensor(0.9))  # Adam's first step is lr
    assert metrics["square"] == metrics["loss"] == 4
    assert torch.allclose(metrics["grad_norm"], torch.tensor(2.5 * 2**0.5))
    assert not any(value.requires_grad for value in metrics.values())


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
    component = make_component(toy, torch.optim.Adam(toy.parameters(), fused=True))
    component.asynchronous = True
    return component


def test_without_waiting_the_updates_are_the_same():
    weights = []
    for component in (make_component(Toy()), asynchronous(Toy())):
        metrics = [component.update(OFF) for _ in range(3)]
        component.raise_pending()
        weights.append(component.module.weight.detach())
        assert metrics[-1]["loss"].ndim == 0 and component.updates == 3
    assert torch.allclose(*weights, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "what"),
    [({"factor": math.nan}, "loss"), ({"root_of": 0.0}, "gradient")],
)
@pytest.mark.parametrize("then", ["update", "raise_pending"])
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
        component.update(OFF) if then == "update" else component.raise_pending()
    assert torch.equal(toy.weight, weight)


def test_the_learning_rate_comes_to_rest_at_the_runs_end(tmp_path):
    state = make_state(tmp_path, "training.epochs=4")
    train(state)  # its last epoch begins when 3 of 4 are done
    components = state.components.values()
    rates = [c.optimizer.param_groups[0]["lr"] for c in components]
    full = [c.config.learning_rate for c in components]
    assert rates == pytest.approx([full[0], full[1], full[2] / 2])
    assert state.progress.done == 1


def test_the_gradient_is_clipped():
    toy = Toy()
    toy.factor = 1e6
    component = make_component(toy, clip_norm=0.5)
    assert component.update(OFF)["grad_norm"] > 1e6
    assert torch.allclose(toy.weight.grad.norm(), torch.tensor(0.5))


def test_draws_prefer_a_high_loss(tmp_path):
    state = make_state(
        tmp_path,
        "world_model.surprise_share=1.0",
        "actor_critic.surprise_share=1.0",
    )
    while not any(len(episode) > 20 for episode in state.replay):
        state.collector.warm_step(state.random_policy)
    episode_id = next(i for i in state.replay.ids if len(state.replay[i]) > 20)
    for i in state.replay.ids:
        state.experience.priorities.of(i, len(state.replay[i]))[:] = 0
    state.experience.priorities.losses[episode_id][15] = 1e9
    length, horizon = state.config.world_model.max_blocks, 3
    for _ in range(20):
        batch = state.world_model.draw_batch()
        assert len(batch) == state.config.world_model.updates.batch_size
        for i, start in batch.segment_ids:  # its first frame is not predicted
            assert i == episode_id and start < 15 < start + length
        for i, start in state.actor_critic.draw_starts().segment_ids:
            begins = start + state.config.actor_critic.burn_in  # the rollout's start
            assert i == episode_id and begins <= 15 < begins + horizon


def test_losses_of_frames_are_remembered(tmp_path):
    state = make_state(tmp_path, "training.epochs=1")
    train(state)
    losses = state.experience.priorities.losses
    seen = np.concatenate(list(losses.values()))
    assert (~np.isnan(seen)).sum() > 10 and np.nanmin(seen) > 0
    resumed = resume(state).experience.priorities.losses
    assert resumed.keys() == losses.keys()
    for episode_id, of_episode in resumed.items():
        np.testing.assert_array_equal(of_episode, losses[episode_id])
