"""The agents and episodes that the notebooks open, and the scale they work at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.data.replay_buffer import Replay

DATA = Path(__file__).resolve().parents[2] / "data"
SCALES = ("smoke", "tutorial", "paper")

T = TypeVar("T")


def preset() -> str:
    """The scale of the series: the environment variable IRIS_PRESET, or tutorial.

    ConfigError if it names no preset.
    """
    name = os.environ.get("IRIS_PRESET", "tutorial")
    if name not in SCALES:
        raise ConfigError(f"IRIS_PRESET={name} is none of {', '.join(SCALES)}")
    return name


def at_scale(smoke: T, tutorial: T) -> T:
    """`smoke` where the series is only being tested, else `tutorial`."""
    return smoke if preset() == "smoke" else tutorial


def load_agent(name: str) -> Agent:
    """A trained agent of data/agents, ready to play: "freeway", "catch", ...

    ConfigError, with the names there are, if there is none of this name.
    """
    path = DATA / "agents" / f"{name}.safetensors"
    if not path.is_file():
        raise ConfigError(
            f"no agent {name}; there are: {names('agents/*.safetensors')}"
        )
    return Agent.load(path)


def load_replay(name: str) -> Replay:
    """Recorded play of data/episodes: "freeway_random", "freeway_agent", ...

    ConfigError, with the names there are, if there is none of this name.
    """
    folder = DATA / "episodes" / name
    if not folder.is_dir():
        raise ConfigError(f"no episodes {name}; there are: {names('episodes/*')}")
    return Replay.load(folder)


def names(pattern: str) -> str:
    """What data/ has, as a list to read."""
    return ", ".join(sorted(path.stem for path in DATA.glob(pattern))) or "none"


def as_float(frames: np.ndarray) -> torch.Tensor:
    """Frames as an episode keeps them, uint8 (..., 3, 64, 64), as float in [0, 1]."""
    return torch.from_numpy(frames) / 255
