"""The epoch loop: play a little, train each component, test, save (algorithm 1).

An epoch is a list of stretches: collect, tokenizer, world_model, actor_critic. The
trainer knows which stretch and which step of it comes next, and a checkpoint holds
that too, so a run may stop anywhere and go on as if it never had.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from iris_core.config import Config, preset_of
from iris_core.device import (
    bf16_autocast,
    keep_freed_memory,
    refuse_tf32,
    resolve_device,
    wants_bf16,
)
from iris_core.dream import DreamEnv, imagine
from iris_core.envs.game import action_meanings
from iris_core.envs.vector import make_vector
from iris_core.graphed_dream import GraphedDream
from iris_core.models.actor_critic import Rollout, follow, slow_copy
from iris_core.models.agent import Agent, Card, categorical
from iris_core.models.losses import Losses
from iris_core.replay import Batch, EpisodeStats, Replay
from iris_core.training import checkpoint
from iris_core.training.collect import Collector
from iris_core.training.component import Component, DivergedError, annealed
from iris_core.training.loggers import make_loggers
from iris_core.training.meter import Meter
from iris_core.training.report import Reporter, Result
from iris_core.training.runs import Run
from iris_core.training.surprise import Surprise
from iris_core.training.token_cache import TokenCache

REVIVE_EVERY = 50  # tokenizer updates between two looks for dead codes
START_FRAMES = 2048  # frames that the tokenizer starts from


@dataclass
class Progress:
    """Where a run is: what has been done, and what comes next."""

    epoch: int = 1  # under way, from 1
    stretch: int = 0  # of the epoch's plan
    step: int = 0  # of the stretch
    env_steps: int = 0  # in the training environments, all epochs
    seconds: float = 0.0  # of training, tests left out
    cpu_seconds: float = 0.0  # of all cores; what other programs take is not in it
    done: float = 0.0  # share of the run, when the epoch under way began
    best_return: float = -float("inf")  # mean of a test
    best_train_return: float = -float("inf")  # of one training episode


class Interrupted(Exception):
    """Somebody pressed Ctrl-C; raised between two steps."""


class Trainer:
    """Trains an agent from a configuration into a run folder.

    Raises:
        ConfigError: a device, game or checkpoint that can't be used.
    """

    def __init__(self, config: Config, run: Run, resuming: bool = False) -> None:
        self.config = config
        self.run_folder = run
        self.device = resolve_device(config.device)
        refuse_tf32()
        keep_freed_memory()
        if self.device.type == "cuda" and self.device.index:
            torch.cuda.set_device(self.device)  # graphs are recorded on the current one
        if config.threads > 0:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.rng = random.Random(config.seed)
        self.use_bf16(wants_bf16(config, self.device))
        envs = make_vector(config.env, "train", config.env.num_envs)
        actions = action_meanings(envs.envs[0])
        self.agent = Agent.from_config(config, len(actions), actions)
        if not resuming:  # the run's own checkpoint has what came from elsewhere
            checkpoint.start_parts(self.agent, config.init)
        self.agent.to(self.device).eval()
        # A CPU's convolutions are faster so, a GPU's slower (its norms copy to and fro)
        if config.tokenizer.architecture == "vqgan" and self.device.type != "cuda":
            self.agent.tokenizer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.slow_critic = slow_copy(self.agent.actor_critic)
        self.replay = Replay()
        # Patches are looked up as fast as their reconstructions would be
        patch = config.tokenizer.architecture == "patch"
        limit = 0 if patch else int(config.training.reconstructions_gib * 2**30)
        self.token_cache = TokenCache(self.agent.tokenizer, limit)
        self.surprise = Surprise()
        self.collector = Collector(envs, self.replay, config.seed)
        self.components = self.make_components()
        self.progress = Progress()
        self.meter = Meter()
        self.dreams: DreamEnv | None = None
        self.dreamt: Rollout | None = None  # what the actor-critic learns from again
        self.stopping = False

    @classmethod
    def resume(cls, run: Run) -> Trainer:
        """Go on from the last checkpoint of a run, exactly."""
        trainer = cls(run.config, run, resuming=True)
        checkpoint.load(trainer, run)
        return trainer

    @property
    def remembers_surprise(self) -> bool:
        config = self.config
        shares = (config.world_model.surprise_share, config.actor_critic.surprise_share)
        return any(share > 0 for share in shares)

    def use_bf16(self, on: bool) -> None:
        """A resumed run computes as it began, whatever is measured now."""
        self.bf16, self.autocast = on, bf16_autocast(self.device, on)

    def make_components(self) -> list[Component]:
        """The three networks, in the order in which an epoch trains them."""
        agent, config = self.agent, self.config
        lr, fused = 1e-4, self.device.type != "mps"  # Component sets the real lr
        wm_groups = agent.world_model.optimizer_groups(
            config.world_model.updates.weight_decay
        )
        tokenizer = torch.optim.Adam(agent.tokenizer.parameters(), lr, fused=fused)
        world_model = torch.optim.AdamW(wm_groups, lr, fused=fused)
        actor = torch.optim.Adam(agent.actor_critic.parameters(), lr, fused=fused)
        return [
            Component(
                "tokenizer",
                agent.tokenizer,
                tokenizer,
                config.tokenizer.updates,
                self.tokenizer_loss,
            ),
            Component(
                "world_model",
                agent.world_model,
                world_model,
                config.world_model.updates,
                self.world_model_loss,
            ),
            Component(
                "actor_critic",
                agent.actor_critic,
                actor,
                config.actor_critic.updates,
                self.actor_critic_loss,
            ),
        ]

    # A batch of each component's own kind, and its loss

    def tokenizer_loss(self) -> Losses:
        size = self.config.tokenizer.updates.batch_size
        frames = self.replay.sample_frames(size, self.rng, self.device)
        return self.agent.tokenizer.loss(frames)

    def world_model_loss(self) -> Losses:
        batch = self.world_model_batch()
        tokens = self.tokens(batch)
        losses = self.agent.world_model.loss(tokens, batch.to(self.device))
        if self.remembers_surprise:
            assert losses.nats is not None
            self.surprise.note(batch, losses.nats)
        return losses

    def world_model_batch(self) -> Batch:
        """Segments of play, without pixels: some of them surprising, some eventful."""
        config = self.config.world_model
        size, length = config.updates.batch_size, config.max_blocks
        again = round(config.surprise_share * size)
        places = self.replay.places(
            size - again,
            length,
            self.rng,
            event_share=config.event_share,
            event_reach=length,
        )
        # What surprised lies behind the first frame: that one is not foreseen
        places += self.surprising(again, range(1, length))
        return self.replay.batch(places, length, pixels=False)

    def surprising(self, n: int, back: range) -> list[tuple[int, int]]:
        """n places a few steps, of `back`, before something that surprised."""
        if n == 0:
            return []
        steps = self.surprise.steps(self.replay, n, self.rng)
        return [(i, max(step - self.rng.choice(back), 0)) for i, step in steps]

    def tokens(self, batch: Batch) -> Tensor:
        """Of the batch's frames, (B, T, K); encoded once while the tokenizer rests."""
        return self.token_cache.tokens(batch, self.components[0].updates)

    def dream(self) -> Rollout:
        config = self.config.actor_critic
        batch = self.dream_starts()
        slow = self.slow_critic if config.target_decay > 0 else None
        tokens = self.tokens(batch)
        seen = self.token_cache.reconstructions(batch, tokens)
        return imagine(
            self.agent,
            batch.to(self.device),
            config.horizon,
            categorical,
            slow,
            tokens,
            seen,
            self.dream_env(),
        )

    def dream_starts(self) -> Batch:
        """Real steps that dreams start from, each the last of its row, no pixels."""
        config = self.config.actor_critic
        size, length = config.updates.batch_size, config.burn_in + 1
        again = round(config.surprise_share * size)
        places = self.replay.places(
            size - again,
            length,
            self.rng,
            from_start=False,
            event_share=config.event_share,
            event_reach=config.horizon,
        )
        starts = self.surprising(again, range(config.horizon))
        places += [(i, step + 1 - length) for i, step in starts]
        return self.replay.batch(places, length, pixels=False)

    def dream_env(self) -> DreamEnv:
        """Where rollouts happen: in the world model as it is now."""
        if self.dreams is None:
            self.dreams = self.new_dream()
        self.dreams.follow(self.agent.world_model, self.components[1].updates)
        return self.dreams

    def new_dream(self) -> DreamEnv:
        if self.device.type == "cuda":
            return GraphedDream(self.agent)
        return DreamEnv.of(self.agent)

    def actor_critic_loss(self) -> Losses:
        if self.dreamt is not None:
            return self.agent.actor_critic.loss(self.dreamt, again=True)
        return self.agent.actor_critic.loss(self.dream())

    # The steps of each stretch

    def plan(self, epoch: int) -> list[tuple[str, int, Callable[[], dict[str, Any]]]]:
        """The stretches of an epoch: name, number of steps, what a step is."""
        collection, n = self.config.collection, self.config.env.num_envs
        stretches: list[tuple[str, int, Callable[[], dict[str, Any]]]] = []
        if epoch == 1 and collection.warm_start_steps > 0:
            steps = -(-collection.warm_start_steps // n)
            stretches.append(("warm_start", steps, self.warm_step))
        if epoch <= collection.epochs or self.config.training.cpu_minutes > 0:
            steps = -(-collection.steps_per_epoch // n)
            stretches.append(("collect", steps, self.collect_step))
        for component in self.components:
            update = self.updater(component)
            stretches.append((component.name, component.updates_in(epoch), update))
        return stretches

    def warm_step(self) -> dict[str, Any]:
        return self.collected(self.collector.warm_step(self.config.collection))

    def collect_step(self) -> dict[str, Any]:
        with self.autocast:
            if self.progress.step == 0:
                self.collector.begin(self.agent)
            over = self.collector.policy_step(self.agent, self.config.collection)
        return self.collected(over)

    def collected(self, over: list[EpisodeStats]) -> dict[str, Any]:
        self.progress.env_steps += self.config.env.num_envs
        if not over:
            return {}
        return {
            "return": float(np.mean([s.episode_return for s in over])),
            "length": float(np.mean([s.length for s in over])),
        }

    def updater(self, component: Component) -> Callable[[], dict[str, Any]]:
        anneal_from = component.config.anneal_from
        component.annealed = annealed(anneal_from, self.progress.done)

        def update() -> dict[str, Tensor]:
            if component.name == "tokenizer":
                self.tend_codebook(component.updates)
            if component.name == "world_model" and component.updates == 0:
                self.start_world_model()
            if component.name == "actor_critic":
                if component.updates == 0:
                    self.start_policy()
                return self.learn_from_dream(component)
            return component.update(self.autocast)

        return update

    def learn_from_dream(self, component: Component) -> dict[str, Tensor]:
        """One dream and the actor-critic's gradient steps on it."""
        config = self.config.actor_critic
        if config.updates_per_dream > 1:
            with torch.no_grad(), self.autocast:
                self.dreamt = self.dream()
        for _ in range(config.updates_per_dream):
            figures = component.update(self.autocast)
            follow(self.slow_critic, self.agent.actor_critic, config.target_decay)
        self.dreamt = None
        return figures

    def tend_codebook(self, updates: int) -> None:
        """Start the codebook from data, and later give dead codes another chance."""
        init, tokenizer = self.config.init, self.agent.tokenizer
        if updates == 0 and not (init.path and init.tokenizer):
            frames = self.some_frames()
            tokenizer.start_from(frames, frames.median(dim=0).values)
        elif self.config.tokenizer.revive_dead_codes and updates % REVIVE_EVERY == 0:
            tokenizer.revive(self.some_frames())

    def start_world_model(self) -> None:
        """Show a new world model the codebook, where so configured."""
        init, config = self.config.init, self.config.world_model
        if config.codebook_start and not (init.path and init.world_model):
            codes = self.agent.tokenizer.embedding.weight.detach()
            self.agent.world_model.start_from(codes)

    def start_policy(self) -> None:
        """Show a new policy the game's median frame; one that came trained knows it."""
        init, policy = self.config.init, self.agent.actor_critic
        if not (init.path and init.actor_critic):
            policy.see_background(self.some_frames().median(dim=0).values)
        self.slow_critic = slow_copy(policy)

    def some_frames(self) -> Tensor:
        return self.replay.sample_frames(START_FRAMES, self.rng, self.device)

    # The loop

    def run(self) -> Result:
        """Train to the end, or until Ctrl-C; test, draw and report.

        Raises:
            DivergedError: a loss is not finite; the last checkpoint is as it was.
        """
        progress, config = self.progress, self.config
        resumed = progress.epoch - 1 if progress.env_steps else None
        loggers = make_loggers(config, self.run_folder, resumed)
        report = Reporter(self, loggers)
        try:
            with self.interruptible():
                begun = progress.stretch > 0 or progress.step > 0
                while begun or not self.is_last(progress.epoch - 1):
                    self.run_epoch(report)
                    begun = False
                return report.finish()
        except Interrupted:
            checkpoint.save(self, self.run_folder)
            return Result(interrupted=True)
        except DivergedError as error:
            raise DivergedError(
                f"{error} in epoch {progress.epoch}. The last good checkpoint is kept; "
                "a lower learning rate or clip_norm may help."
            ) from error
        finally:
            for logger in loggers:
                logger.close()

    def share_done(self) -> float:
        """How much of the run lies behind the epoch that comes next, in [0, 1]."""
        training = self.config.training
        if training.cpu_minutes > 0:
            return min(1.0, self.progress.cpu_seconds / (60 * training.cpu_minutes))
        return (self.progress.epoch - 1) / training.epochs

    def is_last(self, epoch: int) -> bool:
        """Whether the run ends with an epoch that has just been trained."""
        training = self.config.training
        if training.cpu_minutes > 0:
            return self.progress.cpu_seconds >= 60 * training.cpu_minutes
        return epoch >= training.epochs

    def run_epoch(self, report: Reporter) -> None:
        """What is left of the epoch under way, then its test, line and checkpoint."""
        progress = self.progress
        for name, steps, do in self.plan(progress.epoch)[progress.stretch :]:
            title = f"epoch {progress.epoch} {name}"
            bar = tqdm(total=steps, initial=progress.step, desc=title, leave=False)
            with bar, self.timed(name):
                while progress.step < steps:
                    self.check_stop()
                    self.meter.add(name, do())
                    progress.step += 1
                    bar.update()
            for component in self.components:
                component.settle()
            progress.stretch += 1
            progress.step = 0
        report.epoch(progress.epoch, self.meter.means())
        self.meter = Meter()
        progress.epoch += 1
        progress.stretch = 0
        progress.done = self.share_done()
        done = progress.epoch - 1
        last = self.is_last(done)
        if done % self.config.training.checkpoint_every == 0 or last:
            checkpoint.save(self, self.run_folder)

    def save_agent(self, path: Path) -> None:
        """Write the agent, with a card of what its training has cost so far."""
        self.agent.card = Card(
            preset=preset_of(self.config),
            seed=self.config.seed,
            steps=self.progress.env_steps,
            minutes=round(self.progress.seconds / 60, 2),
            cpu_minutes=round(self.progress.cpu_seconds / 60, 2),
            device=str(self.device),
            commit=self.run_folder.commit,
        )
        self.agent.save(path)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note the time of the steps inside, also when Ctrl-C cuts them short."""
        started, first = time.perf_counter(), self.progress.step
        cpu_started = time.process_time()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self.progress.seconds += seconds
            self.progress.cpu_seconds += time.process_time() - cpu_started
            self.meter.seconds(name, seconds, self.progress.step - first)

    def check_stop(self) -> None:
        if self.stopping:
            raise Interrupted

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Ctrl-C asks the loop to stop at its next step; a second one kills it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(*_: object) -> None:
            self.stopping = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
