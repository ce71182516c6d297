"""Muon inside the Transformer, AdamW for all else."""

from copy import deepcopy

import torch
from running import same
from torch import nn
from torch.optim import AdamW, Muon

from iris_core.variants.muon import MuonAdamW


def new_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(7, 8), nn.Linear(8, 24), nn.Linear(24, 5))


def groups_of(model: nn.Sequential) -> list[dict]:
    """As a world model gives them: linear weights decay, nothing else does."""
    linear = [model[1].weight, model[2].weight]
    rest = [model[0].weight, model[1].bias, model[2].bias]
    return [
        {"params": linear, "weight_decay": 0.1},
        {"params": rest, "weight_decay": 0.0},
    ]


def both(model: nn.Sequential) -> MuonAdamW:
    return MuonAdamW([model[1].weight], groups_of(model))


def learn(model: nn.Module, *optimizers: torch.optim.Optimizer, lr: float) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad()
    model(torch.arange(7)).square().sum().backward()
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()


def test_it_is_the_two_optimizers_side_by_side():
    ours, theirs = new_model(), new_model()
    optimizer = both(ours)
    (linear, rest) = groups_of(theirs)
    muon = Muon([theirs[1].weight], weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = AdamW([{**linear, "params": [theirs[2].weight]}, rest])
    for lr in (1e-2, 2e-2, 5e-3):
        learn(ours, optimizer, lr=lr)
        learn(theirs, muon, adamw, lr=lr)
    assert same(ours.state_dict(), theirs.state_dict())
    assert not same(ours.state_dict(), new_model().state_dict())


def test_it_goes_on_exactly_from_its_state():
    straight, resumed = new_model(), new_model()
    optimizer = both(straight)
    learn(straight, optimizer, lr=1e-2)
    resumed.load_state_dict(straight.state_dict())
    other = both(resumed)
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    for _ in range(2):
        learn(straight, optimizer, lr=1e-2)
        learn(resumed, other, lr=1e-2)
    assert same(resumed.state_dict(), straight.state_dict())
    assert same(other.state_dict(), optimizer.state_dict())


def test_every_weight_is_in_one_group():
    model = new_model()
    groups = both(model).param_groups
    assert [id(p) for p in groups[0]["params"]] == [id(model[1].weight)]
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
