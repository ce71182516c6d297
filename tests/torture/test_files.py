"""Files that are not what was written end in a sentence, or make no difference.

A format that has no checksum may not know: a changed digit is then another number.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from running import ACTIONS, make_state, same
from safetensors.torch import save as to_safetensors
from torturing import mutate

from iris_core.config import ConfigError, config_from_yaml, config_to_dict
from iris_core.config.load import read_option
from iris_core.data.episode_file import read_arrays
from iris_core.data.replay_buffer import Replay
from iris_core.pretrained import load_published
from iris_core.runtime.agent_file import FORMAT, read_agent
from iris_core.runtime.run_folder import Run
from iris_core.runtime.run_lock import RunLock
from iris_core.runtime.table import read_metrics
from iris_core.tools.benchmarks.run_cost import benchmark_seconds
from iris_core.tools.scores.run_records import final_test, own_runs
from iris_core.tools.scores.scores import load_scores
from iris_core.tools.sweep.plan import read_sweep
from iris_core.tools.sweep.watch import LiveTable
from iris_core.tools.sweep.work import ATTEMPTS
from iris_core.training import checkpoint, logger
from iris_core.training.schedule import COMPONENTS

REPOSITORY = Path(__file__).parents[2]
PUBLISHED = REPOSITORY / "tests" / "golden" / "golden_a" / "agent.pt"
EPISODE = REPOSITORY / "data" / "episodes" / "catch_agent" / "000000.npz"
RUNS, BENCH = REPOSITORY / "results" / "runs", REPOSITORY / "results" / "benchmarks"
PARTS = ["collect_step", *(f"{name}_update" for name in COMPONENTS)]
CPU_SECONDS, MEMORY = 30, 2**20  # for one file; KiB, for all


@dataclass(frozen=True)
class Kind:
    """A kind of file: one of them, its reader, and whether it would see any change."""

    file: Path
    read: Callable[[Path], Any]
    sealed: bool = False


def tidy(file: Path, content: str) -> Path:
    file.write_text(content)
    return file


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """Every kind of file that is read."""
    folder = tmp_path_factory.mktemp("files")
    state = make_state(folder)
    checkpoint.save(state)
    run, config = state.run, state.config
    older = folder / "older.safetensors"
    about = {"format": FORMAT, "actions": json.dumps(ACTIONS)}
    about["config"] = json.dumps(config_to_dict(config))
    older.write_bytes(to_safetensors(state.agent.state_dict(), about))
    np.savez_compressed(folder / "older.npz", **read_arrays(EPISODE))
    replay = folder / "replay"
    shutil.copytree(EPISODE.parent, replay)
    sweep = read_sweep(["games=Catch", "preset=smoke", f"outputs={folder}"])
    swept = sweep.path("Catch-seed0")
    swept.mkdir(parents=True)
    scores = "algorithm,game,run,score,source\nA,Pong,0,-3.5,a\nA,Alien,1,12,a\n"
    own = "game,seed,preset,steps,minutes,device,commit,episodes,score\n"
    row = "Pong,0,tutorial,9000,10.5,cpu,abc,16,-3.25\n"
    metrics = "epoch,env_steps,minutes,test/return\n1,60,0.5,\n2,80,1,0.25\n"

    seconds = dict.fromkeys([*PARTS, "encode", "decode"], 1.0)

    def tries(_: Path) -> int:
        return LiveTable(sweep, seconds, 1).status("Catch-seed0").tries

    return {
        "checkpoint": Kind(
            run.checkpoints / checkpoint.FILE,
            lambda file: checkpoint.read(file, torch.device("cpu")),
            sealed=True,
        ),
        "agent": Kind(run.agent, lambda file: vars(read_agent(file)), sealed=True),
        "episode": Kind(EPISODE, read_arrays, sealed=True),
        "agent of an older version": Kind(older, lambda file: vars(read_agent(file))),
        "episode of an older version": Kind(folder / "older.npz", read_arrays),
        "published agent": Kind(
            PUBLISHED, lambda file: dict(load_published(file).state_dict())
        ),
        "index of a replay": Kind(
            replay / "index.json", lambda file: Replay.load(file.parent).ids
        ),
        "settings": Kind(
            run.path / "config.yaml", lambda file: config_from_yaml(file, whole=True)
        ),
        "preset": Kind(
            REPOSITORY / "iris_core" / "config" / "presets" / "smoke.yaml",
            lambda file: OmegaConf.to_container(read_option(file, "")),
        ),
        "versions": Kind(
            run.path / "versions.json", lambda file: Run(file.parent, config).commit
        ),
        "lock": Kind(
            tidy(folder / ".lock", "process 1 on here"),
            lambda file: RunLock(file.parent).release(),
        ),
        "metrics to go on with": Kind(
            tidy(folder / "metrics.csv", metrics), logger.read
        ),
        "metrics to draw": Kind(
            tidy(folder / "drawn.csv", metrics),
            lambda file: read_metrics(file, ("test/return",)).to_dict("list"),
        ),
        "scores": Kind(
            tidy(folder / "scores.csv", scores),
            lambda file: load_scores(file, partial=True).to_dict("list"),
        ),
        "scores as JSON": Kind(
            tidy(folder / "scores.json", '{"Pong": [1, -2.5], "Alien": [100, 3]}'),
            lambda file: load_scores(file, partial=True).to_dict("list"),
        ),
        "own runs": Kind(
            tidy(folder / "own.csv", own + row),
            lambda file: own_runs(file).to_dict("list"),
        ),
        "results of a run": Kind(RUNS / "tutorial-catch-seed0.json", final_test),
        "benchmark": Kind(
            BENCH / "tutorial-cpu.json", lambda file: benchmark_seconds(file, config)
        ),
        "attempts of a sweep": Kind(tidy(swept / ATTEMPTS, "here 1\nhere 2\n"), tries),
    }


def too_long(*_: object) -> None:
    raise TimeoutError(f"a file took {CPU_SECONDS} seconds of the processor")


def outcome(kind: Kind, file: Path, whole: Any) -> str:
    """How reading a mutated file ends."""
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        found = kind.read(file)
    except ConfigError as error:
        return "sentence" if 10 < len(str(error)) < 3000 else f"no sentence: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if same(found, whole):
        return "same"
    return "it was not seen" if kind.sealed else "difference"


@pytest.mark.timeout(3600)
def test_mutated_files(kinds, full, keep, tmp_path) -> None:
    signal.signal(signal.SIGVTALRM, too_long)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ways: dict[str, Counter[str]] = {}
    faults: list[str] = []
    for name, kind in kinds.items():
        data, whole = kind.file.read_bytes(), kind.read(kind.file)
        found, ours = ways.setdefault(name, Counter()), REPOSITORY in kind.file.parents
        file = tmp_path / kind.file.name if ours else kind.file
        for number in range(300 if full else 6):
            changed = mutate(data, random.Random(f"{name} {number}"))
            file.write_bytes(changed)
            way = "same" if changed == data else outcome(kind, file, whole)
            found[way] += 1
            if way not in ("sentence", "same", "difference"):
                faults.append(f"{name} {number}: {way:.500}")
        file.write_bytes(data)
    assert not faults, "\n".join(faults)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY
    keep("files", kinds={name: dict(found) for name, found in ways.items()})
