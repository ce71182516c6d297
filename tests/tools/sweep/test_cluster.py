"""Ray of a sweep: who may reach it, and what is left of it when the sweep is killed."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iris_core import cli
from iris_core.tools.sweep.cluster import ray_for

INTRUDER = """
import sys
from ray._raylet import GcsClient
try:
    print(GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None))
except Exception as error:
    sys.exit(f"refused: {error}")
"""
TINY = ["preset=smoke", "device=cpu", "games=Catch", "evaluation.num_envs=1"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with ray_for(None) as ray:
        yield ray


def stranger(**changes: str) -> dict[str, str]:
    """The environment of a process that knows nothing of any Ray."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return mine | changes


def sweep(*words: str, **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "iris_core.cli", "sweep", *TINY, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=stranger(**changes),
    )


def test_it_listens_to_this_machine_alone(ray: Any) -> None:
    psutil = pytest.importorskip("psutil")
    ray.get(ray.remote(lambda: 0).remote())  # a worker is there
    me = psutil.Process()
    there = [(p, p.net_connections("tcp")) for p in (me, *me.children(recursive=True))]
    heard = {
        connection.laddr.ip
        for _, connections in there
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
    }
    assert heard and {ip.removeprefix("::ffff:") for ip in heard} <= {"127.0.0.1"}


@pytest.mark.parametrize("token", [None, "f" * 64])
def test_it_answers_no_stranger(ray: Any, token: str | None) -> None:
    address = ray.get_runtime_context().gcs_address
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    command = [sys.executable, "-c", INTRUDER, address]
    got = subprocess.run(
        command, env=stranger(**secret), capture_output=True, text=True, timeout=100
    )
    assert got.returncode == 1 and "InvalidAuthToken" in got.stderr


@pytest.mark.parametrize(
    ("kind", "silent"), [("", True), ("", False), ("ray://", True)]
)
def test_an_address_that_nobody_answers(kind: str, silent: bool) -> None:
    """A port that is closed, and one that takes connections and says nothing."""
    with socket.create_server(("", 0)) as listening:
        port = listening.getsockname()[1]
        if not silent:
            listening.close()
        asked = sweep(f"address={kind}127.0.0.1:{port}", RAY_AUTH_TOKEN="a" * 64)
        _, told = asked.communicate(timeout=200)
    assert asked.returncode == cli.BAD_INPUT and "Traceback" not in told
    assert f"address={kind}127.0.0.1:{port}: no Ray answers" in told


def test_a_cluster_without_its_token(tmp_path: Path) -> None:
    asked = sweep("address=127.0.0.1:1", HOME=str(tmp_path))
    _, told = asked.communicate(timeout=100)
    assert asked.returncode == cli.BAD_INPUT
    assert "token is not here. Set RAY_AUTH_TOKEN" in told


def test_a_killed_sweep_leaves_no_helpers(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    running = sweep("training.epochs=1000", "name=k", f'outputs="{tmp_path}"')
    begun = tmp_path / "sweeps/k/runs/Catch-seed0/checkpoints/last.pt"
    deadline = time.monotonic() + 200
    while not begun.is_file() and running.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    helpers = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    running.communicate()
    assert len(helpers) > 4  # its server, the raylet, agents and a worker
    _, alive = psutil.wait_procs(helpers, timeout=30)
    assert [p.name() for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
