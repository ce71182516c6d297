"""The ablation: every variant computes the same, and lacks what it is to lack."""

import pytest
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.tools.benchmarks import ablation, parts, reference
from iris_core.tools.benchmarks.ablation import (
    OPTIMISATIONS,
    Optimisation,
    Variant,
    attention_by_hand,
    channels_first,
    compare,
    computing_as,
    encode_every_time,
    plain_optimizers,
)
from iris_core.training import checkpoint
from iris_core.training.state import TrainingState

CONVOLUTIONAL = [
    "tokenizer.architecture=vqgan",
    "tokenizer.channels=32",
    "tokenizer.attention_resolutions=[8]",
    "tokenizer.subtract_background=false",
    "tokenizer.kmeans_start=false",
]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        CONVOLUTIONAL,
        ["world_model.prediction=parallel"],
        ["autocast=always"],
        [*CONVOLUTIONAL, "autocast=always"],
    ],
    ids=["patch", "convolutions", "parallel", "bf16", "convolutions, bf16"],
)
def test_every_variant_computes_the_same(overrides, make_state):
    state = make_state(*overrides)
    parts.warm_token_cache(state)
    steps = [o for o in OPTIMISATIONS if o.applies(state)]
    variants = {str(i): steps[i:] for i in range(len(steps) + 1)}
    differences = compare(state, variants)
    assert list(differences) == list(variants) and differences["0"] == 0
    allowed = ablation.CLOSE_IN_BF16 if state.bf16 else ablation.CLOSE
    assert max(differences.values()) <= allowed


def test_a_variant_that_computes_something_else():
    variants = [Variant("right", {}, 1e-5), Variant("wrong", {}, 1e-3)]
    (line,) = ablation.differing(variants, bf16=False)
    assert "'wrong' computes something else" in line and "1.0e-03" in line
    assert ablation.differing(variants, bf16=True) == []


def test_what_a_variant_is_compared_with(make_state, monkeypatch):
    """A policy's losses come from other dreams in bf16."""
    state = make_state("autocast=always")
    low, lower = {"loss": 1.0, "actor_critic/loss": 1.0}, {"actor_critic/loss": 9.0}
    given = iter([low, low | {"loss": 1.5}, low | lower, low | lower])
    tensors = ({k: torch.tensor(v) for k, v in losses.items()} for losses in given)
    monkeypatch.setattr(ablation, "losses_of", lambda _: next(tensors))
    in_float32 = [Optimisation("bf16", ablation.float32)]
    variants = {"a": in_float32, "b": in_float32, "c": [], "d": []}
    assert compare(state, variants) == {"a": 0, "b": 0.5, "c": 0, "d": 0}


def optimizers_of(state: TrainingState) -> list[torch.optim.Optimizer]:
    return [component.optimizer for component in state.components.values()]


def test_a_run(make_state):
    """Through all variants, and everything is as before afterwards."""
    state = make_state()
    parts.measure(state, repeats=1)
    optimizers = optimizers_of(state)
    classes = [type(module) for module in state.agent.modules()]
    variants = ablation.run(state, repeats=1)
    assert [variant.name for variant in variants][:2] == [
        "reference: the paper's loop",
        "+ frames encoded, decoded once",
    ]
    names = {"tokenizer", "world_model", "actor_critic", "dream step"}
    assert all(set(variant.seconds) == names for variant in variants)
    assert optimizers_of(state) == optimizers
    assert [type(module) for module in state.agent.modules()] == classes
    assert state.actor_critic.env is None


# What an optimisation's absence means


def test_frames_are_encoded_again(make_state):
    state = make_state()
    encoded = []
    encoder = state.agent.tokenizer.encoder
    encoder.register_forward_hook(lambda *_: encoded.append(1))
    batch = state.world_model.draw_batch()

    def tokens() -> torch.Tensor:
        return state.experience.token_cache.tokens(batch)

    tokens()
    first = tokens()
    assert len(encoded) == 1
    with encode_every_time(state):
        assert torch.equal(tokens(), first)
        tokens()
    assert len(encoded) == 3


