"""A run that is killed anywhere goes on to the same end, and nothing is lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import everything, same
from torturing import Ended, Harm

from iris_core.runtime.run_folder import Run
from iris_core.training import checkpoint

TRAIN = ["train", "preset=smoke", "device=cpu", "training.epochs=2"]
TRAIN += ["collection.steps_per_epoch=20", "collection.warm_start_steps=40"]
TRAIN += ["evaluation.final_baselines=false"]
ENDS = {  # the exit codes that each harm may have
    "SIGKILL": (-9,),
    "SIGTERM": (-15, 130),
    "SIGINT": (130,),
    "kill": (-9,),
    "torn": (-25,),  # SIGXFSZ
    "ENOSPC": (2,),
    "EROFS": (2,),
}


def harms(undisturbed: Ended, full: bool, draw: random.Random) -> Iterator[Harm]:
    """Every change of a file, and moments that are drawn."""
    places = range(1, undisturbed.changes + 1)
    for at in places if full else draw.sample(places, 2):
        yield Harm("kill", at)
    for kind in ("SIGKILL", "SIGTERM", "SIGINT"):
        for _ in range(20 if full else 1):
            yield Harm(kind, draw.uniform(0.1, 0.9) * undisturbed.seconds)
    for kind in ("ENOSPC", "EROFS"):
        for at in draw.sample(places, 20 if full else 1):
            yield Harm(kind, at)
    for _ in range(20 if full else 1):
        yield Harm("torn", 10 ** draw.uniform(1, 4))


def run_in(folder: Path) -> Run | None:
    """The run that was begun in a folder, if any."""
    found = sorted(folder.glob("outputs/*/*/config.yaml"))
    return Run.open(found[-1].parent) if found else None


def saved(folder: Path) -> bool:
    run = run_in(folder)
    return run is not None and (run.checkpoints / checkpoint.FILE).is_file()


def go_on(folder: Path) -> list[str]:
    """The command that takes a run up, or starts again if nothing was saved yet."""
    run = run_in(folder)
    return ["resume", str(run.path)] if run and saved(folder) else TRAIN


def end_of(folder: Path) -> dict[str, Any]:
    """All that the run came to."""
    run = run_in(folder)
    assert run is not None
    found = everything(checkpoint.resume(run))
    del found["results"]["commit"]  # which may be made while this runs
    return found


@pytest.fixture(scope="module")
def undisturbed(warm, tmp_path_factory) -> tuple[Ended, dict[str, Any]]:
    """How a run ends that nothing befell, and all that it came to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ended = warm.iris(*TRAIN, folder=folder)
    assert ended.code == 0, ended.said
    return ended, end_of(folder)


def suffer(warm, harm: Harm, folder: Path, end: dict[str, Any]) -> str:
    """Harm a run and go on with it: how that ended."""
    first = warm.iris(*TRAIN, folder=folder, harm=harm)
    if first.code == 0:
        return "missed"
    kept = saved(folder)
    last = warm.iris(*go_on(folder), folder=folder)
    if kept and not saved(folder):
        return f"{harm}: lost after {first}: {last}"
    if first.code not in ENDS[harm.kind] or last.code != 0:
        return f"{harm}: {first}, and then {last}"
    found = end_of(folder)
    other = [name for name in end if not same(found[name], end[name])]
    return f"{harm}: another end of {other}" if other else "equal"


@pytest.mark.timeout(3600)
def test_whatever_befalls_a_run(warm, undisturbed, full, keep, tmp_path) -> None:
    ended, end = undisturbed
    ways: Counter[str] = Counter()
    kills: Counter[str] = Counter()
    for number, harm in enumerate(harms(ended, full, random.Random(0))):
        folder = tmp_path / str(number)
        folder.mkdir()
        way = suffer(warm, harm, folder, end)
        ways[way] += 1
        kills[harm.kind] += way != "missed"
    assert ways.keys() <= {"equal", "missed"}, "\n".join(ways)
    keep("kills", all=kills.total(), equal=ways["equal"], kinds=dict(kills))
