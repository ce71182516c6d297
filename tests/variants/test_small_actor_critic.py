"""The actor-critic's departures: background, masked ends, advantages, clipping."""

import torch
from networks import EXTRAS, make_rollout, new_actor_critic

from iris_core.models.actor_critic import lambda_returns


def test_the_policy_sees_frames_without_their_background():
    actor_critic = new_actor_critic(*EXTRAS)
    background = torch.rand(3, 64, 64)
    actor_critic.start_from(background[None])
    blank = new_actor_critic()
    blank.load_state_dict(actor_critic.state_dict(), strict=False)
    grey = torch.full((1, 3, 64, 64), 0.5)  # 0 on the scale from -1 to 1
    ours = actor_critic.norm(blank.features(grey))
    assert torch.allclose(actor_critic.features(background[None]), ours, atol=1e-5)
    plain = new_actor_critic()
    plain.start_from(background[None])  # does nothing
    assert "background" not in plain.state_dict()


def test_steps_after_an_end_train_only_if_not_masked():
    ends = torch.zeros(2, 6, dtype=torch.bool)
    ends[0, 2] = ends[0, 4] = True
    rollout = make_rollout(2, 6, ends)
    for masked in (False, True):
        actor_critic = new_actor_critic(
            f"actor_critic.mask_after_end={str(masked).lower()}"
        )
        rollout.logits.grad = rollout.values.grad = None
        actor_critic.loss(rollout).total.backward()
        for grad in (rollout.logits.grad.abs().sum(-1), rollout.values.grad.abs()):
            assert (grad[0, :3] > 0).all()  # the end itself still trains
            assert ((grad[0, 3:5] == 0) == masked).all()
            assert (grad[1, :5] > 0).all() and (grad[:, 5] == 0).all()


def test_masked_steps_change_nothing():
    ends = torch.zeros(2, 6, dtype=torch.bool)
    ends[0, 2] = True
    actor_critic = new_actor_critic("actor_critic.mask_after_end=true")
    rollout = make_rollout(2, 6, ends)
    before = actor_critic.loss(rollout).total
    with torch.no_grad():
        for x in (rollout.logits, rollout.values, rollout.rewards, rollout.bootstrap):
            x[0, 3:] += 7
    assert torch.equal(actor_critic.loss(rollout).total, before)


def test_normalised_advantages():
    plain = new_actor_critic("actor_critic.entropy_weight=0")
    normal = new_actor_critic(
        "actor_critic.entropy_weight=0", "actor_critic.normalise_advantages=true"
    )
    rollout = make_rollout(4, 6)
    config = plain.config
    returns = lambda_returns(
        rollout.rewards, rollout.bootstrap, rollout.ends, config.gamma, config.lam
    )
    spread = (returns - rollout.bootstrap)[:, :-1].std(correction=0)
    ours, theirs = normal.loss(rollout).terms, plain.loss(rollout).terms
    assert torch.allclose(ours["policy"], theirs["policy"] / spread)
    assert torch.equal(ours["value"], theirs["value"])
    still = make_rollout(2, 3)  # no spread: not divided by nothing
    for x in (still.rewards, still.bootstrap, still.values):
        x.detach().zero_()
    assert normal.loss(still).terms["policy"] == 0


def test_off_policy_updates_are_clipped():
    """Against PPO's objective, step by step; too sure a step has no gradient left."""
    actor_critic = new_actor_critic(
        "actor_critic.entropy_weight=0", "actor_critic.updates_per_dream=2"
    )
    rollout, config = make_rollout(2, 6), actor_critic.config
    before = rollout.logits.detach().log_softmax(-1)
    now = (rollout.logits.detach() + torch.randn(2, 6, 3)).requires_grad_()
    actor_critic.unroll = lambda frames, lstm_state: (now, rollout.values)
    loss = actor_critic.loss(rollout).terms["policy"]
    returns = lambda_returns(
        rollout.rewards, rollout.bootstrap, rollout.ends, config.gamma, config.lam
    )
    after, terms, kept = now.log_softmax(-1), [], []
    for b in range(2):
        for t in range(5):
            a = rollout.actions[b, t]
            gain = (returns - rollout.values)[b, t].item()
            ratio = (after[b, t, a] - before[b, t, a]).exp()
            terms.append(min(ratio * gain, ratio.clamp(0.8, 1.2) * gain))
            kept.append(bool(ratio <= 1.2 if gain > 0 else ratio >= 0.8))
    assert torch.allclose(loss, -torch.stack(terms).mean(), atol=1e-6)
    loss.backward()
    assert (now.grad[:, :5].abs().sum(-1) > 0).flatten().tolist() == kept
    assert any(kept) and not all(kept)
