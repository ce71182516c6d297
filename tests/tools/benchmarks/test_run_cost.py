"""What a run costs, from its schedule and measured times."""

import json
import math
from pathlib import Path

import pytest

from iris_core.config import ConfigError, load_config
from iris_core.tools.benchmarks import run_cost
from iris_core.tools.benchmarks.run_cost import span, training_minutes

SECONDS = {  # of a call
    "collect_step": 0.5,
    "tokenizer_update": 1.0,
    "world_model_update": 2.0,
    "actor_critic_update": 3.0,
    "encode": 0.0,  # of a frame
    "decode": 0.0,
}


def test_the_schedule_is_priced() -> None:
    config = load_config("smoke")  # 3 epochs; 4 + 4 updates, 2 from the second on
    collect = [(60 + 60) / 2 * 0.5, 60 / 2 * 0.5, 0]
    seconds = [c + 4 * 1 + 4 * 2 + p for c, p in zip(collect, (0, 6, 6), strict=True)]
    for epochs in (1, 2, 3):
        minutes = training_minutes(config, SECONDS, epochs)
        assert minutes == pytest.approx(sum(seconds[:epochs]) / 60)
    assert training_minutes(config, SECONDS) == pytest.approx(sum(seconds) / 60)
    config.training.cpu_minutes = 5
    minutes = training_minutes(config, SECONDS)
    assert 5 <= minutes < 5 + (15 + 18) / 60  # the epoch that ends it collects too


def test_frames_are_known_once_as_long_as_the_tokenizer_rests() -> None:
    config = load_config("smoke")
    wm, policy = config.world_model, config.actor_critic
    drawn = 4 * wm.updates.batch_size * wm.max_blocks
    looked_at = 2 * policy.updates.batch_size * (policy.burn_in + 1)
    encoded, decoded = run_cost.frames_to_know(config, 2)  # 180 steps are there
    assert encoded == pytest.approx(180 * (1 - math.exp(-(drawn + looked_at) / 180)))
    assert decoded == pytest.approx(180 * (1 - math.exp(-looked_at / 180)))
    config.tokenizer.updates.stop_after_epoch = 1
    resting, _ = run_cost.frames_to_know(config, 2)  # 60 of them are new
    assert resting == pytest.approx(encoded / 3)
    assert run_cost.frames_to_know(config, 3) == (0, 0)  # nothing is collected any more
    seconds = {**dict.fromkeys(SECONDS, 0.0), "encode": 2.0, "decode": 3.0}
    total = run_cost.epoch_seconds(config, seconds, 2)
    assert total == pytest.approx(2 * resting + 3 * decoded / 3)
    config.collection.epochs = config.collection.warm_start_steps = 0
    assert run_cost.frames_to_know(config, 1) == (0, 0)


def test_a_benchmark_of_the_same_sizes_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "smoke-cpu.json"
    timings = {name: {"median": value} for name, value in SECONDS.items()}
    for name in ("encode", "decode"):
        timings[f"{name}_frames"] = {"median": 0.0, "batch": 8}
    report = {
        "overrides": ["preset=smoke"],
        "machine": {"cpu": "a", "device": "cpu: x86_64"},
        "seconds": timings,
    }
    file.write_text(json.dumps(report))
    longer = load_config("smoke", ["training.epochs=9", "env.game=Pong", "seed=1"])
    found, device = run_cost.benchmark_seconds(file, longer)
    assert device == "a" and found.items() >= SECONDS.items()
    wider = load_config("smoke", ["world_model.embed_dim=64"])
    assert run_cost.benchmark_seconds(file, wider) == ({}, "a")
    on_gpu = {"cpu": "a", "device": "cuda: b"}
    file.write_text(json.dumps({**report, "machine": on_gpu}))
    assert run_cost.benchmark_seconds(file, longer)[1] == "cuda: b"
    file.write_text("{}")
    with pytest.raises(ConfigError, match="is not of iris bench"):
        run_cost.benchmark_seconds(file, longer)


def test_spans() -> None:
    assert [span(m) for m in (3.4, 120, 5000)] == [
        "3 min",
        "2.0 h",
        "3.5 days",
    ]
