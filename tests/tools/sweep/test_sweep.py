"""Sweeps: what is asked for, what it costs, and real Ray whose workers are killed."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from iris_core import cli
from iris_core.agent import Agent
from iris_core.config import ConfigError, load_config
from iris_core.envs import ATARI_100K
from iris_core.evaluation.final_test import BLIND
from iris_core.runtime.run_folder import Run
from iris_core.tools.benchmarks.run_cost import training_minutes
from iris_core.tools.scores.run_records import (
    final_test,
    final_tests,
    learning_curves,
    own_runs,
    run_table,
)
from iris_core.tools.sweep import work
from iris_core.tools.sweep.cluster import ray_for
from iris_core.tools.sweep.plan import LAPTOP, Sweep, read_sweep
from iris_core.tools.sweep.run import run_sweep
from iris_core.tools.sweep.watch import LiveTable
from iris_core.training.state import TrainingState
from iris_core.training.train import train_state

TINY = [  # of the smoke preset; long enough to be killed in
    *("preset=smoke", "device=cpu", "training.epochs=5", "evaluation.every=5"),
    *("evaluation.num_envs=1", "evaluation.final_baselines=false"),
    *("collection.steps_per_epoch=20", "collection.warm_start_steps=40"),
]
SECONDS = {  # of a call
    "collect_step": 0.5,
    "tokenizer_update": 1.0,
    "world_model_update": 2.0,
    "actor_critic_update": 3.0,
    "encode": 0.0,  # of a frame
    "decode": 0.0,
}


def make_sweep(folder: Path, *words: str) -> Sweep:
    return read_sweep([*TINY, f'outputs="{folder}"', *words])


# The plan


def test_games_and_seeds() -> None:
    sweep = read_sweep(["games=all", "seeds=5", "preset=paper", "resources.gpu=0.5"])
    assert len(sweep.configs) == 26 * 5 and sweep.gpu == 0.5 and sweep.cpu == 1
    assert list(sweep.configs)[:2] == ["Alien-seed0", "Amidar-seed0"]
    config = sweep.configs["Pong-seed4"]
    assert (config.env.game, config.seed) == ("Pong", 4)
    assert config == load_config("paper", ["env.game=Pong", "seed=4"])
    assert sweep.folder == Path("outputs/sweeps/paper-all")
    assert sweep.results == sweep.folder / "results"


def test_a_small_budget_for_twelve_games() -> None:
    words = ["games=laptop", "training.cpu_minutes=20", "name=laptop", "results=x"]
    sweep = read_sweep(words)
    assert [run.removesuffix("-seed0") for run in sweep.configs] == list(LAPTOP)
    assert len(LAPTOP) == 12 and set(LAPTOP) < set(ATARI_100K)
    assert {c.training.cpu_minutes for c in sweep.configs.values()} == {20}
    assert sweep.path("Pong-seed0") == Path("outputs/sweeps/laptop/runs/Pong-seed0")
    assert sweep.results == Path("x")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["games=Pongg"], "'Pongg' is no game. Did you mean Pong"),
        (["games="], "is no game"),
        (["seeds=0"], "seeds: got '0'; write how many"),
        (["seeds=[a]"], "write how many, like 5, or which"),
        (["resources.gpu=-1"], r"resources.gpu: got '-1', expected a number"),
        (["retries=many"], "retries: got 'many'"),
        (["seed=3"], "write seeds=..."),
        (["env.game=Pong"], "write games=..."),
        (["actor_critic.gama=1"], "unknown setting actor_critic.gama"),
    ],
)
def test_what_cannot_be_swept(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_sweep(words)


def test_lists_of_games_and_seeds() -> None:
    words = ["games=[ALE/Pong-v5, catch, Pong]", "seeds=[3,1]", "preset=smoke"]
    sweep = read_sweep(words)
    runs = ["Pong-seed3", "Catch-seed3", "Pong-seed1", "Catch-seed1"]
    assert list(sweep.configs) == runs
    assert sweep.name == "smoke-Pong+Catch"


def test_other_settings_want_another_name(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, "games=Catch")
    Run.create(sweep.configs["Catch-seed0"], sweep.path("Catch-seed0"))
    make_sweep(tmp_path, "games=Catch", "seeds=2", "threads=2").check_folder()
    changed = make_sweep(tmp_path, "games=Catch", "actor_critic.gamma=0.5")
    with pytest.raises(
        ConfigError, match=r"actor_critic.gamma is 0.995, now 0.5.*name"
    ):
        changed.check_folder()


# The tables


def write_results(folder: Path, game: str, mean: float, **changes: Any) -> Path:
    table = [
        {"name": "random", "mean": 1.5, "standard_error": 0.1},
        {"name": "best constant action (UP)", "mean": 2.0, "standard_error": 0.0},
        {"name": BLIND, "mean": 2.5, "standard_error": 0.3},
        {"name": "this agent", "mean": mean, "standard_error": 0.5},
    ]
    content = {
        "game": game,
        "seed": 0,
        "env_steps": 17_500,
        "training_minutes": 20.04,
        "training_cpu_minutes": 19.5,
        "device": "cpu",
        "returns": [mean, mean],
        "table": table,
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "results.json"
    file.write_text(json.dumps(content | changes))
    return file


def test_a_row_a_run(tmp_path: Path) -> None:
    files = [
        write_results(tmp_path / "a", "Breakout", 3.0),
        write_results(tmp_path / "b", "Catch", 0.5, table=[{"name": "this agent"}]),
    ]
    text = run_table([final_test(files[0])])
    row = "| Breakout | 0 | 1.50 | 2.00 (UP) | 2.50 | 3.00 [2.02, 3.98] | 83."
    assert row in text and " | 30.5 | 17,500 | 20.0 (19.5) |" in text
    file = write_results(tmp_path / "c", "Pong", 1.0)  # of an earlier version
    content = json.loads(file.read_text())
    del content["training_cpu_minutes"]
    file.write_text(json.dumps(content))
    assert "20.0 (nan)" in run_table([final_test(file)])
    row = {"name": "this agent", "mean": 0.5, "standard_error": 0.1}
    write_results(tmp_path / "b", "Catch", 0.5, table=[row])
    assert "| Catch | 0 |  |  |  | 0.50 [0.30, 0.70] |  |  |" in run_table(
        [final_test(file) for file in files]
    )
    write_results(tmp_path / "b", "Catch", 0.5, table=[])
    with pytest.raises(ConfigError, match="has no table of a final test"):
        final_test(files[1])


def test_final_tests_of_a_folder(tmp_path: Path) -> None:
    for seed, game in enumerate(("Pong", "Alien")):
        file = write_results(tmp_path / game, game, 3.0, seed=seed)
        file.rename(tmp_path / f"laptop-{game.lower()}-seed{seed}.json")
    alien, pong = final_tests(tmp_path, "laptop")
    assert (alien.run.game, pong.run.game) == ("Alien", "Pong")
    assert pong.constant is not None and pong.constant.remark == "UP"
    with pytest.raises(ConfigError, match="no tutorial-GAME-seedN.json in"):
        final_tests(tmp_path, "tutorial")


def test_the_live_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = make_sweep(tmp_path, "games=Catch", "seeds=4")
    table = LiveTable(sweep, SECONDS, slots=2)
    assert "4 runs, 0 finished, 2 side by side" in table.plan("a bench")
    begun = sweep.path("Catch-seed1")
    write_results(sweep.path("Catch-seed0"), "Catch", 0.5)
    begun.mkdir()
    (begun / work.ATTEMPTS).write_text("here 1\nhere 2\n")
    head = "epoch,env_steps,minutes,cpu_minutes,test/return"
    (begun / "metrics.csv").write_text(f"{head}\n1,60,2,1,0.25\n2,80,3,2,\n")
    _, row, total = table.lines()
    assert row.split()[:6] == ["Catch-seed1", "2", "2", "80", "3.0", "0.25"]
    assert "1 done, 1 under way, 2 waiting; about" in total
    left = table.status("Catch-seed1").left
    config = sweep.configs["Catch-seed1"]
    two, five = (training_minutes(config, SECONDS, n) for n in (2, 5))
    assert left == pytest.approx((five - two) * 3 / two)  # at its own pace
    config.training.cpu_minutes = 5
    assert table.status("Catch-seed1").left == 3
    table.run_ended("Catch-seed0", "")
    table.run_ended("Catch-seed1", "no such device")
    told = capsys.readouterr().out
    assert "Catch-seed0: 0.50 [-0.48, 1.48] (random 1.50" in told
    assert "Catch-seed1: no such device" in told
    assert LiveTable(sweep, SECONDS, 2).lines()[1].startswith("1 done, 0 under way")


# What Ray has


def test_too_small_a_machine() -> None:
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 8.0, "GPU": 1.0})
    games = ["games=Catch", "preset=smoke"]
    assert work.slots(ray, read_sweep([*games, "resources.gpu=0.5"])) == 2
    assert work.slots(ray, read_sweep([*games, "resources.cpu=3"])) == 2
    with pytest.raises(ConfigError, match="2 GPUs, but Ray has 8 and 1"):
        work.slots(ray, read_sweep([*games, "resources.gpu=2"]))


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    told = pytest.raises(ConfigError, match=r"pip install 'iris-core\[sweep\]'")
    with told, ray_for(None):
        pass


# Real Ray


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray on this machine, started once."""
    with ray_for(None) as ray:
        yield ray


