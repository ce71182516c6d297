"""The world model as an environment."""

from itertools import product

import pytest
import torch
from dreaming import (
    BLOCKS,
    WHITE,
    K,
    Recorder,
    contexts,
    make_agent,
    make_starts,
    modes,
)
from torch import Tensor

from iris_core.agent import greedy
from iris_core.imagination.rollout import imagine
from iris_core.imagination.world_model_env import WorldModelEnv


class CountsRefreshes(WorldModelEnv):
    """Counts how often its cache is filled again."""

    refreshes = 0

    def refresh(self) -> None:
        self.refreshes += 1
        super().refresh()


@modes
@pytest.mark.parametrize("lead", [(2,), (2, 1), (2, 3)], ids=str)
def test_shapes_and_ranges(mode, lead):
    agent = make_agent(mode)
    dream = WorldModelEnv(agent.tokenizer, agent.world_model, context=3)
    start = torch.rand(*lead, 3, 64, 64)
    frames = dream.reset(start)
    now = start if len(lead) == 1 else start[:, -1]
    with torch.no_grad():
        assert torch.allclose(frames, agent.tokenizer.reconstruct(now), atol=1e-5)
    for _ in range(2 * BLOCKS):
        frames, rewards, ends, _ = dream.step(torch.randint(3, (2,)))
        assert frames.shape == (2, 3, 64, 64) and rewards.shape == ends.shape == (2,)
        assert frames.min() >= 0 and frames.max() <= 1
        assert frames.dtype == rewards.dtype == torch.float32
        assert set(rewards.tolist()) <= {-1.0, 0.0, 1.0} and ends.dtype == torch.bool
        assert dream.tokens.shape == (2, K) and dream.tokens.dtype == torch.int64
        assert not frames.requires_grad


@modes
def test_rewards_and_ends_mean_their_classes(mode):
    agent = make_agent(mode)
    wm, dream = (
        agent.world_model,
        WorldModelEnv(agent.tokenizer, agent.world_model, greedy),
    )
    dream.reset(torch.rand(2, 3, 64, 64))
    for reward, end in product(range(3), range(2)):
        for head, answer in ((wm.head_rewards, reward), (wm.head_ends, end)):
            head[-1].weight.data.zero_()
            head[-1].bias.data = torch.eye(len(head[-1].bias))[answer]
        _, rewards, ends, _ = dream.step(torch.zeros(2, dtype=torch.int64))
        assert rewards.tolist() == [reward - 1.0] * 2
        assert ends.tolist() == [bool(end)] * 2


@modes
@contexts
def test_every_step_equals_a_fresh_pass(mode, context):
    """Against the whole history, and a plain rule of what the cache should hold."""
    agent = make_agent(mode)
    wm, record = agent.world_model, Recorder()
    dream = CountsRefreshes(agent.tokenizer, wm, record, context)
    tokens, actions = torch.randint(32, (2, context, K)), torch.randint(3, (2, 99))
    dream.start(tokens, actions[:, : context - 1])
    frames = list(tokens.unbind(1))  # all that the dream ever showed
    first, refreshed_at = 0, []
    for step in range(1, 13):
        now = context + step - 2  # index of the current frame
        # The step's last token: the next frame's, or in parallel this block's action
        if now + (2 if mode == "autoregressive" else 1) - first > BLOCKS:
            first = now - (context - 1)
            refreshed_at.append(step)
        record.seen.clear()
        before = dream.refreshes
        *_, info = dream.step(actions[:, now])
        refreshed = dream.refreshes > before
        assert refreshed == info["refreshed"] == (step in refreshed_at)
        blocks = wm.sequence(
            torch.stack(frames[first:], dim=1), actions[:, first : now + 1]
        )
        frames.append(dream.tokens)
        with torch.no_grad():
            fresh = wm(blocks)
            if mode == "autoregressive":
                seen = wm(torch.cat([blocks, dream.tokens], dim=1)).observations
            else:
                seen = wm.token_head(wm.read(blocks)[0][:, -1], dream.tokens)
        rewards, ends, *observations = record.seen
        assert torch.allclose(rewards, fresh.rewards[:, -1], atol=1e-4)
        assert torch.allclose(ends, fresh.ends[:, -1], atol=1e-4)
        if mode == "autoregressive":
            stacked = torch.stack(observations, dim=1)
        else:
            black, white = observations
            stacked = torch.zeros_like(seen)
            stacked[:, ~WHITE], stacked[:, WHITE] = black, white
        assert torch.allclose(stacked, seen[:, -K:], atol=1e-4)
        logits = info["logits"]()
        assert torch.equal(logits.observations, stacked)
        assert torch.equal(logits.rewards, rewards) and torch.equal(logits.ends, ends)
    expected = {
        ("autoregressive", 1): [4, 7, 10],  # the current frame alone leaves 3 steps
        ("autoregressive", 3): list(range(2, 13)),
        ("parallel", 1): [5, 9],
        ("parallel", 3): [3, 5, 7, 9, 11],
    }
    kind = "autoregressive" if mode == "autoregressive" else "parallel"
    assert refreshed_at == expected[kind, context]


