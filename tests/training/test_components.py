"""An update of one network, and what it learns from."""

import math
import random
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from running import make_agent, make_state, resume, same, train
from torch import nn

from iris_core.agent import Agent
from iris_core.config.departures import InitConfig, UpdatesConfig
from iris_core.data.episode import Episode
from iris_core.data.replay_buffer import Replay
from iris_core.models.losses import Losses
from iris_core.training.component import Component, DivergedError
from iris_core.training.components import (
    ActorCriticComponent,
    Experience,
    WorldModelComponent,
)
from iris_core.training.token_cache import TokenCache
from iris_core.variants.loss_priority import LossPriorities


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
def test_a_loss_that_is_not_finite_leaves_the_weights_alone(change, what):
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


def test_asynchronous_updates_are_the_same():
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
def test_asynchronous_updates_report_divergence_later(change, what, then):
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


def experience_of(agent: Agent, *lengths: int) -> Experience:
    """Black episodes of these lengths, which nobody has learned from."""
    replay = Replay()
    for length in lengths:
        none = np.zeros(length)
        frames = np.zeros((length, 3, 64, 64), dtype=np.uint8)
        replay.add(Episode(frames, none.astype(int), none, none > 0, none > 0))
    cache = TokenCache(agent.tokenizer, replay)
    return Experience(
        replay, cache, LossPriorities(), random.Random(0), torch.device("cpu")
    )


def test_draws_prefer_a_high_loss():
    shares = "world_model.surprise_share=1.0", "actor_critic.surprise_share=1.0"
    agent = make_agent(*shares)
    experience = experience_of(agent, 28, 28, 10)
    for i, episode in enumerate(experience.replay):
        experience.priorities.of(i, len(episode))[:] = 0
    experience.priorities.of(1, 28)[15] = 1e9
    world_model = WorldModelComponent(agent, experience)
    actor_critic = ActorCriticComponent(agent, experience, world_model)
    config = agent.config
    length, horizon = config.world_model.max_blocks, config.actor_critic.horizon
    for _ in range(20):
        batch = world_model.draw_batch()
        assert len(batch) == config.world_model.updates.batch_size
        for i, start in batch.segment_ids:  # its first frame is not predicted
            assert i == 1 and start < 15 < start + length
        for i, start in actor_critic.draw_starts().segment_ids:
            begins = start + config.actor_critic.burn_in  # the rollout's start
            assert i == 1 and begins <= 15 < begins + horizon


def test_losses_of_frames_are_remembered(tmp_path):
    state = make_state(tmp_path, "training.epochs=1")
    train(state)
    losses = state.state_dict()["priorities"]
    seen = torch.cat(list(losses.values()))
    known = seen[~seen.isnan()]
    assert len(known) > 10 and known.min() > 0
    assert same(resume(state).state_dict()["priorities"], losses)