def unbroken(sweep: Sweep, run: str, folder: Path) -> tuple[dict, dict]:
    """The agent and results of a run that nothing disturbed."""
    config = sweep.configs[run]
    train_state(TrainingState(config, Run.create(config, folder)))
    return outcome(folder)


def outcome(folder: Path) -> tuple[dict, dict]:
    results = json.loads((folder / "results.json").read_text())
    for name in ("training_minutes", "training_cpu_minutes", "commit"):
        del results[name]
    return Agent.load(
        folder / "checkpoints" / "agent.safetensors"
    ).state_dict(), results


def assert_same(ours: tuple[dict, dict], theirs: tuple[dict, dict]) -> None:
    assert ours[1] == theirs[1]
    assert ours[0].keys() == theirs[0].keys()
    assert all(torch.equal(ours[0][name], theirs[0][name]) for name in ours[0])


def attempts(folder: Path) -> list[str]:
    return (folder / work.ATTEMPTS).read_text().splitlines()


def kill_once_saved(folder: Path, killed: list[int]) -> None:
    """Kill the worker of a run, without a warning, when it has saved itself once."""
    deadline = time.monotonic() + 600
    while not (folder / "checkpoints" / "last.pt").is_file():
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
    if not (folder / "results.json").exists():
        killed.append(int(attempts(folder)[-1].split()[1]))
        os.kill(killed[0], signal.SIGKILL)