@modes
def test_the_past_stays_bounded(mode):
    agent = make_agent(mode)
    dream = WorldModelEnv(agent.tokenizer, agent.world_model, context=3)
    dream.reset(torch.rand(1, 3, 64, 64))
    for _ in range(12):
        dream.step(torch.zeros(1, dtype=torch.int64))
        assert len(dream.past) <= BLOCKS


@modes
def test_a_greedy_dream_is_the_same_again(mode):
    agent = make_agent(mode)
    start, actions = torch.rand(2, 3, 64, 64), torch.randint(3, (8, 2))
    runs = []
    for _ in range(2):
        dream = WorldModelEnv(agent.tokenizer, agent.world_model, greedy)
        dream.reset(start)
        runs.append([dream.step(a)[:3] for a in actions])
        torch.rand(5)  # random numbers do not matter
    for ours, theirs in zip(*runs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@modes
@pytest.mark.parametrize("steps", range(6))
def test_a_restored_dream_goes_on_as_it_did(mode, steps):
    """Whether the cache was filled again on the way there or not."""
    agent = make_agent(mode, "world_model.dream_context=2")
    dream = WorldModelEnv.of(agent, greedy)
    dream.reset(torch.rand(2, 3, 64, 64))
    actions = torch.arange(10)[:, None].expand(-1, 2) % 3
    for action in actions[:steps]:
        dream.step(action)
    tokens, past, frames = dream.tokens, tuple(dream.past), dream.frames
    first = [dream.step(action)[:3] for action in actions[steps:]]
    assert torch.equal(dream.restore(tokens, past), frames)
    again = [dream.step(action)[:3] for action in actions[steps:]]
    for one, other in zip(first, again, strict=True):
        assert all(map(torch.equal, one, other))


def test_a_short_past_is_kept_whole():
    agent = make_agent("parallel")
    dream = WorldModelEnv(agent.tokenizer, agent.world_model, greedy, context=4)
    dream.reset(torch.rand(1, 3, 3, 64, 64), torch.zeros(1, 2, dtype=torch.int64))
    assert len(dream.past) == 2


@modes
def test_a_reset_clears_the_cache(mode):
    agent = make_agent(mode)
    start = torch.rand(2, 3, 64, 64)
    used = WorldModelEnv(agent.tokenizer, agent.world_model, greedy)
    used.reset(torch.rand(3, 3, 64, 64))
    for _ in range(5):
        used.step(torch.zeros(3, dtype=torch.int64))
    new = WorldModelEnv(agent.tokenizer, agent.world_model, greedy)
    assert torch.equal(used.reset(start), new.reset(start))
    actions = torch.tensor([1, 2])
    assert all(map(torch.equal, used.step(actions)[:3], new.step(actions)[:3]))


@modes
def test_dreams_side_by_side_do_not_mix(mode):
    agent = make_agent(mode)
    start, actions = torch.rand(3, 3, 64, 64), torch.randint(3, (6, 3))
    together = WorldModelEnv(agent.tokenizer, agent.world_model, greedy)
    together.reset(start)
    frames = torch.stack([together.step(a)[0] for a in actions])
    for i in range(3):
        alone = WorldModelEnv(agent.tokenizer, agent.world_model, greedy)
        alone.reset(start[i : i + 1])
        for t, a in enumerate(actions):
            ours = alone.step(a[i : i + 1])[0]
            assert torch.allclose(ours[0], frames[t, i], atol=1e-5)


@modes
def test_without_prediction_the_frame_stays(mode):
    agent = make_agent(mode)
    record = Recorder()
    dream = WorldModelEnv(agent.tokenizer, agent.world_model, record)
    before = dream.reset(torch.rand(2, 3, 64, 64))
    tokens = dream.tokens
    frames, rewards, _, info = dream.step(torch.tensor([0, 1]), predict_frame=False)
    assert torch.equal(frames, before) and torch.equal(dream.tokens, tokens)
    assert rewards.shape == (2,)
    assert len(record.seen) == 2  # reward and end; no token is sampled
    assert info["logits"]().observations.shape == (2, 0, 32)


@modes
def test_a_given_frame_replaces_the_sampled_one(mode):
    agent = make_agent(mode)
    free, forced = (
        WorldModelEnv(agent.tokenizer, agent.world_model, greedy) for _ in range(2)
    )
    start, actions = torch.rand(2, 3, 64, 64), torch.randint(3, (9, 2))
    for dream in (free, forced):
        dream.reset(start)
    for action in actions:
        ours = free.step(action)
        theirs = forced.step(action, tokens=free.tokens)
        assert all(map(torch.equal, ours[:3], theirs[:3]))
        logits = (each[3]["logits"]().observations for each in (ours, theirs))
        assert torch.equal(*logits)
    other = 31 - forced.tokens
    frames, *_ = forced.step(actions[0], tokens=other)
    assert torch.equal(forced.tokens, other)
    assert torch.equal(frames, agent.tokenizer.decode(other))


def test_the_last_step_needs_room_for_its_action_only():
    """So that a rollout as long as the world model's context fits exactly."""
    agent = make_agent("autoregressive")
    dream = CountsRefreshes(agent.tokenizer, agent.world_model)
    dream.reset(torch.rand(1, 3, 64, 64))
    for t in range(BLOCKS):
        last = t == BLOCKS - 1
        dream.step(torch.zeros(1, dtype=torch.int64), predict_frame=not last)
    assert dream.refreshes == 0 and dream.cache.size == agent.world_model.max_tokens


def test_a_frames_last_token_passes_together_with_the_next_action():
    agent = make_agent("autoregressive")
    dream, lengths = WorldModelEnv(agent.tokenizer, agent.world_model), []
    agent.world_model.transformer.register_forward_hook(
        lambda _, inputs, output: lengths.append(inputs[0].shape[1])
    )
    dream.reset(torch.rand(1, 3, 64, 64))
    dream.step(torch.zeros(1, dtype=torch.int64))
    assert lengths == [K - 1, 2] + [1] * (K - 1)


@modes
def test_temperature_is_for_frames_alone(mode):
    """Rewards and ends are sampled as the world model gives them."""
    agent = make_agent(mode)
    start, action = torch.rand(2, 3, 64, 64), torch.tensor([1, 2])
    seen = []
    for temperature in (1.0, 0.5):
        record = Recorder(greedy)
        dream = WorldModelEnv(
            agent.tokenizer, agent.world_model, record, temperature=temperature
        )
        dream.reset(start)
        dream.step(action)
        seen.append(record.seen)
    (rewards, ends, *frames), (rewards_2, ends_2, *frames_2) = seen
    assert torch.equal(rewards, rewards_2) and torch.equal(ends, ends_2)
    for ours, theirs in zip(frames, frames_2, strict=True):
        assert torch.allclose(2 * ours, theirs)
    agent.config.world_model.dream_temperature = 1e-6  # as good as greedy
    batch = make_starts(2, 1)
    agent.actor_critic.actor_linear.weight.data.zero_()
    agent.actor_critic.actor_linear.bias.data[0] = 1e3
    frames = [imagine(agent, batch, horizon=3).frames for _ in range(2)]
    assert torch.equal(*frames)


@modes
def test_the_past_and_its_actions_matter(mode):
    """A dream of context 3 knows where a ball came from."""
    agent = make_agent(mode)
    tokens, actions = torch.randint(32, (1, 3, K)), torch.tensor([[0, 1]])
    other = tokens.clone()
    other[:, 0] = 31 - other[:, 0]

    def rewards(tokens: Tensor, actions: Tensor) -> Tensor:
        record = Recorder()
        dream = WorldModelEnv(agent.tokenizer, agent.world_model, record, context=3)
        dream.start(tokens, actions)
        dream.step(torch.zeros(1, dtype=torch.int64))
        return record.seen[0]

    ours = rewards(tokens, actions)
    assert torch.equal(rewards(tokens, actions), ours)
    assert not torch.allclose(rewards(other, actions), ours)
    assert not torch.allclose(rewards(tokens, 1 - actions), ours)
    # A past longer than the context is cut
    longer = torch.cat([torch.randint(32, (1, 2, K)), tokens], dim=1)
    more = torch.cat([torch.tensor([[2, 2]]), actions], dim=1)
    assert torch.allclose(rewards(longer, more), ours, atol=1e-5)
