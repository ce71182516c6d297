"""Run folders: made, found again, refused."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from iris_core.config import ConfigError, load_config
from iris_core.runtime import run_folder as runs
from iris_core.runtime.run_folder import Run


@pytest.fixture
def config(tmp_path):
    return load_config("smoke", [f'outputs="{tmp_path}/outputs"', "device=cpu"])


def test_a_new_run_has_its_folders_and_files(config):
    run = Run.create(config)
    day, time = run.path.parts[-2:]
    datetime.strptime(f"{day} {time[:8]}", "%Y-%m-%d %H-%M-%S")
    assert run.path.is_relative_to(config.outputs)
    for folder in (run.checkpoints, run.replay, run.tensorboard, run.reconstructions):
        assert folder.is_dir()
    for kind in ("train", "test", "imagination"):
        assert run.episodes(kind).is_dir()
    assert Run.open(run.path) == run


def test_versions(config):
    versions = json.loads((Run.create(config).path / "versions.json").read_text())
    assert set(versions) == {
        "commit",
        "uncommitted_changes",
        "python",
        "torch",
        "numpy",
        "gymnasium",
        "ale-py",
        "platform",
        "device",
    }
    assert versions["torch"] and versions["device"].startswith("cpu")


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    versions = runs.find_versions("cpu")
    assert versions["commit"] is None and versions["uncommitted_changes"] is False


@pytest.mark.parametrize(
    ("versions", "commit"),
    [
        ('{"commit": "0123456789abcdef"}', "0123456789ab"),
        ('{"commit": "0123", "uncommitted_changes": false}', "0123"),
        ('{"commit": "0123", "uncommitted_changes": true}', "0123-dirty"),
        ('{"commit": null, "uncommitted_changes": false}', ""),
        ("{", ""),
    ],
)
def test_the_commit_of_a_run(config, versions, commit):
    run = Run.create(config)
    (run.path / "versions.json").write_text(versions)
    assert run.commit == commit
    (run.path / "versions.json").unlink()
    assert run.commit == ""


def test_a_device_that_is_not_there_leaves_no_folder(config):
    config.device = "cuda:99"
    with pytest.raises(ConfigError, match="cuda:99"):
        Run.create(config)
    assert not Path(config.outputs).exists()


def test_a_discarded_run_leaves_nothing_but_the_other_runs(config):
    first, second = Run.create(config), Run.create(config)
    second.discard()
    assert first.path.exists() and not second.path.exists()
    first.discard()
    assert not Path(config.outputs).exists()


def test_runs_of_the_same_second_do_not_share_a_folder(config):
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda _: runs.new_folder(Path(config.outputs)), range(12))
        )
    assert len(set(made)) == 12


def test_a_folder_of_ones_own(config, tmp_path):
    path = tmp_path / "sweep" / "Catch-seed0"
    (path / "checkpoints").mkdir(parents=True)  # an attempt that was cut short
    run = Run.create(config, path)
    assert run.path == path and Run.open(path).config == config


def test_the_hint_at_the_last_run(tmp_path):
    names = ("2026-01-30/23-59-59", "2026-01-31/09-00-00", "2026-01-31/10-00-00-2")
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").touch()
    (tmp_path / "2026-02-01/00-00-00").mkdir(parents=True)  # no config: not a run
    for absent in (tmp_path, tmp_path / "2026-01-30", tmp_path / "2026-01-30" / "x"):
        assert runs.recent(absent) == f" The last run is {tmp_path / names[2]}."


def test_opening_what_is_no_run(config, tmp_path):
    with pytest.raises(ConfigError, match="no such run folder"):
        Run.open(tmp_path / "absent")
    with pytest.raises(ConfigError, match="not a run folder"):
        Run.open(tmp_path)
    run = Run.create(config)
    with pytest.raises(ConfigError, match=str(run.path)):  # the hint
        Run.open(run.path.parent / "00-00-00")


def test_opening_a_run_with_a_damaged_config(config):
    run = Run.create(config)
    (run.path / "config.yaml").write_text("env: {gaem: Pong}\n")
    with pytest.raises(ConfigError, match="env.game"):
        Run.open(run.path)


def test_opening_a_run_writes_nothing(config):
    run = Run.create(config)
    run.reconstructions.rmdir()
    before = {
        path: path.stat().st_mtime_ns for path in [run.path, *run.path.rglob("*")]
    }
    assert Run.open(run.path) == run
    after = {path: path.stat().st_mtime_ns for path in [run.path, *run.path.rglob("*")]}
    assert before == after


def test_who_writes_has_the_folders_that_it_lacked_and_nothing_half_written(config):
    run = Run.create(config)
    run.reconstructions.rmdir()
    half = run.checkpoints / ".last.pt.123.part"
    half.touch()
    with run.writing():
        assert run.reconstructions.is_dir()
        assert not half.exists()


def test_two_do_not_write_into_one_run(config):
    run = Run.create(config)
    refused = pytest.raises(ConfigError, match=f"by process {os.getpid()} ")
    with run.writing(), refused, run.writing():
        pass
    with run.writing():
        pass  # it is free again


def test_a_file_where_the_outputs_should_be(config):
    Path(config.outputs).write_text("not a folder")
    with pytest.raises(ConfigError, match="cannot write"):
        Run.create(config)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_that_may_not_be_written(config, tmp_path):
    run = Run.create(config)
    run.path.chmod(0o500)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ConfigError, match="cannot write"), run.writing():
            pass
        config.outputs = str(tmp_path / "other")
        with pytest.raises(ConfigError, match="outputs=FOLDER"):
            Run.create(config)
    finally:
        tmp_path.chmod(0o700)
        run.path.chmod(0o700)
