"""Rollouts of a policy in the world model."""

import pytest
import torch
from dreaming import K, Recorder, contexts, make_agent, make_starts, modes
from torch import Tensor

from iris_core.agent import greedy
from iris_core.imagination.rollout import fill_left, imagine
from iris_core.models.actor_critic import Rollout
from iris_core.variants.target_critic import TargetCritic


def test_fill_left():
    x = torch.tensor([[1, 2, 3], [9, 5, 6], [9, 9, 7]])
    mask = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1]], dtype=torch.bool)
    assert fill_left(x, mask).tolist() == [[1, 2, 3], [5, 5, 6], [7, 7, 7]]
    deep = x[..., None].expand(-1, -1, K)
    assert torch.equal(
        fill_left(deep, mask), fill_left(x, mask)[..., None].expand(-1, -1, K)
    )
    assert torch.equal(fill_left(x[:, -1:], mask[:, -1:]), x[:, -1:])


def check_rollout(rollout: Rollout, rows: int, horizon: int) -> None:
    for name in ("actions", "values", "rewards", "ends", "bootstrap"):
        assert getattr(rollout, name).shape == (rows, horizon), name
    assert rollout.frames.shape == (rows, horizon, 3, 64, 64)
    assert rollout.logits.shape == (rows, horizon, 3)
    assert rollout.logits.requires_grad and rollout.values.requires_grad
    for name in ("frames", "actions", "rewards", "ends", "bootstrap"):
        assert not getattr(rollout, name).requires_grad, name
    assert set(rollout.rewards.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert rollout.ends.dtype == torch.bool and rollout.actions.dtype == torch.int64
    assert rollout.actions.min() >= 0 and rollout.actions.max() <= 2
    assert torch.equal(rollout.bootstrap, rollout.values.detach())


@modes
@contexts
@pytest.mark.parametrize("burn_in", [0, 1, 4])
def test_rollouts(mode, context, burn_in):
    agent = make_agent(mode, f"world_model.dream_context={context}")
    batch = make_starts(3, burn_in + 1, real=[burn_in + 1, 1, 1])
    rollout = imagine(agent, batch, horizon=6)
    check_rollout(rollout, 3, 6)
    with torch.no_grad():
        first = agent.tokenizer.reconstruct(batch.frames[:, -1])
    assert torch.allclose(rollout.frames[:, 0], first, atol=1e-5)


def test_a_rollout_without_burn_in_with_the_papers_tokenizer():
    paper = [
        "tokenizer.architecture=vqgan",
        "tokenizer.channels=32",
        "tokenizer.attention_resolutions=[8]",
    ]
    agent = make_agent("autoregressive", *paper)
    check_rollout(imagine(agent, make_starts(2, 1), horizon=2), 2, 2)


@modes
@contexts
def test_a_dream_starts_from_the_real_past(mode, context):
    agent = make_agent(mode, f"world_model.dream_context={context}")
    batch = make_starts(2, 5, real=[5, 2])
    record = Recorder()
    rollout = imagine(agent, batch, horizon=2, sample=record)
    with torch.no_grad():
        tokens = agent.tokenizer.encode(batch.frames).tokens
    tokens[1, :3] = tokens[1, 3]  # in the padding stands the first real frame
    actions = torch.cat([batch.actions[:, :-1], rollout.actions[:, :1]], dim=1)
    wm = agent.world_model
    with torch.no_grad():
        fresh = wm(wm.sequence(tokens[:, -context:], actions[:, -context:]))
    assert torch.allclose(record.seen[0], rollout.logits[:, 0])
    assert torch.allclose(record.seen[1], fresh.rewards[:, -1], atol=1e-4)


@modes
def test_a_rollout_goes_on_from_the_burn_ins_lstm_state(mode):
    """Logits, values and their gradient equal a plain run of the policy over the
    frames of the burn-in, then those of the dream."""
    agent = make_agent(mode)
    actor_critic = agent.actor_critic
    batch = make_starts(2, 3, real=[3, 1])
    rollout = imagine(agent, batch, horizon=4)

    def gradients(logits: Tensor, values: Tensor) -> list[Tensor]:
        actor_critic.zero_grad()
        (logits.pow(2).sum() + values.pow(3).sum()).backward()
        return [p.grad.clone() for p in actor_critic.parameters()]

    lstm_state = actor_critic.new_state(2)
    with torch.no_grad():
        seen = agent.tokenizer.reconstruct(batch.frames)
        for t in range(2):
            hidden, cell = actor_critic(seen[:, t], lstm_state)[2]
            keep = batch.mask[:, t : t + 1]
            lstm_state = torch.where(keep, hidden, 0), torch.where(keep, cell, 0)
    logits, values = [], []
    for t in range(4):
        logit, value, lstm_state = actor_critic(rollout.frames[:, t], lstm_state)
        logits.append(logit)
        values.append(value)
    naive = torch.stack(logits, dim=1), torch.stack(values, dim=1)
    assert torch.allclose(rollout.logits, naive[0], atol=1e-5)
    assert torch.allclose(rollout.values, naive[1], atol=1e-5)
    ours, theirs = gradients(rollout.logits, rollout.values), gradients(*naive)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("target", [False, True])
def test_off_policy_updates_from_a_rollout(target):
    """With unchanged weights: the same values and the same gradient."""
    settings = ["actor_critic.mask_after_end=true", "actor_critic.updates_per_dream=2"]
    agent = make_agent("parallel", *settings)
    actor_critic = agent.actor_critic
    rollout = imagine(agent, make_starts(3, 4, real=[4, 2, 1]), horizon=5)
    if target:
        rollout.bootstrap = TargetCritic(actor_critic, 0.9).values(rollout)
    with torch.no_grad():
        logits, values = actor_critic.unroll(rollout.frames, rollout.lstm_state)
    assert torch.allclose(logits, rollout.logits, atol=1e-5)
    assert torch.allclose(values, rollout.values, atol=1e-5)
    gradients = []
    for updates in (1, 2):
        actor_critic.config.updates_per_dream = updates
        actor_critic.zero_grad()
        actor_critic.loss(rollout).total.backward()
        gradients.append([p.grad.clone() for p in actor_critic.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


@modes
def test_only_the_policy_learns_from_a_rollout(mode):
    agent = make_agent(mode)
    rollout = imagine(agent, make_starts(2, 3), horizon=4)
    agent.actor_critic.loss(rollout).total.backward()
    assert all(p.grad.abs().max() > 0 for p in agent.actor_critic.parameters())
    for part in (agent.tokenizer, agent.world_model):
        assert all(p.grad is None for p in part.parameters())


def test_a_target_critic_has_its_own_lstm_state():
    """With its own LSTM state after the frames before it."""
    agent = make_agent("parallel")
    target = TargetCritic(agent.actor_critic, decay=0.9)
    rollout = imagine(agent, make_starts(2, 3, real=[3, 2]), horizon=4)
    frames, mask = rollout.burn_in
    assert frames.shape == (2, 2, 3, 64, 64)
    assert mask.tolist() == [[True, True], [False, True]]
    values = rollout.values.detach()
    assert torch.allclose(target.values(rollout), values, atol=1e-6)
    with torch.no_grad():
        target.critic.critic_linear.bias += 1
    assert torch.allclose(target.values(rollout), values + 1, atol=1e-6)
    with torch.no_grad():
        target.critic.lstm.weight_ih.mul_(0)
    assert not torch.allclose(target.values(rollout), values + 1, atol=1e-3)


@modes
def test_a_greedy_rollout_is_the_same_again(mode):
    agent = make_agent(mode)
    batch = make_starts(2, 3)
    ours, theirs = (imagine(agent, batch, horizon=6, sample=greedy) for _ in range(2))
    assert torch.equal(ours.frames, theirs.frames)
    assert torch.equal(ours.actions, theirs.actions)
    assert torch.equal(ours.rewards, theirs.rewards)
