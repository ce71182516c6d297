"""Recorded steps dream what plain ones do. The recorder is a stand-in without a GPU;
the last test needs a real one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from iris_core.agent import Agent
from iris_core.config import load_config
from iris_core.data.batch import Batch
from iris_core.imagination.graphed_env import GraphedWorldModelEnv
from iris_core.imagination.rollout import imagine
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.runtime.cuda_graphs import Outputs, Recorded

ROWS = 3
CONVOLUTIONS = ["tokenizer.architecture=vqgan", "tokenizer.channels=32"]


class Replayed:
    """What a CUDA graph does: the same tensors are read and written every time."""

    made = 0

    def __init__(self, do: Callable[[], Outputs]) -> None:
        Replayed.made += 1
        state = torch.get_rng_state()
        self.do, self.outputs = do, do()
        torch.set_rng_state(state)

    def replay(self) -> None:
        for kept, new in zip(self.outputs, self.do(), strict=True):
            kept.copy_(new)


def make_agent(*overrides: str) -> Agent:
    torch.manual_seed(0)
    smaller = ["world_model.max_blocks=4", *overrides]
    agent = Agent(load_config("smoke", smaller), ["NOOP", "LEFT", "RIGHT"]).eval()
    with torch.no_grad():
        for p in agent.world_model.parameters():
            p.mul_(3)
    return agent


def make_starts(steps: int) -> Batch:
    torch.manual_seed(1)
    shape = (ROWS, steps)
    return Batch(
        torch.randint(256, (*shape, 3, 64, 64), dtype=torch.uint8),
        torch.randint(3, shape),
        torch.zeros(shape),
        torch.zeros(shape, dtype=torch.bool),
        torch.ones(shape, dtype=torch.bool),
    )


def rollout(agent: Agent, dream: WorldModelEnv | None, seed: int) -> list[Tensor]:
    torch.manual_seed(seed)
    found = imagine(agent, make_starts(3), horizon=9, dream=dream)
    return [found.frames, found.actions, found.rewards, found.ends, found.logits]


@pytest.mark.parametrize("prediction", ["autoregressive", "parallel"])
@pytest.mark.parametrize("context", [1, 2])
@pytest.mark.parametrize("bf16", [False, True])
def test_recorded_rollouts_are_the_plain_ones(prediction, context, bf16):
    """Over several refreshes of the cache, and rollouts that replay all steps."""
    agent = make_agent(
        f"world_model.prediction={prediction}", f"world_model.dream_context={context}"
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        dream = GraphedWorldModelEnv(agent, record=Replayed)
        recordings = []
        for seed in range(3):
            ours, theirs = rollout(agent, dream, seed), rollout(agent, None, seed)
            assert all(map(torch.equal, ours, theirs))
            recordings.append(Replayed.made)
    assert recordings[0] == recordings[-1]  # nothing new is recorded later
    assert len(dream.recorded) <= 5


def test_a_given_frame_is_taken_between_recorded_steps():
    agent = make_agent()
    dreams = GraphedWorldModelEnv(agent, record=Replayed), WorldModelEnv.of(agent)
    found = []
    for dream in dreams:
        torch.manual_seed(2)
        dream.reset(torch.rand(ROWS, 3, 64, 64))
        for t, action in enumerate(torch.randint(3, (8, ROWS))):
            came = torch.randint(32, (ROWS, 16)) if t % 3 == 2 else None
            frames, rewards, ends, info = dream.step(action, tokens=came)
            assert came is None or torch.equal(dream.tokens, came)
            logits = info["logits"]()
            found.append((frames, rewards, ends, logits.observations, logits.rewards))
    half = len(found) // 2
    for ours, theirs in zip(found[:half], found[half:], strict=True):
        assert all(map(torch.equal, ours, theirs))


def test_other_weights_are_followed():
    agent = make_agent()
    dream = GraphedWorldModelEnv(agent, record=Replayed)
    dream.sync_weights(agent.world_model, version=0)
    before = rollout(agent, dream, 0)
    with torch.no_grad():
        for p in agent.world_model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    assert all(map(torch.equal, rollout(agent, dream, 0), before))  # not yet
    dream.sync_weights(agent.world_model, version=0)
    assert all(map(torch.equal, rollout(agent, dream, 0), before))  # the same version
    dream.sync_weights(agent.world_model, version=1)
    ours, theirs = rollout(agent, dream, 0), rollout(agent, None, 0)
    assert all(map(torch.equal, ours, theirs))
    assert not torch.equal(ours[2], before[2]) or not torch.equal(ours[0], before[0])


def test_a_recording_for_every_shape_follows_the_weights():
    tokenizer = make_agent(*CONVOLUTIONS).tokenizer
    look = Recorded(tokenizer.reconstruct, Replayed)
    few, many = torch.rand(2, 3, 64, 64), torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        first = look(few)
        kept = first.clone()
        for frames in (few, many, 1 - few):
            assert torch.equal(look(frames), tokenizer.reconstruct(frames))
        assert torch.equal(first, kept)  # what it gave stays as it was
        before = look(many)
        for p in tokenizer.decoder.parameters():
            p.mul_(0.5)
        assert torch.equal(look(many), tokenizer.reconstruct(many))
        assert not torch.equal(look(many), before)
    assert len(look.graphs) == 2


def test_the_agents_own_world_model_is_left_alone():
    agent = make_agent()
    with torch.autocast("cpu", torch.bfloat16):
        dream = GraphedWorldModelEnv(agent, record=Replayed)
    assert all(p.dtype == torch.float32 for p in agent.world_model.parameters())
    assert all(p.requires_grad for p in agent.world_model.parameters())
    dtypes = {p.dtype for p in dream.world_model.parameters()}
    assert dtypes == {torch.float32, torch.bfloat16}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("bf16", [False, True])
def test_cuda_graphs_dream_what_plain_steps_do(bf16):
    agent = make_agent().to("cuda")
    starts = make_starts(3).to("cuda")
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        dream = GraphedWorldModelEnv(agent)
        for seed in range(3):
            found = []
            for each in (dream, None):
                torch.manual_seed(seed)
                found.append(imagine(agent, starts, horizon=9, dream=each))
            assert torch.equal(found[0].actions, found[1].actions)
            assert torch.equal(found[0].rewards, found[1].rewards)
            torch.testing.assert_close(found[0].frames, found[1].frames)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("bf16", [False, True])
def test_a_cuda_recording_of_the_tokenizer_sees_what_it_sees(bf16):
    tokenizer = make_agent(*CONVOLUTIONS).to("cuda").tokenizer
    # Far apart, as after training: else the nearest is a matter of rounding
    torch.nn.init.normal_(tokenizer.embedding.weight)
    look = Recorded(tokenizer.reconstruct)
    for seed in range(3):
        torch.manual_seed(seed)
        frames = torch.rand(2 + seed % 2, 3, 64, 64, device="cuda")
        # One autocast for all would keep the weights as they were
        with torch.no_grad(), torch.autocast("cuda", torch.bfloat16, enabled=bf16):
            seen = tokenizer.reconstruct(frames)
            torch.testing.assert_close(look(frames), seen)
            for p in tokenizer.decoder.parameters():
                p.mul_(0.9)
    assert len(look.graphs) == 2
