"""Odd arguments end in a sentence, never in a traceback; tests/torture draws more."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from iris_core import cli

EVAL = ["eval", "catch", "--episodes", "1", "--no-record"]
PLAY = ["play", "catch", "--steps", "1", "--out", "out.png"]
RECORD = ["record", "catch", "--steps", "1", "--out", "out"]


def code_of(arguments: list[str]) -> int:
    """The exit code of a command line, in this process."""
    try:
        return cli.main(arguments)
    except SystemExit as ended:  # argparse's
        return int(ended.code or 0)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nope"],
        ["games", "--nope"],
        ["train", "preset=smoke", "seed=99999999999999999999"],
        [
            "train",
            "preset=smoke",
            "collection.epochs=0",
            "collection.warm_start_steps=0",
        ],
        ["train", "preset=smoke", "tokenizer.vocab_size=1000000000000"],
        ["train", "preset=smoke", "world_model.num_layers=1000000000"],
        ["train", "preset=smoke", "env.num_envs=1000000000"],
        ["train", "preset=smoke", "threads=1000000000000"],
        [*EVAL, "--seed", "18446744073709551616"],
        [*EVAL, "--seed", "-1"],
        [*EVAL, "--temperature", "1e-300"],
        [*EVAL, "--out", "file/x.json"],
        [*EVAL, "--out", "x" * 5000],
        [*PLAY, "--seed", "-1"],
        [*PLAY, "--temperature", "1e-300"],
        [*PLAY, "--fps", "999999999999"],
        [*PLAY, "--port", "99999"],
        [*PLAY[:-1], "file/x.mp4"],
        [*RECORD[:-1], "file"],
        ["sweep", "games=Catch", "seeds=1000000000000", "--plan"],
        ["sweep", "games=Catch", "seeds=[99999999999999999999]", "--plan"],
        ["bench", "--repeats", "0"],
    ],
    ids=lambda arguments: " ".join(arguments)[:60],
)
def test_refused(elsewhere, arguments, capsys) -> None:
    Path("file").touch()
    assert code_of(arguments) == cli.BAD_INPUT
    assert capsys.readouterr().err
    assert {path.name for path in Path().iterdir()} <= {"file", "home"}


def test_a_port_that_somebody_has(elsewhere, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert code_of(["play", "catch", "--serve", "--port", port]) == cli.BAD_INPUT
    assert f"--port {port}: Address already in use" in capsys.readouterr().err


def iris(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A shell's command, in which `iris` stands for the command under test."""
    command = command.replace("iris", f"{sys.executable} -m iris_core.cli", 1)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_outputs_that_are_closed_full_or_ascii() -> None:
    closed = iris("iris settings >&-")
    assert closed.returncode == 0 and closed.stderr == ""
    full = iris("iris settings > /dev/full")
    assert full.returncode == cli.BAD_INPUT
    assert full.stderr == "iris settings: No space left on device\n"
    ascii_ = iris("iris settings outputs=ü", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ascii_.returncode == 0 and "outputs = ?" in ascii_.stdout


def test_a_notebooks_matplotlib_backend() -> None:
    code = (
        "import sys, iris_core.cli as c; sys.modules['matplotlib_inline'] = None;"
        "c.main(['games']); import matplotlib; print(matplotlib.get_backend())"
    )
    backend = "module://matplotlib_inline.backend_inline"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MPLBACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "agg"
