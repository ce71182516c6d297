"""The actor-critic: its LSTM state, lambda-returns and loss."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    EXTRAS,
    STRIDED,
    make_agent,
    make_batch,
    make_rollout,
    new_actor_critic,
)

from iris_core.imagination.rollout import imagine
from iris_core.models.actor_critic import lambda_returns

KINDS = {"plain": [], "strided": STRIDED, "extras": EXTRAS, "all": [*STRIDED, *EXTRAS]}

kinds = pytest.mark.parametrize("overrides", KINDS.values(), ids=KINDS.keys())


@kinds
def test_actor_critic_shapes(overrides):
    actor_critic = new_actor_critic(*overrides)
    state = actor_critic.new_state(2)
    frames = torch.rand(2, 3, 64, 64)
    logits, values, after = actor_critic(frames, state)
    assert logits.shape == (2, 3) and values.shape == (2,)
    assert [s.shape for s in after] == [(2, 32), (2, 32)]
    assert actor_critic.features(frames).shape == (2, actor_critic.lstm.input_size)
    logits.sum().backward()
    assert actor_critic.convs[0].weight.grad.abs().max() > 0
    assert all(s.abs().max() == 0 for s in state)  # not changed in place


def test_a_new_state_is_two_tensors():
    """So that writing a row of one does not write the other's."""
    hidden, cell = new_actor_critic().new_state(2)
    hidden[0] = 1
    assert cell.abs().max() == 0


@kinds
def test_burn_in_skips_padding(overrides):
    """Rows padded on the left end in the state of a run without padding."""
    actor_critic = new_actor_critic(*overrides)
    frames = torch.rand(3, 4, 3, 64, 64)
    real = [4, 2, 0]
    mask = torch.arange(4) >= 4 - torch.tensor(real)[:, None]
    hidden, cell = actor_critic.burn_in(frames, mask)
    assert not hidden.requires_grad
    for i, n in enumerate(real):
        state = actor_critic.new_state(1)
        with torch.no_grad():
            for t in range(4 - n, 4):
                _, _, state = actor_critic(frames[i : i + 1, t], state)
        assert torch.allclose(hidden[i], state[0][0], atol=1e-6)
        assert torch.allclose(cell[i], state[1][0], atol=1e-6)


def test_burn_in_of_nothing():
    frames, mask = torch.rand(2, 0, 3, 64, 64), torch.ones(2, 0, dtype=torch.bool)
    hidden, cell = new_actor_critic().burn_in(frames, mask)
    assert hidden.shape == cell.shape == (2, 32) and hidden.abs().max() == 0


def naive_return(
    rewards: list[float],
    values: list[float],
    ends: list[bool],
    gamma: float,
    lam: float,
) -> float:
    """The first step's return, by the recursion as the paper writes it."""
    if len(values) == 1:
        return values[0]
    if ends[0]:
        return rewards[0]
    later = naive_return(rewards[1:], values[1:], ends[1:], gamma, lam)
    return rewards[0] + gamma * ((1 - lam) * values[1] + lam * later)


numbers = st.floats(-10, 10, width=32)

steps = st.lists(st.tuples(numbers, numbers, st.booleans()), min_size=1, max_size=8)


@given(steps, st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_lambda_returns_follow_the_recursion(steps, gamma, lam):
    rewards, values, ends = (list(column) for column in zip(*steps, strict=True))
    ours = lambda_returns(
        torch.tensor([rewards]),
        torch.tensor([values]),
        torch.tensor([ends]),
        gamma,
        lam,
    )
    naive = [
        naive_return(rewards[t:], values[t:], ends[t:], gamma, lam)
        for t in range(len(steps))
    ]
    assert torch.allclose(ours[0], torch.tensor(naive), atol=1e-4)


def test_lambda_returns_by_hand():
    returns = lambda_returns(
        torch.tensor([[1.0, 0.0, 5.0]]),  # the last reward is not used
        torch.tensor([[10.0, 2.0, 4.0]]),
        torch.zeros(1, 3),
        gamma=0.5,
        lam=0.5,
    )
    # last: 4; middle: 0 + 0.5 * (0.5 * 4 + 0.5 * 4) = 2; first: 1 + 0.5 * (1 + 1) = 2
    assert returns.tolist() == [[2.0, 2.0, 4.0]]


def test_an_end_cuts_the_return():
    ends = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    rewards = torch.tensor([[1.0, 2.0, 100.0, 100.0]])
    returns = lambda_returns(rewards, torch.full((1, 4), 50.0), ends, 1.0, 1.0)
    assert returns[0, :2].tolist() == [3.0, 2.0]


def test_lambda_returns_check_their_shapes():
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"\(B, T\)"):
        lambda_returns(x, x, x[:, :2], 1.0, 1.0)
    with pytest.raises(ValueError, match=r"\(B, T\)"):
        lambda_returns(x[0], x[0], x[0], 1.0, 1.0)


def test_the_terms_of_the_actor_critics_loss():
    actor_critic = new_actor_critic("actor_critic.entropy_weight=0.1")
    config, rollout = actor_critic.config, make_rollout(2, 4)
    losses = actor_critic.loss(rollout)
    returns = lambda_returns(
        rollout.rewards, rollout.values.detach(), rollout.ends, config.gamma, config.lam
    )
    policy, value, entropy = [], [], []
    for b in range(2):
        for t in range(3):  # the last step does not train
            logp = rollout.logits[b, t].log_softmax(-1)
            gain = returns[b, t] - rollout.values[b, t].detach()
            policy.append(-logp[rollout.actions[b, t]] * gain)
            value.append((rollout.values[b, t] - returns[b, t]).pow(2))
            entropy.append(0.1 * (logp.exp() * logp).sum())
    naive = {"policy": policy, "value": value, "entropy": entropy}
    for name, terms in naive.items():
        mean = torch.stack(terms).mean()
        assert torch.allclose(losses.terms[name], mean, atol=1e-6), name


def test_values_bootstrap_from_where_the_rollout_says():
    actor_critic = new_actor_critic()
    rollout = make_rollout(2, 4)
    before = actor_critic.loss(rollout).metrics["mean_return"]
    rollout.bootstrap += 1
    assert actor_critic.loss(rollout).metrics["mean_return"] > before


def test_gradients_arrive_under_autocast():
    """Burn-in casts the weights without a gradient; learning must not reuse those."""
    agent = make_agent("actor_critic.burn_in=2")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = agent.actor_critic.loss(imagine(agent, make_batch(2, 3), horizon=3))
    loss.total.backward()
    assert all(p.grad.abs().max() > 0 for p in agent.actor_critic.parameters())
