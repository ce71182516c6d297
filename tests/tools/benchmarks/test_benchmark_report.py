"""What is said of the figures."""

from iris_core.config import load_config
from iris_core.tools.benchmarks import report
from iris_core.tools.benchmarks.ablation import REFERENCE, Variant
from iris_core.training.schedule import COMPONENTS


def test_a_whole_batch_takes_longer_than_a_cut_one():
    config = load_config("smoke")
    batches = {c: getattr(config, c).updates.batch_size for c in COMPONENTS}
    config.tokenizer.updates.batch_size *= 32
    seconds = {"tokenizer": 1.0, "world_model": 2.0, "actor_critic": 3.0}
    assert report.whole_batches(batches, config, seconds) == {
        "tokenizer_update": 32.0,
        "world_model_update": 2.0,
        "actor_critic_update": 3.0,
    }
    assert report.middle(load_config("paper")) == 300


def test_gains_and_costs():
    names = [REFERENCE, "+ bf16"]
    variants = [Variant(names[i], {"epoch": 12.0 / (i + 1)}, 0) for i in range(2)]
    found = {
        "ablation": [vars(variant) for variant in variants],
        "limits": {"epoch": 3.0},
        "share_of_limit": {"epoch": 0.5},
        "full_run_hours": {names[0]: 200.0, names[1]: 100.0},
        "usd_an_hour": 3.0,
    }
    shown = report.ablation_table(found)
    assert "2.0x" in shown and "50%" in shown and "12000.0" in shown
    assert "4.2 days, 300 USD" in report.full_run(found)
    found["usd_an_hour"] = None
    assert "USD" not in report.full_run(found)
