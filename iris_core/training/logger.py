"""A run's metrics: their means over an epoch, and where they go: a CSV file,
TensorBoard, and W&B when asked."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from iris_core.config import Config, ConfigError
from iris_core.runtime.files import read_text, write_atomic
from iris_core.runtime.run_folder import Run
from iris_core.runtime.table import number, parse_rows, to_csv

WANDB_ID = "wandb_id.txt"  # of a run folder


class Meter:
    """Means of what an epoch's steps report, by "phase/metric", kept on the device
    until asked for: nothing waits for a GPU."""

    def __init__(self) -> None:
        self.sums: dict[str, float | Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, phase: str, metrics: Mapping[str, float | Tensor]) -> None:
        """Note one step's metrics: numbers or scalar tensors."""
        for name, value in metrics.items():
            self.add_one(f"{phase}/{name}", value)

    def add_one(self, name: str, value: float | Tensor, count: int = 1) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + value
        self.counts[name] = self.counts.get(name, 0) + count

    def seconds(self, phase: str, seconds: float, steps: int) -> None:
        """Note how long a phase took; its mean is seconds a step."""
        if steps > 0:
            self.add_one(f"{phase}/seconds_per_step", seconds, steps)

    def means(self) -> dict[str, float]:
        """The mean of every metric so far."""
        return {n: float(total) / self.counts[n] for n, total in self.sums.items()}

    def state_dict(self) -> dict[str, tuple[float, int]]:
        return {n: (float(total), self.counts[n]) for n, total in self.sums.items()}

    def load_state_dict(self, state: dict[str, tuple[float, int]]) -> None:
        self.sums = {name: total for name, (total, _) in state.items()}
        self.counts = {name: count for name, (_, count) in state.items()}


class Logger(Protocol):
    """Anything that takes an epoch's numbers."""

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record the numbers of one epoch."""

    def close(self) -> None:
        """Write what is still held back."""


class CsvLogger:
    """One row an epoch, one column a metric; what an epoch did not measure is empty.

    The file is rewritten whole when a new column appears and appended to otherwise, so
    that it is complete after every epoch.

    Args:
        path: the CSV file; rows of a run that is resumed are kept.
        resume_epoch: the last epoch to keep: later ones will be done again.
    """

    def __init__(self, path: Path, resume_epoch: int | None = None) -> None:
        self.path = path
        self.columns = ["epoch"]
        self.rows: list[dict[str, str]] = []
        if resume_epoch is not None and path.exists():
            self.rows = [row for row in read(path) if int(row["epoch"]) <= resume_epoch]
            for row in self.rows:
                self.add_columns(row)
        self.rewrite()

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record the numbers of one epoch."""
        row = {"epoch": str(epoch)} | {k: repr(float(v)) for k, v in metrics.items()}
        self.rows.append(row)
        if self.add_columns(row):
            self.rewrite()
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(to_csv(self.columns, [row], header=False))

    def close(self) -> None:
        """Nothing is held back."""

    def add_columns(self, row: Mapping[str, str]) -> bool:
        """Add the columns that a row brings; whether there was one."""
        new = [name for name in row if name not in self.columns]
        self.columns += new
        return bool(new)

    def rewrite(self) -> None:
        """Write every row under all the columns."""
        write_atomic(self.path, to_csv(self.columns, self.rows))


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a metrics file, without empty cells or a row that a crash cut off.

    ConfigError if it is damaged otherwise.
    """
    whole = read_text(path).rpartition("\n")[0]
    rows = parse_rows(whole, path) if whole else []
    for line, row in enumerate(rows, start=2):
        for name, cell in row.items():
            found = number(cell, f"{path}, line {line}: {name}")
            if name == "epoch" and not cell.isdecimal():
                raise ConfigError(f"{path}, line {line}: {cell!r} is no epoch")
            if name in ("env_steps", "minutes") and not 0 <= found < 2**53:
                raise ConfigError(f"{path}, line {line}: {name} is {cell!r}")
        if "epoch" not in row:
            raise ConfigError(f"{path} has no column epoch")
    return [{name: cell for name, cell in row.items() if cell} for row in rows]


class TensorBoardLogger:
    """The same numbers for `tensorboard --logdir outputs`.

    Args:
        folder: where the event files go.
        resume_epoch: what an earlier attempt wrote after it is hidden by TensorBoard.
    """

    def __init__(self, folder: Path, resume_epoch: int | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # late: it takes a second

        purge = None if resume_epoch is None else resume_epoch + 1
        self.writer = SummaryWriter(str(folder), purge_step=purge)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record the numbers of one epoch."""
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def close(self) -> None:
        """Write what is still held back."""
        self.writer.close()


class WandbLogger:
    """The same numbers for Weights & Biases.

    Raises:
        ConfigError: wandb is not installed, or does not start.
    """

    def __init__(self, config: Config, run: Run, resume_epoch: int | None = None):
        wandb = log_in(config)
        folder_name = f"{run.path.parent.name}-{run.path.name}"
        try:
            self.wandb_run = wandb.init(
                project=config.wandb.project,
                name=config.wandb.name or folder_name,
                id=wandb_id(run, folder_name, resume_epoch is not None),
                mode=config.wandb.mode,
                dir=str(run.path),
                config=asdict(config),
                resume="allow" if resume_epoch is not None else None,
            )
        except Exception as error:  # no key, no network, a project of others
            raise does_not_start(config, error) from error

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Record the numbers of one epoch."""
        self.wandb_run.log({"epoch": epoch, **metrics}, step=epoch)

    def close(self) -> None:
        """Write what is still held back."""
        self.wandb_run.finish()


def log_in(config: Config) -> Any:
    """The package of W&B, with a key if it is to be online; ConfigError without."""
    try:
        import wandb  # late: optional, and it is imported only when asked for

        if config.wandb.mode == "online":
            wandb.login()
    except ImportError as error:
        raise ConfigError(
            f"wandb.mode={config.wandb.mode} needs the wandb package:"
            " pip install wandb, or set wandb.mode=disabled."
        ) from error
    except Exception as error:
        raise does_not_start(config, error) from error
    return wandb


def does_not_start(config: Config, error: Exception) -> ConfigError:
    """The message for what W&B says."""
    return ConfigError(
        f"wandb.mode={config.wandb.mode}: W&B does not start ({error}). Log in with:"
        " wandb login; or set wandb.mode=offline or disabled."
    )


def wandb_id(run: Run, folder_name: str, resumed: bool) -> str:
    """By which W&B knows a run: other runs have others, wherever they are begun, and it
    stays the same after a resume, so that the curves continue."""
    file = run.path / WANDB_ID
    if not file.is_file():
        # Runs of earlier versions have no file, and this id
        new = folder_name if resumed else f"{folder_name}-{secrets.token_hex(4)}"
        write_atomic(file, new)
    return read_text(file)


def make_loggers(
    config: Config, run: Run, resume_epoch: int | None = None
) -> list[Logger]:
    """The loggers that a config asks for.

    Args:
        resume_epoch: the last epoch whose numbers stand, when a run is resumed.

    Raises:
        ConfigError: W&B is asked for and not installed.
    """
    loggers: list[Logger] = []
    if config.wandb.mode != "disabled":  # first, for it may refuse
        loggers.append(WandbLogger(config, run, resume_epoch))
    loggers.append(CsvLogger(run.metrics, resume_epoch))
    loggers.append(TensorBoardLogger(run.tensorboard, resume_epoch))
    return loggers
