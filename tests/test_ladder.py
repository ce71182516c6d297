"""The ladder: every rung computes the same, and stands where its name says."""

import math

import pytest
import torch

from iris_core import bench, bench_report, floors, ladder
from iris_core.config import load_config
from iris_core.dream import DreamEnv
from iris_core.ladder import Rung, climb, compare
from iris_core.literal import (
    OPTIMISATIONS,
    Optimisation,
    action_passes_alone,
    attention_by_hand,
    channels_first,
    float32,
    frames_again,
    plain_optimizers,
)
from iris_core.models.agent import Agent
from iris_core.models.lpips import LPIPS
from iris_core.models.transformer import SelfAttention
from iris_core.training import checkpoint
from iris_core.training.trainer import Trainer

CONVOLUTIONAL = [
    "tokenizer.architecture=vqgan",
    "tokenizer.channels=32",
    "tokenizer.attention_resolutions=[8]",
    "tokenizer.subtract_background=false",
    "tokenizer.kmeans_start=false",
]


def make_trainer(folder, *overrides: str) -> Trainer:
    settings = ["device=cpu", f"outputs={folder}", *overrides]
    trainer = bench_report.make_trainer(load_config("smoke", settings))
    for _ in range(30):
        trainer.warm_step()
    return trainer


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
def test_every_rung_computes_the_same(overrides, tmp_path):
    trainer = make_trainer(tmp_path, *overrides)
    bench.know_replay(trainer)
    steps = [o for o in OPTIMISATIONS if o.applies(trainer)]
    rungs = {str(i): steps[i:] for i in range(len(steps) + 1)}
    differences = compare(trainer, rungs)
    assert list(differences) == list(rungs) and differences["0"] == 0
    allowed = ladder.CLOSE_IN_BF16 if trainer.bf16 else ladder.CLOSE
    assert max(differences.values()) <= allowed


def test_a_rung_that_computes_something_else():
    rungs = [Rung("right", {}, 1e-5), Rung("wrong", {}, 1e-3)]
    (line,) = ladder.differing(rungs, bf16=False)
    assert "'wrong' computes something else" in line and "1.0e-03" in line
    assert ladder.differing(rungs, bf16=True) == []


def test_what_a_rung_is_compared_with(tmp_path, monkeypatch):
    """A policy's losses come from other dreams in bf16."""
    trainer = make_trainer(tmp_path, "autocast=always")
    low, lower = {"loss": 1.0, "actor_critic/loss": 1.0}, {"actor_critic/loss": 9.0}
    given = iter([low, low | {"loss": 1.5}, low | lower, low | lower])
    tensors = ({k: torch.tensor(v) for k, v in losses.items()} for losses in given)
    monkeypatch.setattr(ladder, "losses_of", lambda _: next(tensors))
    in_float32 = [Optimisation("bf16", float32)]
    rungs = {"a": in_float32, "b": in_float32, "c": [], "d": []}
    assert compare(trainer, rungs) == {"a": 0, "b": 0.5, "c": 0, "d": 0}


def test_a_climb(tmp_path, monkeypatch):
    """Through all rungs, and everything is as before afterwards."""
    monkeypatch.setattr(ladder, "timed", lambda do, *_: {"median": len([do()])})
    trainer = make_trainer(tmp_path)
    optimizers = [c.optimizer for c in trainer.components]
    rungs = climb(trainer, repeats=1)
    assert [rung.name for rung in rungs][:2] == [
        "the paper's loop, literally",
        "+ frames encoded, decoded once",
    ]
    parts = {"tokenizer", "world_model", "actor_critic", "dream step"}
    assert all(set(rung.seconds) == parts for rung in rungs)
    assert [c.optimizer for c in trainer.components] == optimizers
    assert SelfAttention.forward.__name__ == "forward" and trainer.dreams is None


# What an optimisation's absence means


