"""Locks: one process at a time, and none that outlives its process."""

import os
import subprocess
import sys

import pytest

from iris_core.config import ConfigError
from iris_core.runtime.run_lock import FILE, RunLock

HOLDS = """
import sys, time
from pathlib import Path
from iris_core.runtime.run_lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_names_its_process_until_it_is_released(tmp_path):
    lock = RunLock(tmp_path)
    assert f"process {os.getpid()} on " in (tmp_path / FILE).read_text()
    lock.release()
    assert (tmp_path / FILE).read_text() == ""
    RunLock(tmp_path).release()


def test_a_lock_of_a_killed_process_is_taken_over(tmp_path, capsys):
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=f"by process {other.pid} on"):
            RunLock(tmp_path)
        other.kill()
    assert capsys.readouterr().err == ""
    RunLock(tmp_path).release()
    assert f"was left by process {other.pid} on" in capsys.readouterr().err
    RunLock(tmp_path).release()
    assert capsys.readouterr().err == ""


def test_it_waits_for_a_process_that_is_about_to_end(tmp_path):
    command = [sys.executable, "-c", HOLDS.replace("60", "1"), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        RunLock(tmp_path, patience=30).release()