def test_passes_of_a_dreams_step(make_state):
    state = make_state()
    agent = state.agent
    passes = []
    agent.world_model.transformer.register_forward_hook(
        lambda _, given, output: passes.append(given[0].shape[1])
    )

    def lengths(dream: WorldModelEnv) -> list[int]:
        dream.reset(torch.rand(2, 3, 64, 64))
        passes.clear()
        dream.step(torch.zeros(2, dtype=torch.int64))
        return list(passes)

    assert lengths(WorldModelEnv.of(agent)) == [2] + [1] * 15
    names = "action with last token", "CUDA graphs"
    missing = [o for o in OPTIMISATIONS if o.name in names]
    with ablation.doing_without(state, missing):
        assert lengths(state.actor_critic.new_env()) == [1] * 17
    with ablation.doing_without(state, missing[1:]):
        assert lengths(state.actor_critic.new_env()) == [2] + [1] * 15


def test_the_actions_pass_changes_no_dream(make_state):
    """Nor does another moment at which the cache is filled again."""
    state, actions = make_state(), torch.tensor([0, 1])
    frames = torch.rand(2, 3, 64, 64)

    def imagined() -> list[torch.Tensor]:
        torch.manual_seed(0)
        dream = WorldModelEnv.of(state.agent)
        dream.reset(frames)
        last = 2 * state.config.world_model.max_blocks
        steps = [dream.step(actions) for _ in range(last)]
        steps.append(dream.step(actions, predict_frame=False))
        return [torch.stack([rewards, ends]) for _, rewards, ends, _ in steps]

    ours = imagined()
    with computing_as(reference.ActionAlone)(state):
        theirs = imagined()
    assert all(map(torch.equal, ours, theirs))


class Fused(TorchFunctionMode):
    """Counts the calls of the fused kernel."""

    calls = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.calls += function is F.scaled_dot_product_attention
        return function(*args, **(kwargs or {}))


def test_attention_is_written_out(make_state):
    state = make_state(*CONVOLUTIONAL)
    agent, frame = state.agent, torch.rand(1, 3, 64, 64)
    uses = {
        "world model": lambda: agent.world_model(torch.zeros(1, 17, dtype=torch.int64)),
        "tokenizer": lambda: agent.tokenizer.tokenize(frame),
    }
    for name, use in uses.items():
        with attention_by_hand(state), torch.no_grad(), Fused() as fused:
            use()
        assert fused.calls == 0, name
        with torch.no_grad(), Fused() as fused:
            use()
        assert fused.calls > 0, name


def assert_averages_like(weight: torch.Tensor, optimizer: torch.optim.Optimizer):
    state = optimizer.state[weight]
    strides = {state[name].stride() for name in ("exp_avg", "exp_avg_sq")}
    assert strides == {weight.stride()}


def test_optimizers_and_layout(make_state):
    state = make_state(*CONVOLUTIONAL)
    weight = state.agent.tokenizer.decoder.conv_in.weight
    last = torch.channels_last
    assert weight.is_contiguous(memory_format=last) and not weight.is_contiguous()
    state.tokenizer.update(state.autocast)
    fused = optimizers_of(state)
    assert all(o.defaults["fused"] for o in fused)
    assert_averages_like(weight, fused[0])
    with channels_first(state):
        assert_averages_like(weight, fused[0])
    assert_averages_like(weight, fused[0])
    with plain_optimizers(state), channels_first(state):
        assert weight.is_contiguous()
        plain = optimizers_of(state)
        assert not any(o.defaults["fused"] or o.defaults["foreach"] for o in plain)
        decays = [[g["weight_decay"] for g in o.param_groups] for o in plain]
    assert decays == [[g["weight_decay"] for g in o.param_groups] for o in fused]
    assert optimizers_of(state) == fused
    assert weight.is_contiguous(memory_format=last) and not weight.is_contiguous()


def test_a_run_of_another_layout_goes_on_in_ours(make_state):
    """A GPU lays convolutions out another way, and a fused optimizer would not see."""
    state = make_state(*CONVOLUTIONAL)
    component = state.tokenizer
    component.update(state.autocast)
    with channels_first(state):
        checkpoint.save(state)
    resumed = checkpoint.resume(state.run)
    weight = resumed.agent.tokenizer.decoder.conv_in.weight
    assert_averages_like(weight, resumed.tokenizer.optimizer)
    for each in (state, resumed):
        torch.manual_seed(0)
        each.experience.rng.seed(0)
        each.tokenizer.update(each.autocast)
    ours, theirs = resumed.agent.tokenizer, state.agent.tokenizer
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))
