"""The file that a run goes on from, exactly where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from iris_core.config.setting import ConfigError
from iris_core.data.replay_buffer import Replay
from iris_core.runtime.device import resolve_device
from iris_core.runtime.run_folder import Run
from iris_core.runtime.seal import damaged, write_sealed
from iris_core.runtime.tensors import check_finite, load_torch, tensors_in
from iris_core.training.state import TrainingState

FILE = "last.pt"


def save(state: TrainingState) -> None:
    """Write the checkpoint and the agent, each whole or not at all."""
    index = state.replay.save(state.run.replay)
    payload = {**state.state_dict(), "replay": index}
    path = state.run.checkpoints / FILE
    write_sealed(path, lambda file: torch.save(payload, file))
    state.save_agent(state.run.agent)


def resume(run: Run) -> TrainingState:
    """The state in which a run was last saved.

    Raises:
        ConfigError: no checkpoint, or one that is damaged or of other settings.
    """
    path = run.checkpoints / FILE
    run.check_whole()
    payload = read(path, resolve_device(run.config.device))
    try:
        replay = Replay.load(run.replay, payload["replay"])
        state = TrainingState(run.config, run, replay)
        check_experience(replay, state.agent.num_actions, run.replay)
        state.load_state_dict(payload)
    except ConfigError:  # a damaged episode: its message says so already
        raise
    # Of other settings, or not what any version wrote: that can fail in any way
    except Exception as error:
        raise ConfigError(
            f"{path} does not fit this run's config.yaml: {type(error).__name__}"
            f" ({error})"
        ) from error
    return state


def check_experience(replay: Replay, num_actions: int, folder: Path) -> None:
    """ConfigError for what this game's environment cannot have given."""
    for number, episode in zip(replay.ids, replay, strict=True):
        highest, shape = int(episode.actions.max()), episode.frames.shape[1:]
        if highest >= num_actions or shape != (3, 64, 64):
            raise ConfigError(
                f"Episode {number} of {folder} has action {highest} and frames of"
                f" {shape}; this game has {num_actions} actions and frames of (3, 64,"
                " 64). Is it another run's? Use another copy."
            )


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """A checkpoint's plain tensors and numbers; nothing in it is executed.

    ConfigError if there is none, or it is damaged, or its weights are not finite.
    """
    if not path.is_file():
        raise ConfigError(
            f"No checkpoint at {path}: the run stopped before its first epoch ended. "
            "Start it again with: iris train"
        )
    payload = load_torch(path, device)
    if not isinstance(payload, dict):
        raise damaged(path, f"it holds a {type(payload).__name__}")
    for part in ("agent", "components"):  # other parts have NaN for what is not known
        weights = enumerate(tensors_in(payload.get(part)))
        check_finite({f"{part} {i}": tensor for i, tensor in weights}, path)
    return payload
