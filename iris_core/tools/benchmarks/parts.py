"""A trainer to be timed, and its parts by name.

The parts are the trainer's own, at a preset's sizes, on a few hundred steps of random
play. Weights are random: what they are does not change how long they take.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from gymnasium.vector import AutoresetMode
from torch import nn

from iris_core.config import Config
from iris_core.cuda_graph import fast
from iris_core.data.frames import to_frames
from iris_core.device import resolve_device
from iris_core.envs.vector import make_vector
from iris_core.evaluate import TestPlay
from iris_core.models.perceptual import LPIPS
from iris_core.tools.benchmarks.timing import Part, Timing, timed
from iris_core.training.runs import Run
from iris_core.training.trainer import Trainer

RANDOM_STEPS = 200  # in the replay that updates sample from
FRAMES = 64  # encoded or decoded together, as the replay's are
# The most that a CPU is given of the paper's batches
SMALL = {"tokenizer": 8, "world_model": 2, "actor_critic": 4}


def make_trainer(config: Config) -> Trainer:
    """A trainer of these settings, its batches cut where a CPU would take hours."""
    small = deepcopy(config)
    paper_sized = config.tokenizer.architecture == "vqgan"
    if paper_sized and resolve_device(config.device).type == "cpu":
        for component, size in SMALL.items():
            updates = getattr(small, component).updates
            updates.batch_size = min(updates.batch_size, size)
    trainer = Trainer(small, Run.create(small))
    # Far apart, as after training: else the nearest is a matter of rounding
    nn.init.normal_(trainer.agent.tokenizer.embedding.weight)
    if config.tokenizer.loss.perceptual > 0:  # no download: any weights take as long
        trainer.agent.tokenizer._lpips.append(LPIPS())
    return trainer


def measure(trainer: Trainer, repeats: int) -> dict[str, Timing]:
    """Every part of training by name; `batch` games, frames or samples a call."""
    for _ in range(math.ceil(RANDOM_STEPS / trainer.config.env.num_envs)):
        trainer.warm_step()
    trainer.collector.begin(trainer.agent)
    trainer.progress.step = 1  # in the middle of collecting
    timings = {}
    for name, (batch, part) in parts(trainer).items():
        warm_token_cache(trainer)
        timings[name] = {"batch": batch, **timed(part, repeats, trainer.device)}
    return timings


def parts(trainer: Trainer) -> dict[str, tuple[int, Part]]:
    """Each part, and how many games, frames or samples a call of it takes."""
    config, tokenizer = trainer.config, trainer.agent.tokenizer
    frames = trainer.replay.sample_frames(FRAMES, trainer.rng, trainer.device)
    with torch.no_grad():
        tokens = tokenizer.tokenize(frames)
    sizes, games = batch_sizes(trainer), config.evaluation.num_envs
    dreams = sizes["actor_critic"]
    return {
        "collect_step": (config.env.num_envs, trainer.collect_step),
        **{
            f"{name}_update": (sizes[name], do) for name, do in updates(trainer).items()
        },
        "dream_step": (dreams, dream_step(trainer, dreams)),
        "dream_step_alone": (1, dream_step(trainer, 1)),
        "encode_frame": (1, no_gradient(trainer, tokenizer.tokenize, frames[:1])),
        "encode_frames": (FRAMES, no_gradient(trainer, tokenizer.tokenize, frames)),
        "decode_frame": (1, no_gradient(trainer, tokenizer.decode, tokens[:1])),
        "decode_frames": (FRAMES, no_gradient(trainer, tokenizer.decode, tokens)),
        "test_step": (games, play_step(trainer, games)),
    }


def batch_sizes(trainer: Trainer) -> dict[str, int]:
    """Of each component's updates."""
    return {c.name: c.config.batch_size for c in trainer.components}


def updates(trainer: Trainer) -> dict[str, Part]:
    """An update of each component."""
    return {c.name: trainer.updater(c) for c in trainer.components}


@torch.no_grad()
def warm_token_cache(trainer: Trainer) -> None:
    """Encode and decode all frames, so that no part is timed with work that the whole
    of training shares: `run_cost.frames_to_know` counts it."""
    cache = trainer.token_cache
    if cache.version == trainer.components[0].updates and cache.encoded.all():
        return
    with trainer.autocast:
        for batch in trainer.replay.traverse(1, FRAMES, pixels=False):
            cache.reconstructions(batch, trainer.tokens(batch))


def no_gradient(trainer: Trainer, do: Callable[..., Any], *args: Any) -> Part:
    """`do(*args)` as training does it where nothing learns."""

    def part() -> None:
        with torch.no_grad(), trainer.autocast:
            do(*args)

    return part


def dream_step(trainer: Trainer, batch: int) -> Part:
    """A step of `batch` dreams; the cache is refreshed in its turn."""
    with trainer.autocast:
        dream = trainer.new_dream()
    frames = trainer.replay.sample_frames(batch, trainer.rng, trainer.device)
    no_gradient(trainer, dream.reset, frames)()
    actions = torch.zeros(batch, dtype=torch.int64, device=trainer.device)
    step = no_gradient(trainer, dream.step, actions)
    if trainer.device.type == "cuda":
        for _ in range(trainer.config.world_model.max_blocks):
            step()  # each length of the cache is recorded once, which takes long
    return step


def play_step(trainer: Trainer, games: int) -> Part:
    """A step of test play, policy and games together."""
    agent, memory = trainer.agent, trainer.agent.new_state(games)
    see = fast(agent.tokenizer.reconstruct, agent.device)
    envs = make_vector(trainer.config.env, "test", games, AutoresetMode.DISABLED)
    play = TestPlay(envs, episodes=games, seed=0, keep=0)

    def step() -> None:
        actions, _ = agent.act(to_frames(play.pixels, agent.device), memory, see=see)
        play.step(actions.cpu().numpy())

    return no_gradient(trainer, step)
