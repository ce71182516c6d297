"""A real browser, and Jupyter served on this machine alone.

Debian's chromium is driven by playwright. Where there is no chromium these tests are
skipped, and say so; `make test` installs it on Debian where it may.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright import sync_api as playwright

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build" / "screenshots"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 120_000  # milliseconds for one thing to happen on a busy machine


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH: apt install chromium (make test does)")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, request) -> Iterator[object]:
    """A page whose errors fail the test, and whose last state is kept as a picture."""
    context = browser.new_context(viewport={"width": 1280, "height": 1100})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{request.node.name}.png")
    context.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory) -> Iterator[Callable[[str], str]]:
    """Starts `lab` or `notebook` once and gives its address; `.folder` is served."""
    home = tmp_path_factory.mktemp("jupyter")
    servers: dict[str, tuple[subprocess.Popen, str]] = {}

    def serve(kind: str) -> str:
        if kind not in servers:
            servers[kind] = start(kind, home)
        return servers[kind][1]

    serve.folder = home  # type: ignore[attr-defined]
    yield serve
    for server, _ in servers.values():
        server.terminate()
        server.wait(timeout=60)


def start(kind: str, home: Path) -> tuple[subprocess.Popen, str]:
    port = free_port()
    settings = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [
        *(sys.executable, "-m", "jupyter", kind, "--no-browser", "--allow-root"),
        "--expose-app-in-browser",
        f"--ServerApp.port={port}",
        "--IdentityProvider.token=secret",
        f"--ServerApp.root_dir={home}",
    ]
    log = (home / f"{kind}.log").open("w")
    server = subprocess.Popen(command, env=settings, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/api?token=secret", timeout=5).close()
            return server, address
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    server.kill()
    raise RuntimeError(f"jupyter {kind} did not start:\n{log.name}")


@pytest.fixture
def notebook(jupyter, tmp_path) -> Callable[..., Path]:
    """Writes a notebook of code cells where Jupyter finds it."""

    def write(name: str, *cells: str) -> Path:
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": kernel},
        )
        path = jupyter.folder / f"{name}.ipynb"
        nbformat.write(made, path)
        return path

    return write


RUN = """async () => {
  const until = async (ready) => {
    while (!ready()) await new Promise((done) => setTimeout(done, 100));
  };
  await until(() => window.jupyterapp);
  const app = window.jupyterapp;
  await app.restored;
  await until(() => app.shell.currentWidget?.sessionContext);
  const panel = app.shell.currentWidget;
  await panel.sessionContext.ready;
  await until(() => panel.sessionContext.session?.kernel?.status === "idle");
  await app.commands.execute("notebook:run-all-cells");
}"""


def open_and_run(page, address: str, kind: str, name: str):
    """The widget of a notebook that was opened and run; its root element."""
    way = "lab/tree" if kind == "lab" else "notebooks"
    page.goto(f"{address}/{way}/{name}.ipynb?token=secret")
    page.evaluate(RUN)
    return shown(page)


def shown(page):
    """The player, when its first frame is there."""
    player = page.locator(".iris-player")
    player.wait_for()
    player.locator("figure[data-panel=frame] canvas").wait_for()
    page.wait_for_function(
        "document.querySelector('.iris-player').dataset.step !== undefined"
    )
    return player


def wait(page, condition: str) -> None:
    """Until a JavaScript condition on the player's state `s` holds."""
    page.wait_for_function(
        f"(() => {{ const s = document.querySelector('.iris-player').dataset;"
        f" return {condition}; }})()"
    )


def state(player, name: str) -> str:
    return player.evaluate(f"element => element.dataset.{name}")


def pixels(player, panel: str = "frame") -> list[int]:
    """What is on a canvas, as RGBA numbers."""
    canvas = player.locator(f"figure[data-panel={panel}] canvas")
    return json.loads(
        canvas.evaluate(
            "c => JSON.stringify([...c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data])"
        )
    )
