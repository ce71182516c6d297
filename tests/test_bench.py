"""iris bench: it times every part, and says on which machine. Not how fast."""

import json

import matplotlib.pyplot as plt
import pytest
import torch

from iris_core import bench, cli, floors, ladder
from iris_core.config import ConfigError

PARTS = {  # and how many games, frames or samples one call takes in the smoke preset
    "collect_step": 2,
    "tokenizer_update": 16,
    "world_model_update": 8,
    "actor_critic_update": 8,
    "dream_step": 8,
    "dream_step_alone": 1,
    "encode_frame": 1,
    "encode_frames": 64,
    "decode_frame": 1,
    "decode_frames": 64,
    "test_step": 2,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(bench, "SHORTEST", 1e-9)
    monkeypatch.setattr(bench, "RANDOM_STEPS", 40)
    monkeypatch.setattr(floors, "SIZE", 64)
    monkeypatch.setattr(floors, "BYTES", 2**20)


@pytest.mark.parametrize("order", [0, 2])
def test_every_part_is_timed(order, capsys, tmp_path):
    """Through the command, whichever way round its arguments are."""
    out = tmp_path / "new" / "bench.json"
    options = ["--repeats", "1", "--out", str(out)]
    options[order:order] = ["preset=smoke", "device=cpu"]
    assert cli.main(["bench", *options]) == 0
    report = json.loads(out.read_text())
    timings = report["seconds"]
    assert {name: timing["batch"] for name, timing in timings.items()} == PARTS
    for timing in timings.values():
        assert 0 < timing["least"] <= timing["median"] <= timing["most"]
    assert report["overrides"] == ["preset=smoke", "device=cpu"]
    known = report["machine"]
    assert known["cpu"] and known["cores"] and known["torch"] == torch.__version__
    assert known["threads"] == torch.get_num_threads()
    assert known["device"].startswith("cpu")
    shown = capsys.readouterr().out
    assert all(name in shown for name in PARTS) and str(out) in shown
    assert "share of the limit" in shown and "a full run" in shown
    lowest, highest = report["ladder"][0], report["ladder"][-1]
    assert lowest["difference"] == 0 and highest["difference"] < 1e-4
    assert set(highest["seconds"]) == set(report["share_of_limit"])
    assert plt.imread(out.with_suffix(".png")).shape[1] > 1000


def test_a_rung_that_computes_something_else(monkeypatch, capsys, tmp_path):
    """It is said at the end, and what was measured is there."""
    monkeypatch.setattr(ladder, "largest_difference", lambda *_: 1.0)
    out = tmp_path / "bench.json"
    given = ["bench", "preset=smoke", "device=cpu", "--repeats", "1", "--out", str(out)]
    assert cli.main(given) == 1
    assert "'+ fused attention' computes something else" in capsys.readouterr().err
    assert json.loads(out.read_text())["seconds"]


def test_where_the_numbers_go():
    cpu = torch.device("cpu")
    assert str(bench.default_file([], cpu)) == "results/benchmarks/tutorial-cpu.json"
    overrides = ["env.game=Pong", "preset=paper"]
    file = bench.default_file(overrides, torch.device("cuda:0"))
    assert str(file) == "results/benchmarks/paper-cuda.json"


def test_the_median_and_the_spread(monkeypatch):
    clock = iter([0, 1, 0, 5, 0, 2, 0, 3])  # a first call, three repeats
    name = "process_time" if torch.get_num_threads() == 1 else "perf_counter"
    monkeypatch.setattr(bench.time, name, lambda: next(clock))
    timing = bench.timed(lambda: None, 3, torch.device("cpu"))
    assert timing == {"median": 3, "least": 2, "most": 5}


def test_what_is_refused(capsys, tmp_path):
    with pytest.raises(SystemExit):
        bench.main(["preset=smoke", "--repeats", "0"])
    assert "--repeats" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="preset=smook"):
        bench.main(["preset=smook"])
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "bench.json")
    with pytest.raises(ConfigError, match="cannot write"):
        bench.main(["preset=smoke", "device=cpu", "--out", out])
    with pytest.raises(SystemExit) as caught:
        cli.main(["bench", "--help"])
    assert caught.value.code == 0 and "iris bench" in capsys.readouterr().out
