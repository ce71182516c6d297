"""Everything that a run has come to, which is what a checkpoint holds."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from iris_core.agent import Agent, TrainingRecord
from iris_core.config import Config, preset_of
from iris_core.data.replay_buffer import Replay
from iris_core.envs.game import action_meanings
from iris_core.envs.vector import make_vector
from iris_core.runtime.device import bf16_autocast, set_up_device, wants_bf16
from iris_core.runtime.run_folder import Run
from iris_core.training.collector import Collector
from iris_core.training.component import DivergedError
from iris_core.training.components import (
    ActorCriticComponent,
    Component,
    Experience,
    TokenizerComponent,
    WorldModelComponent,
    init_components,
)
from iris_core.training.logger import Meter
from iris_core.training.schedule import share_done
from iris_core.training.token_cache import TokenCache
from iris_core.variants.exploration import make_random_policy
from iris_core.variants.loss_priority import LossPriorities


class Interrupted(Exception):
    """Somebody asked the run to stop; raised between two steps."""


@dataclass
class Progress:
    """Where a run is: what has been done, and what comes next."""

    epoch: int = 1  # under way, from 1
    phase: int = 0  # of the epoch
    step: int = 0  # of the phase
    env_steps: int = 0  # in the training environments, all epochs
    seconds: float = 0.0  # of training, tests left out
    cpu_seconds: float = 0.0  # of all cores; what other programs take is not in it
    done: float = 0.0  # share of the run, when the epoch under way began
    best_return: float = -float("inf")  # mean of a test
    best_train_return: float = -float("inf")  # of one training episode


def read_progress(values: dict[str, Any]) -> Progress:
    """A checkpoint's progress; TypeError or ValueError if it is none."""
    progress = Progress(**values)
    for name, default in asdict(Progress()).items():
        value, low = getattr(progress, name), -math.inf if "best" in name else 0
        kinds = (int,) if type(default) is int else (int, float)
        if type(value) not in kinds or not low <= value < 2**53:
            raise ValueError(f"progress.{name} is {value!r:.80}")
    return progress


class TrainingState:
    """A run's agent, experience, optimizers, emulators, random numbers and place.

    replay: what a checkpoint held; with it, nothing is taken from `config.init`, for
    the checkpoint has what came from elsewhere.

    Raises:
        ConfigError: a device, game or checkpoint that can't be used.
    """

    def __init__(self, config: Config, run: Run, replay: Replay | None = None) -> None:
        self.config = config
        self.run = run
        self.device = set_up_device(config)
        torch.manual_seed(config.seed)
        self.use_bf16(wants_bf16(config, self.device))
        envs = make_vector(config.env, "train", config.env.num_envs)
        self.agent = Agent(config, action_meanings(envs.envs[0]))
        if replay is None:
            init_components(self.agent, config.init)
        self.agent.to(self.device).eval()
        # A CPU's convolutions are faster so, a GPU's slower (its norms copy to and fro)
        tokenizer = self.agent.tokenizer
        if self.device.type != "cuda":
            tokenizer.to(memory_format=tokenizer.memory_format)  # type: ignore[call-overload]
        self.replay = Replay() if replay is None else replay
        # Codes are looked up as fast as reconstructions would be
        keep = not tokenizer.decodes_by_lookup
        limit = int(config.training.reconstructions_gib * 2**30) if keep else 0
        self.experience = Experience(
            self.replay,
            TokenCache(tokenizer, self.replay, limit),
            LossPriorities(),
            random.Random(config.seed),
            self.device,
        )
        self.collector = Collector(envs, self.replay, config.seed)
        self.random_policy = make_random_policy(config, self.agent.num_actions)
        self.tokenizer = TokenizerComponent(self.agent, self.experience)
        self.world_model = WorldModelComponent(self.agent, self.experience)
        self.actor_critic = ActorCriticComponent(
            self.agent, self.experience, self.world_model
        )
        self.progress = Progress()
        self.meter = Meter()
        self.stop_requested = False

    def check_stop(self) -> None:
        """Raise Interrupted if somebody has asked the run to stop."""
        if self.stop_requested:
            raise Interrupted

    @property
    def components(self) -> dict[str, Component]:
        """The three networks by name, in the order in which an epoch trains them."""
        networks = (self.tokenizer, self.world_model, self.actor_critic)
        return {component.name: component for component in networks}

    def use_bf16(self, on: bool) -> None:
        """A resumed run computes as it began, whatever is measured now."""
        self.bf16, self.autocast = on, bf16_autocast(self.device, on)

    def check_finite(self) -> None:
        """DivergedError if a weight is none: such an agent is not to be saved."""
        for name, tensor in self.agent.state_dict().items():
            if not tensor.isfinite().all():
                raise DivergedError(
                    f"The weights {name} are not finite numbers in epoch"
                    f" {self.progress.epoch}, and are not saved"
                )

    def save_agent(self, path: Path, agent: Agent | None = None) -> None:
        """Write the agent, or an earlier one, with a record of what the run's training
        has cost so far."""
        agent = agent or self.agent
        agent.training_record = TrainingRecord(
            preset=preset_of(self.config),
            seed=self.config.seed,
            steps=self.progress.env_steps,
            minutes=round(self.progress.seconds / 60, 2),
            cpu_minutes=round(self.progress.cpu_seconds / 60, 2),
            device=str(self.device),
            commit=self.run.commit,
        )
        agent.save(path)

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, of all but the replay buffer."""
        return {
            "progress": asdict(self.progress),
            "bf16": self.bf16,
            "meter": self.meter.state_dict(),
            "agent": self.agent.state_dict(),
            "components": {n: c.state_dict() for n, c in self.components.items()},
            "collector": self.collector.state_dict(),
            "random_policy": self.random_policy.state_dict(),
            "priorities": self.experience.priorities.state_dict(),
            "token_cache": self.experience.token_cache.state_dict(),
            "random": self.random_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.progress = read_progress(state["progress"])
        self.recall_share()
        self.use_bf16(state["bf16"])
        self.meter.load_state_dict(state["meter"])
        self.agent.load_state_dict(state["agent"])
        for name, component in self.components.items():
            component.load_state_dict(state["components"][name])
        self.collector.load_state_dict(state["collector"], self.device)
        self.random_policy.load_state_dict(state["random_policy"])
        self.experience.priorities.load_state_dict(state["priorities"])
        self.experience.token_cache.load_state_dict(state["token_cache"])
        self.set_random_state(state["random"])

    def recall_share(self) -> None:
        """How much of the run was done when the epoch under way began: of a run that is
        now longer, less than was noted."""
        progress = self.progress
        begins = progress.phase == progress.step == 0
        if begins or self.config.training.cpu_minutes == 0:
            done = progress.epoch - 1, progress.cpu_seconds
            progress.done = share_done(self.config, *done)

    def random_state(self) -> dict[str, Any]:
        """Of the generators that all parts share."""
        version, numbers, gauss = self.experience.rng.getstate()
        cuda = self.device.type == "cuda"
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if cuda else None,
            "python": [version, list(numbers), gauss],
        }

    def set_random_state(self, state: dict[str, Any]) -> None:
        """Go on from `random_state`."""
        version, numbers, gauss = state["python"]
        self.experience.rng.setstate((version, tuple(numbers), gauss))
        torch.set_rng_state(state["torch"].cpu())
        if state["cuda"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"].cpu(), self.device)
