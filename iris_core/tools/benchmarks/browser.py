"""Jupyter and a browser on this machine, for tests and measurements of the widgets."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import nbformat

import iris_core
from iris_core.config.setting import ConfigError

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 180  # seconds for one thing to happen on a busy machine
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

# Opens nothing: asks the page itself. "Restart and run" would stop at a dialog.
RUN_ALL = """async () => {
  const until = async (ready) => {
    while (!ready()) await new Promise((done) => setTimeout(done, 100));
  };
  await until(() => window.jupyterapp);
  const app = window.jupyterapp;
  await app.restored;
  const kernel = () => app.shell.currentWidget?.sessionContext?.session?.kernel;
  await until(() => kernel()?.status === "idle");
  await app.commands.execute("notebook:run-all-cells");
}"""


def find_chromium() -> str | None:
    """The browser on the PATH."""
    found = map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))
    return next(filter(None, found), None)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """No line on the terminal for every file."""


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """A folder's address on this machine, as `python -m http.server` serves it."""
    handler = partial(QuietHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
    thread.join()


def start_jupyter(kind: str, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Serve a folder by JupyterLab ("lab") or Notebook 7 ("notebook").

    Its settings are its own, in that folder. Returns the process, and the address with
    its token: a new one, for whoever knows it may run code.

    Raises:
        ConfigError: it does not start.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    token = secrets.token_urlsafe(24)
    own = {"PYTHONPATH": str(Path(iris_core.__file__).resolve().parents[1])}
    own["JUPYTER_TOKEN"] = token  # a command line can be read by all users
    for name in ("CONFIG", "DATA", "RUNTIME"):
        own[f"JUPYTER_{name}_DIR"] = str(folder / f".{name.lower()}")
    command = [
        *(sys.executable, "-m", "jupyter", kind, "--no-browser", "--allow-root"),
        *("--expose-app-in-browser", f"--ServerApp.port={port}"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}"),
        *("--ServerApp.allow_origin=", "--ServerApp.allow_remote_access=False"),
    ]
    log = folder / f"{kind}.log"
    with log.open("wb") as out:
        env = {**os.environ, **own}
        server = subprocess.Popen(command, env=env, stdout=out, stderr=out)
    address = f"http://127.0.0.1:{port}/?token={token}"
    for _ in range(5 * PATIENCE):
        try:
            urllib.request.urlopen(address_of(address, "api"), timeout=9).close()
            return server, address
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    server.kill()
    raise ConfigError(f"jupyter {kind} did not start:\n{log.read_text()[-2000:]}")


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of code cells."""
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    metadata = {"kernelspec": KERNEL}
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=metadata), path)


def open_and_run(page: Any, address: str, kind: str, name: str) -> Any:
    """Open a notebook and run it; the player's element, with its first frame."""
    page.goto(notebook_at(address, kind, name))
    page.evaluate(RUN_ALL)
    return shown(page)


def notebook_at(address: str, kind: str, name: str) -> str:
    """Where a notebook's page is. In JupyterLab each has a workspace of its own: the
    common one opens what was open before, and runs that instead."""
    workspace = f"lab/workspaces/{name.removesuffix('.ipynb')}/tree"
    way = workspace if kind == "lab" else "notebooks"
    return address_of(address, f"{way}/{name}")


def address_of(address: str, path: str) -> str:
    """Where something is on a server, with its token."""
    return address.replace("/?", f"/{path}?", 1)


def shown(page: Any) -> Any:
    """The player, when its first frame is there."""
    player = page.locator(".iris-player")
    player.locator("figure[data-panel=frame] canvas").wait_for()
    wait(page, "s.step !== undefined")
    return player


def wait(page: Any, condition: str) -> None:
    """Until a JavaScript condition on the player's state `s` holds."""
    page.wait_for_function(
        f"(() => {{ const s = document.querySelector('.iris-player').dataset;"
        f" return {condition}; }})()"
    )