@pytest.mark.timeout(900)
def test_a_killed_worker_changes_no_result(ray, tmp_path, monkeypatch, capsys) -> None:
    sweep = make_sweep(tmp_path / "o", "games=Catch", "seeds=3")
    monkeypatch.setattr(
        "iris_core.tools.sweep.run.part_times", lambda *_: (SECONDS, "hand")
    )
    damaged = sweep.path("Catch-seed2")
    Run.create(sweep.configs["Catch-seed2"], damaged)
    (damaged / "checkpoints" / "last.pt").write_bytes(b"half")
    killed: list[int] = []
    hunted = sweep.path("Catch-seed0")
    hunter = threading.Thread(target=kill_once_saved, args=(hunted, killed))
    hunter.start()
    failed = run_sweep(sweep)
    hunter.join()
    assert list(failed) == ["Catch-seed2"]  # and the others went on
    assert "is damaged" in failed["Catch-seed2"]
    assert killed and len(attempts(hunted)) == 2
    assert_same(outcome(hunted), unbroken(sweep, "Catch-seed0", tmp_path / "alone"))

    (damaged / "checkpoints" / "last.pt").unlink()
    before = (hunted / "results.json").stat().st_mtime_ns
    assert run_sweep(sweep) == {}  # what failed is taken up again, and nothing else
    assert (hunted / "results.json").stat().st_mtime_ns == before
    assert len(attempts(hunted)) == 2 and len(attempts(damaged)) == 2

    table = own_runs(sweep.results)  # what figures read
    assert sorted(table["seed"]) == [0, 1, 2] and set(table["episodes"]) == {2}
    assert learning_curves(sweep.results)["seed"].nunique() == 3
    assert (sweep.results / "scores.csv").read_text().count("\n") == 4
    text = (sweep.results / "table.md").read_text()
    assert all(f"| Catch | {seed} |" in text for seed in range(3))
    told = capsys.readouterr().out
    assert "3 runs, 0 finished" in told and "3 runs, 2 finished" in told
    assert f"iris figures --own {sweep.results}" in told


@pytest.mark.timeout(900)
def test_a_stopped_sweep_goes_on(ray, tmp_path) -> None:
    sweep = make_sweep(tmp_path / "o", "games=Catch", "seeds=[4]")
    folder = sweep.path("Catch-seed4")

    def look() -> None:  # Ctrl-C as soon as something was learned
        if (folder / "checkpoints" / "last.pt").is_file():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.work(ray, sweep, lambda *_: None, look)
    assert not sweep.finished("Catch-seed4")
    assert work.work(ray, sweep, lambda *_: None, lambda: None) == {}
    assert len(attempts(folder)) == 2
    assert_same(outcome(folder), unbroken(sweep, "Catch-seed4", tmp_path / "alone"))


@pytest.mark.timeout(900)
def test_the_command_says_what_it_will_cost(ray, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", "--plan", *TINY, "games=Catch", "seeds=2"]) == 0
    told = capsys.readouterr().out
    assert "2 runs, 0 finished" in told and "by a short measurement" in told
    assert not (tmp_path / "outputs").exists()
    assert cli.main(["sweep", "games=Pongg"]) == cli.BAD_INPUT
    assert "Did you mean Pong" in capsys.readouterr().err
