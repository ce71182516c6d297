"""The least that the work could take."""

import math

import pytest
import torch

from iris_core.agent import Agent
from iris_core.config import load_config
from iris_core.models.lpips import LPIPS
from iris_core.tools.benchmarks import roofline


@pytest.fixture(scope="module")
def paper() -> Agent:
    agent = Agent(load_config("paper", ["device=cpu"]), ["NOOP"] * 4)
    agent.tokenizer._lpips.append(LPIPS())
    return agent


def test_the_papers_operations(paper):
    """GFLOP of one of each, LPIPS included."""
    unit = {name: flop / 1e9 for name, flop in roofline.unit_flop(paper).items()}
    assert unit["encode"] == pytest.approx(1.81, rel=0.01)
    assert unit["decode"] == pytest.approx(2.94, rel=0.01)
    assert unit["tokenizer"] == pytest.approx(21.7, rel=0.01)
    assert unit["world_model"] == pytest.approx(20.0, rel=0.02)
    # A whole segment's pass; behind a cache a token looks at half as many on average
    assert unit["block"] / 17 == pytest.approx(0.018, rel=0.15)
    assert all(p.grad is None for p in paper.parameters())  # a copy was counted


def test_a_limit_is_the_longer_of_work_and_reading(paper):
    config = paper.config
    unit = {
        name: 1e9
        for name in ("tokenizer", "world_model", "policy", "decode", "look", "block")
    }
    fast_memory = {"flop": 1e9, "bytes": math.inf}
    found = roofline.limits(paper, config, unit, fast_memory, bf16=False)
    assert (
        found["tokenizer"]["seconds"] == 256 and found["world_model"]["seconds"] == 64
    )
    assert found["actor_critic"]["seconds"] == 64 * (19 * 2 + 20 + 20)
    assert found["dream step"]["seconds"] == 2
    slow_memory = {"flop": math.inf, "bytes": 1e9}
    found = roofline.limits(paper, config, unit, slow_memory, bf16=True)
    weights = 2 * 8_447_493 / 1e9
    assert found["dream step"]["seconds"] == pytest.approx(16 * weights)
    assert found["actor_critic"]["seconds"] == pytest.approx(19 * 16 * weights)


def test_peaks_are_measured():
    peak = roofline.measure_peak(torch.device("cpu"), bf16=False)
    assert 1e8 < peak["flop"] < 1e14 and 1e7 < peak["bytes"] < 1e13
