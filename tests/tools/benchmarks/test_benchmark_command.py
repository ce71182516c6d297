"""iris bench: it times every part, and says on which machine. Not how fast."""

import json

import matplotlib.pyplot as plt
import pytest
import torch

from iris_core import cli
from iris_core.config import ConfigError
from iris_core.tools.benchmarks import ablation, command, timing

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
    for part in timings.values():
        assert 0 < part["least"] <= part["median"] <= part["most"]
    assert report["overrides"] == ["preset=smoke", "device=cpu"]
    known = report["machine"]
    assert known["cpu"] and known["cores"] and known["torch"] == torch.__version__
    assert known["threads"] == torch.get_num_threads()
    assert known["device"].startswith("cpu")
    shown = capsys.readouterr().out
    assert all(name in shown for name in PARTS) and str(out) in shown
    assert "share of the limit" in shown and "a full run" in shown
    first, last = report["ablation"][0], report["ablation"][-1]
    assert first["difference"] == 0 and last["difference"] < 1e-4
    assert set(last["seconds"]) == set(report["share_of_limit"])
    assert plt.imread(out.with_suffix(".png")).shape[1] > 1000


def test_a_variant_that_computes_something_else(monkeypatch, capsys, tmp_path):
    """It is said at the end, and what was measured is there."""
    monkeypatch.setattr(ablation, "largest_difference", lambda *_: 1.0)
    out = tmp_path / "bench.json"
    given = ["bench", "preset=smoke", "device=cpu", "--repeats", "1", "--out", str(out)]
    assert cli.main(given) == 1
    assert "'+ fused attention' computes something else" in capsys.readouterr().err
    assert json.loads(out.read_text())["seconds"]


def test_where_the_numbers_go():
    cpu = torch.device("cpu")
    assert str(command.default_file([], cpu)) == "results/benchmarks/tutorial-cpu.json"
    overrides = ["env.game=Pong", "preset=paper"]
    file = command.default_file(overrides, torch.device("cuda:0"))
    assert str(file) == "results/benchmarks/paper-cuda.json"


def test_the_median_and_the_spread():
    ticks = iter([0, 1, 0, 5, 0, 2, 0, 3])  # a first call, three repeats
    cpu = torch.device("cpu")
    found = timing.timed(lambda: None, 3, cpu, clock=lambda: next(ticks))
    assert found == {"median": 3, "least": 2, "most": 5}


def test_what_is_refused(capsys, tmp_path):
    with pytest.raises(SystemExit):
        command.main(["preset=smoke", "--repeats", "0"])
    assert "--repeats" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="preset=smook"):
        command.main(["preset=smook"])
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "bench.json")
    with pytest.raises(ConfigError, match="cannot write"):
        command.main(["preset=smoke", "device=cpu", "--out", out])
    with pytest.raises(SystemExit) as caught:
        cli.main(["bench", "--help"])
    assert caught.value.code == 0 and "iris bench" in capsys.readouterr().out