def test_frames_are_encoded_again(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    encoded = []
    tokenize = trainer.agent.tokenizer.tokenize
    monkeypatch.setattr(
        trainer.agent.tokenizer,
        "tokenize",
        lambda frames: encoded.append(1) or tokenize(frames),
    )
    batch = trainer.replay.sample(4, 3, trainer.rng, pixels=False)
    trainer.tokens(batch)
    first = trainer.tokens(batch)
    assert len(encoded) == 1
    with frames_again(trainer):
        assert torch.equal(trainer.tokens(batch), first)
        trainer.tokens(batch)
    assert len(encoded) == 3


def test_passes_of_a_dreams_step(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    agent = trainer.agent
    passes = []
    forward = agent.world_model.transformer.forward
    monkeypatch.setattr(
        agent.world_model.transformer,
        "forward",
        lambda *given: passes.append(given[0].shape[1]) or forward(*given),
    )

    def lengths(dream: DreamEnv) -> list[int]:
        dream.reset(torch.rand(2, 3, 64, 64))
        passes.clear()
        dream.step(torch.zeros(2, dtype=torch.int64))
        return list(passes)

    assert lengths(DreamEnv.of(agent)) == [2] + [1] * 15
    with action_passes_alone(trainer):
        assert lengths(DreamEnv.of(agent)) == [1] * 17


def test_attention_is_written_out(tmp_path, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a fused kernel")

    trainer = make_trainer(tmp_path, *CONVOLUTIONAL)
    agent, frame = trainer.agent, torch.rand(1, 3, 64, 64)
    with attention_by_hand(trainer), torch.no_grad():
        for module in ("transformer", "vqgan"):
            name = f"iris_core.models.{module}.F.scaled_dot_product_attention"
            monkeypatch.setattr(name, refused)
        agent.world_model(torch.zeros(1, 17, dtype=torch.int64))
        agent.tokenizer.tokenize(frame)
    with torch.no_grad(), pytest.raises(AssertionError, match="a fused kernel"):
        agent.tokenizer.tokenize(frame)


def assert_averages_like(weight: torch.Tensor, optimizer: torch.optim.Optimizer):
    state = optimizer.state[weight]
    strides = {state[name].stride() for name in ("exp_avg", "exp_avg_sq")}
    assert strides == {weight.stride()}


def test_optimizers_and_layout(tmp_path):
    trainer = make_trainer(tmp_path, *CONVOLUTIONAL)
    weight = trainer.agent.tokenizer.decoder.conv_in.weight
    last = torch.channels_last
    assert weight.is_contiguous(memory_format=last) and not weight.is_contiguous()
    trainer.updater(trainer.components[0])()
    fused = [c.optimizer for c in trainer.components]
    assert all(o.defaults["fused"] for o in fused)
    assert_averages_like(weight, fused[0])
    with channels_first(trainer):
        assert_averages_like(weight, fused[0])
    assert_averages_like(weight, fused[0])
    with plain_optimizers(trainer), channels_first(trainer):
        assert weight.is_contiguous()
        plain = [c.optimizer for c in trainer.components]
        assert not any(o.defaults["fused"] or o.defaults["foreach"] for o in plain)
        decays = [[g["weight_decay"] for g in o.param_groups] for o in plain]
    assert decays == [[g["weight_decay"] for g in o.param_groups] for o in fused]
    assert [c.optimizer for c in trainer.components] == fused
    assert weight.is_contiguous(memory_format=last) and not weight.is_contiguous()


def test_a_run_of_another_layout_goes_on_in_ours(tmp_path):
    """A GPU lays convolutions out another way, and a fused optimizer would not see."""
    trainer = make_trainer(tmp_path, *CONVOLUTIONAL)
    component = trainer.components[0]
    trainer.updater(component)()
    with channels_first(trainer):
        checkpoint.save(trainer, trainer.run_folder)
    resumed = Trainer.resume(trainer.run_folder)
    weight = resumed.agent.tokenizer.decoder.conv_in.weight
    assert_averages_like(weight, resumed.components[0].optimizer)
    for each in (trainer, resumed):
        torch.manual_seed(0)
        each.rng.seed(0)
        each.updater(each.components[0])()
    ours, theirs = resumed.agent.tokenizer, trainer.agent.tokenizer
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))


# Floors


@pytest.fixture(scope="module")
def paper() -> Agent:
    config = load_config("paper", ["device=cpu"])
    agent = Agent(config, ["NOOP", "FIRE", "RIGHT", "LEFT"])
    agent.tokenizer._lpips.append(LPIPS())
    return agent


def test_the_papers_operations(paper):
    """GFLOP of one of each, LPIPS included."""
    unit = {name: flop / 1e9 for name, flop in floors.unit_flop(paper).items()}
    assert unit["encode"] == pytest.approx(1.81, rel=0.01)
    assert unit["decode"] == pytest.approx(2.94, rel=0.01)
    assert unit["tokenizer"] == pytest.approx(21.7, rel=0.01)
    assert unit["world_model"] == pytest.approx(20.0, rel=0.02)
    # A whole segment's pass; behind a cache a token looks at half as many on average
    assert unit["block"] / 17 == pytest.approx(0.018, rel=0.15)
    assert all(p.grad is None for p in paper.parameters())  # a copy was counted


def test_a_floor_is_the_longer_of_work_and_reading(paper):
    config = paper.config
    unit = {
        name: 1e9
        for name in ("tokenizer", "world_model", "policy", "decode", "look", "block")
    }
    fast_memory = floors.Peak(flop=1e9, bytes=math.inf)
    found = floors.floors(paper, config, unit, fast_memory, bf16=False)
    assert found["tokenizer"].seconds == 256 and found["world_model"].seconds == 64
    assert found["actor_critic"].seconds == 64 * (19 * 2 + 20 + 20)
    assert found["dream step"].seconds == 2
    slow_memory = floors.Peak(flop=math.inf, bytes=1e9)
    found = floors.floors(paper, config, unit, slow_memory, bf16=True)
    weights = 2 * 8_447_493 / 1e9
    assert found["dream step"].seconds == pytest.approx(16 * weights)
    assert found["actor_critic"].seconds == pytest.approx(19 * 16 * weights)


def test_a_whole_batch_takes_longer_than_a_cut_one(tmp_path):
    trainer = make_trainer(tmp_path)
    config = load_config("smoke")
    config.tokenizer.updates.batch_size *= 32
    seconds = {"tokenizer": 1.0, "world_model": 2.0, "actor_critic": 3.0}
    assert bench_report.whole_batches(trainer, config, seconds) == {
        "tokenizer_update": 32.0,
        "world_model_update": 2.0,
        "actor_critic_update": 3.0,
    }
    assert bench_report.middle(load_config("paper")) == 300


def test_nothing_is_left_to_encode(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    bench.know_replay(trainer)
    assert trainer.token_cache.encoded.sum() == trainer.replay.num_steps + 1
    monkeypatch.setattr(trainer.agent.tokenizer, "tokenize", None)  # not called again
    bench.know_replay(trainer)
    trainer.tokens(trainer.replay.sample(4, 3, trainer.rng, pixels=False))


def test_peaks_are_measured():
    peak = floors.measure_peak(torch.device("cpu"), bf16=False)
    assert 1e8 < peak.flop < 1e14 and 1e7 < peak.bytes < 1e13


def test_the_papers_batches_are_cut_on_a_cpu(tmp_path):
    config = load_config("paper", ["device=cpu", f"outputs={tmp_path}"])
    config.env.game = "Catch"
    trainer = bench_report.make_trainer(config)
    sizes = [c.config.batch_size for c in trainer.components]
    assert sizes == [8, 2, 4]
    assert config.tokenizer.updates.batch_size == 256


# The report


def test_gains_and_costs():
    names = ["the paper's loop, literally", "+ bf16"]
    rungs = [Rung(name, {"epoch": 12.0 / (i + 1)}, 0) for i, name in enumerate(names)]
    report = {
        "ladder": [vars(rung) for rung in rungs],
        "limits": {"epoch": 3.0},
        "share_of_limit": {"epoch": 0.5},
        "full_run_hours": {names[0]: 200.0, names[1]: 100.0},
        "usd_an_hour": 3.0,
    }
    shown = bench_report.ladder_table(report)
    assert "2.0x" in shown and "50%" in shown and "12000.0" in shown
    assert "4.2 days, 300 USD" in bench_report.full_run(report)
    report["usd_an_hour"] = None
    assert "USD" not in bench_report.full_run(report)
