"""The run folder: one place for all that a training run leaves behind.

outputs/YYYY-MM-DD/hh-mm-ss/
    config.yaml        every setting
    versions.json      what made it: commit, Python, libraries, device
    results.json       the final test, beside learning_curve.png
    metrics.csv        a row an epoch
    tensorboard/       the same numbers for TensorBoard
    wandb_id.txt       by which W&B knows it, where it is asked for
    checkpoints/       agent, optimizers, random states, epoch
    replay/            the collected experience
    media/             episodes/{train,test,imagination}/ and reconstructions/
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from iris_core.config import Config, ConfigError, config_from_yaml, config_to_yaml
from iris_core.config.paths import user_path
from iris_core.runtime.device import resolve_device
from iris_core.runtime.files import PART, read_json, write_atomic
from iris_core.runtime.run_lock import RunLock

FOLDERS = (
    "checkpoints",
    "replay",
    "tensorboard",
    "media/episodes/train",
    "media/episodes/test",
    "media/episodes/imagination",
    "media/reconstructions",
)
LIBRARIES = ("torch", "numpy", "gymnasium", "ale-py")


@dataclass(frozen=True)
class Run:
    """A run folder and the config that it was made with."""

    path: Path
    config: Config

    @classmethod
    def create(cls, config: Config, folder: Path | None = None) -> Run:
        """Make a new folder under `config.outputs`, with its config and versions.

        folder: make this one instead; what an earlier attempt left there is used.

        Raises:
            ConfigError: the folder cannot be written, or the device is not there.
        """
        versions = json.dumps(find_versions(config.device), indent=2) + "\n"
        path = folder or Path(config.outputs)
        try:
            path = folder or new_folder(path)
            for name in FOLDERS:
                (path / name).mkdir(parents=True, exist_ok=True)
            write_atomic(path / "versions.json", versions)
            write_atomic(path / "config.yaml", config_to_yaml(config))
        except OSError as error:
            raise ConfigError(
                f"cannot write the run folder {path}: {error.strerror}."
                " Choose another with outputs=FOLDER."
            ) from error
        return cls(path, config)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run folder, to read it; `writing` is to go on with it.

        Raises:
            ConfigError: missing, not a run folder, or unreadable.
        """
        path = user_path(path)
        if not path.exists():
            raise ConfigError(f"no such run folder: {path}.{recent(path)}")
        if not (path / "config.yaml").is_file():
            raise ConfigError(
                f"{path} is not a run folder: it has no config.yaml.{recent(path)}"
            )
        return cls(path, config_from_yaml(path / "config.yaml"))

    @contextlib.contextmanager
    def writing(self, patience: float = 0.0) -> Iterator[None]:
        """Be the only one who writes here; what a killed process left half is removed.

        patience: seconds to wait for another that is about to end.

        Raises:
            ConfigError: another process trains this run, or it is not writable.
        """
        try:
            lock = RunLock(self.path, patience)
            for name in FOLDERS:  # a folder copied by hand may lack the empty ones
                (self.path / name).mkdir(parents=True, exist_ok=True)
            for part in self.path.rglob(PART.format(name="*", pid="*")):
                part.unlink()
        except OSError as error:
            raise ConfigError(
                f"cannot write to the run folder {self.path}: {error.strerror}."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def check_whole(self) -> None:
        """ConfigError unless config.yaml has every setting: one that was cut short
        would go on as another run."""
        config_from_yaml(self.path / "config.yaml", whole=True)

    def discard(self) -> None:
        """Remove the folder of a run that could not begin."""
        shutil.rmtree(self.path)
        with contextlib.suppress(OSError):  # the parents go too, unless others use them
            self.path.parent.rmdir()
            self.path.parent.parent.rmdir()

    @property
    def commit(self) -> str:
        """This library's commit when the run was made, marked -dirty if it had been
        changed; "" if not known."""
        try:
            versions = read_json(self.path / "versions.json")
        except ConfigError:
            return ""
        if not isinstance(versions, dict) or type(versions.get("commit")) is not str:
            return ""
        dirty = "-dirty" if versions.get("uncommitted_changes") else ""
        return f"{versions['commit'][:12]}{dirty}"

    @property
    def checkpoints(self) -> Path:
        """Agent, optimizers, random states and epoch."""
        return self.path / "checkpoints"

    @property
    def agent(self) -> Path:
        """The agent that the run ends with."""
        return self.checkpoints / "agent.safetensors"

    @property
    def best_agent(self) -> Path:
        """The agent of the best test during training."""
        return self.checkpoints / "best.safetensors"

    @property
    def replay(self) -> Path:
        """The collected experience."""
        return self.path / "replay"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def metrics(self) -> Path:
        """The numbers of every epoch, as CSV."""
        return self.path / "metrics.csv"

    @property
    def reconstructions(self) -> Path:
        """Pictures of frames beside their reconstructions."""
        return self.path / "media" / "reconstructions"

    def episodes(self, kind: str) -> Path:
        """Recorded episodes of a kind: train, test or imagination."""
        return self.path / "media" / "episodes" / kind


def new_folder(outputs: Path) -> Path:
    """Make `outputs/YYYY-MM-DD/hh-mm-ss`; with -2, -3 ... if that second is taken."""
    now = datetime.now()
    day = outputs / f"{now:%Y-%m-%d}"
    day.mkdir(parents=True, exist_ok=True)
    attempt = 1
    while True:
        suffix = "" if attempt == 1 else f"-{attempt}"
        path = day / f"{now:%H-%M-%S}{suffix}"
        try:
            path.mkdir()  # fails if it exists, so two runs never share a folder
        except FileExistsError:
            attempt += 1
        else:
            return path


def recent(path: Path) -> str:
    """A hint at the last run around `path`, as the end of a message."""
    for outputs in (path, path.parent, path.parent.parent, Path("outputs")):
        if last := max(outputs.glob("????-??-??/*/config.yaml"), default=None):
            return f" The last run is {last.parent}."
    return ""


def find_versions(device: str) -> dict[str, Any]:
    """What a run was made with: commit, Python, libraries, platform, device."""
    ours = git("ls-files", Path(__file__).name) != ""  # not a repository around us
    return {
        "commit": (ours and git("rev-parse", "HEAD")) or None,
        "uncommitted_changes": ours and git("status", "--porcelain") != "",
        "python": platform.python_version(),
        **{name: library_version(name) for name in LIBRARIES},
        "platform": platform.platform(),
        "device": device_name(device),
    }


def git(*arguments: str) -> str:
    """Git's answer about this source tree; empty without git or a repository."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def library_version(name: str) -> str | None:
    """The installed version of a library; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def device_name(device: str) -> str:
    """The machine behind a `device` setting: `cuda: NVIDIA A100`, `cpu: x86_64` ..."""
    found = resolve_device(device)
    if found.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(found)}"
    return f"{found.type}: {platform.processor() or platform.machine()}"
