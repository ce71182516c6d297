"""What a run needs to go on exactly where it was: weights, optimizers, random numbers,
emulators, replay, and the place in the schedule."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from iris_core.config.schema import ConfigError, InitConfig
from iris_core.models.agent import PARTS, Agent
from iris_core.pretrained import load_agent
from iris_core.replay import Replay
from iris_core.runtime.files import write_whole
from iris_core.training.runs import Run

if TYPE_CHECKING:
    from iris_core.training.trainer import Trainer

FILE = "last.pt"


def save(trainer: Trainer, run: Run) -> None:
    """Write the checkpoint and the agent, each whole or not at all."""
    state = {
        "progress": asdict(trainer.progress),
        "bf16": trainer.bf16,
        "meter": trainer.meter.state_dict(),
        "agent": trainer.agent.state_dict(),
        "slow_critic": trainer.slow_critic.state_dict(),
        "components": {
            c.name: {"optimizer": c.optimizer.state_dict(), "updates": c.updates}
            for c in trainer.components
        },
        "collector": trainer.collector.state_dict(),
        "replay": trainer.replay.save(run.replay),
        "surprise": trainer.surprise.state_dict(),
        "token_cache": trainer.token_cache.state_dict(),
        "random": random_state(trainer),
    }
    write_whole(run.checkpoints / FILE, lambda file: torch.save(state, file))
    trainer.save_agent(run.agent)


def load(trainer: Trainer, run: Run) -> None:
    """Bring a new trainer to where its run was.

    Raises:
        ConfigError: no checkpoint, or one that is damaged.
    """
    state = read(run.checkpoints / FILE, trainer.device)
    try:
        restore(trainer, run, state)
    except ConfigError:  # a damaged episode: its message says so already
        raise
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{run.checkpoints / FILE} does not fit this run's config.yaml: {error}"
        ) from error


def restore(trainer: Trainer, run: Run, state: dict[str, Any]) -> None:
    for name, value in state["progress"].items():
        setattr(trainer.progress, name, value)
    trainer.use_bf16(state["bf16"])
    trainer.meter.load_state_dict(state["meter"])
    trainer.agent.load_state_dict(state["agent"])
    trainer.slow_critic.load_state_dict(state["slow_critic"])
    for component in trainer.components:
        component.optimizer.load_state_dict(
            state["components"][component.name]["optimizer"]
        )
        component.align()
        component.updates = state["components"][component.name]["updates"]
    trainer.replay = Replay.load(run.replay, state["replay"])
    trainer.collector.replay = trainer.replay
    trainer.collector.load_state_dict(state["collector"], trainer.device)
    trainer.surprise.load_state_dict(state.get("surprise", {}))  # older runs have none
    trainer.token_cache.load_state_dict(state["token_cache"])
    set_random_state(trainer, state["random"])


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


def random_state(trainer: Trainer) -> dict[str, Any]:
    version, numbers, gauss = trainer.rng.getstate()
    cuda = trainer.device.type == "cuda"
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(trainer.device) if cuda else None,
        "python": [version, list(numbers), gauss],
    }


def set_random_state(trainer: Trainer, state: dict[str, Any]) -> None:
    version, numbers, gauss = state["python"]
    trainer.rng.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and trainer.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), trainer.device)


# Starting from parts of another agent


def start_parts(agent: Agent, init: InitConfig) -> None:
    """Copy the asked-for parts of `init.path` into a new agent.

    Raises:
        ConfigError: it can't be read, or a part has other sizes.
    """
    if not init.path:
        return
    source = load_agent(init.path)
    for name in PARTS:
        if getattr(init, name):
            copy_part(source, agent, name, init.path)


def copy_part(source: Agent, agent: Agent, name: str, path: str) -> None:
    try:
        getattr(agent, name).load_state_dict(getattr(source, name).state_dict())
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ConfigError(
            f"The {name} of {path} does not fit this configuration: {first} "
            f"Leave it out with init.{name}=false, or use its sizes."
        ) from error
