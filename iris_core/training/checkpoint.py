"""The file that a run goes on from, exactly where it was."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from iris_core.config.setting import ConfigError
from iris_core.data.replay_buffer import Replay
from iris_core.runtime.device import resolve_device
from iris_core.runtime.files import write_whole
from iris_core.runtime.run_folder import Run
from iris_core.training.state import TrainingState

FILE = "last.pt"


def save(state: TrainingState) -> None:
    """Write the checkpoint and the agent, each whole or not at all."""
    index = state.replay.save(state.run.replay)
    payload = {**state.state_dict(), "replay": index}
    path = state.run.checkpoints / FILE
    write_whole(path, lambda file: torch.save(payload, file))
    state.save_agent(state.run.agent)


def resume(run: Run) -> TrainingState:
    """The state in which a run was last saved.

    Raises:
        ConfigError: no checkpoint, or one that is damaged or of other settings.
    """
    path = run.checkpoints / FILE
    payload = read(path, resolve_device(run.config.device))
    try:
        replay = Replay.load(run.replay, payload["replay"])
        state = TrainingState(run.config, run, replay)
        state.load_state_dict(payload)
    except ConfigError:  # a damaged episode: its message says so already
        raise
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} does not fit this run's config.yaml: {error}"
        ) from error
    return state


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """A checkpoint's plain tensors and numbers; nothing in it is executed."""
    if not path.is_file():
        raise ConfigError(
            f"No checkpoint at {path}: the run stopped before its first epoch ended. "
            "Start it again with: iris train"
        )
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, OSError, EOFError, KeyError, pickle.PickleError) as error:
        raise ConfigError(
            f"{path} is not a whole checkpoint ({type(error).__name__}); it may have "
            "been cut short. Use another copy."
        ) from error
