"""Jupyter as it is started for measurements: who may use it."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from iris_core.tools.benchmarks.browser import address_of, notebook_at, start_jupyter


def status(address: str, **headers: str) -> int:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_addresses_keep_the_token() -> None:
    address = "http://127.0.0.1:1234/?token=x"
    assert address_of(address, "api") == "http://127.0.0.1:1234/api?token=x"
    assert notebook_at(address, "notebook", "a.ipynb").endswith("/a.ipynb?token=x")


@pytest.mark.slow
def test_jupyter_has_a_secret_of_its_own(tmp_path: Path) -> None:
    server, address = start_jupyter("lab", tmp_path)
    try:
        token = address.partition("token=")[2]
        command = Path(f"/proc/{server.pid}/cmdline")
        assert len(token) >= 32 and "token=secret" not in address
        assert not command.exists() or token.encode() not in command.read_bytes()
        terminals = address_of(address, "api/terminals")
        plain, host = terminals.partition("?")[0], address.split("/")[2]
        assert status(terminals) == 200
        assert status(plain) == status(f"{plain}?token=secret") == 403
        assert status(terminals, Host="evil.example") == 403  # another name for us
        strange = {"Origin": "http://evil.example", "Host": host}
        assert status(plain, **strange) == 404  # not even that it is there
    finally:
        server.terminate()
        server.wait(timeout=60)
