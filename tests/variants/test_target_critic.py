"""A slowly moving copy of the critic."""

import torch
from running import make_agent

from iris_core.variants.target_critic import TargetCritic


def test_it_moves_slowly_towards_the_weights():
    actor_critic = make_agent().actor_critic
    target = TargetCritic(actor_critic, decay=0.75)
    assert not any(p.requires_grad for p in target.critic.parameters())
    start = target.critic.critic_linear.weight.clone()
    with torch.no_grad():
        for p in actor_critic.parameters():
            p.add_(1.0)
    assert torch.equal(target.critic.critic_linear.weight, start)  # weights of its own
    target.ema_update(actor_critic)
    assert torch.allclose(target.critic.critic_linear.weight, start + 0.25)
    target.copy(actor_critic)
    ours, theirs = target.critic.parameters(), actor_critic.parameters()
    assert all(map(torch.equal, ours, theirs))
