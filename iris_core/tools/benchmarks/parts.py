"""A run to be timed, and its parts by name.

The parts are those of training, at a preset's sizes, on a few hundred steps of random
play. Weights are random: what they are does not change how long they take.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeVar

import torch
from gymnasium.vector import AutoresetMode
from torch import nn
from tqdm.auto import tqdm

from iris_core.config import Config
from iris_core.data.frames import to_frames
from iris_core.envs.vector import make_vector, most_test_steps
from iris_core.evaluation.test_play import TestEpisodes
from iris_core.models.lpips import LPIPS
from iris_core.runtime.cuda_graphs import fast
from iris_core.runtime.device import resolve_device
from iris_core.runtime.run_folder import Run
from iris_core.tools.benchmarks.timing import Part, Timing, timed
from iris_core.training.component import Component
from iris_core.training.state import TrainingState
from iris_core.training.trainer import Trainer

RANDOM_STEPS = 200  # in the replay that updates sample from
FRAMES = 64  # encoded or decoded together, as the replay's are
# The most that a CPU is given of the paper's batches
SMALL = {"tokenizer": 8, "world_model": 2, "actor_critic": 4}

T = TypeVar("T")


def make_state(config: Config) -> TrainingState:
    """A run of these settings, its batches cut where a CPU would take hours."""
    small = deepcopy(config)
    paper_sized = config.tokenizer.architecture == "vqgan"
    if paper_sized and resolve_device(config.device).type == "cpu":
        for component, size in SMALL.items():
            updates = getattr(small, component).updates
            updates.batch_size = min(updates.batch_size, size)
    state = TrainingState(small, Run.create(small))
    # Far apart, as after training: else the nearest is a matter of rounding
    nn.init.normal_(state.agent.tokenizer.embedding.weight)
    if config.tokenizer.loss.perceptual > 0:  # no download: any weights take as long
        state.agent.tokenizer._lpips.append(LPIPS())
    return state


def measure(state: TrainingState, repeats: int) -> dict[str, Timing]:
    """Every part of training by name; `batch` games, frames or samples a call."""
    for _ in range(math.ceil(RANDOM_STEPS / state.config.env.num_envs)):
        state.collector.warm_step(state.random_policy)
    state.collector.begin(state.agent)
    state.progress.step = 1  # in the middle of collecting
    return {
        name: {"batch": batch, **time_part(state, part, repeats)}
        for name, (batch, part) in with_bar(parts(state))
    }


def with_bar(named: Mapping[str, T]) -> Iterator[tuple[str, T]]:
    """Its items, while a bar names the one that is being timed."""
    with tqdm(named.items(), unit="part", leave=False) as bar:
        for name, each in bar:
            bar.set_description(name)
            yield name, each


def time_part(state: TrainingState, part: Part, repeats: int) -> Timing:
    """Seconds of a part, without the work that the whole of training shares: all frames
    are encoded and decoded before (`run_cost.frames_to_know` counts them)."""
    warm_token_cache(state)
    return timed(part, repeats, state.device)


@torch.no_grad()
def warm_token_cache(state: TrainingState) -> None:
    cache = state.experience.token_cache
    if len(cache.encoded) > state.replay.num_steps and cache.encoded.all():
        return
    with state.autocast:
        for batch in state.replay.traverse(1, FRAMES, pixels=False):
            cache.reconstructions(batch, cache.tokens(batch))


def parts(state: TrainingState) -> dict[str, tuple[int, Part]]:
    """Each part, and how many games, frames or samples a call of it takes."""
    config, tokenizer = state.config, state.agent.tokenizer
    frames = state.experience.frames(FRAMES)
    with torch.no_grad():
        tokens = tokenizer.tokenize(frames)
    sizes, games = batch_sizes(state), config.evaluation.num_envs
    dreams = sizes["actor_critic"]
    return {
        "collect_step": (config.env.num_envs, Trainer(state, []).collect_step),
        **{f"{name}_update": (sizes[name], do) for name, do in updates(state).items()},
        "dream_step": (dreams, dream_step(state, dreams)),
        "dream_step_alone": (1, dream_step(state, 1)),
        "encode_frame": (1, no_gradient(state, tokenizer.tokenize, frames[:1])),
        "encode_frames": (FRAMES, no_gradient(state, tokenizer.tokenize, frames)),
        "decode_frame": (1, no_gradient(state, tokenizer.decode, tokens[:1])),
        "decode_frames": (FRAMES, no_gradient(state, tokenizer.decode, tokens)),
        "test_step": (games, play_step(state, games)),
    }


def batch_sizes(state: TrainingState) -> dict[str, int]:
    """Of each component's updates."""
    return {name: c.config.batch_size for name, c in state.components.items()}


def updates(state: TrainingState) -> dict[str, Part]:
    """An update of each component."""

    def update_of(component: Component) -> Part:
        return lambda: component.update(state.autocast)

    return {name: update_of(c) for name, c in state.components.items()}


def no_gradient(state: TrainingState, do: Callable[..., Any], *args: Any) -> Part:
    """`do(*args)` as training does it where nothing learns."""

    def part() -> None:
        with torch.no_grad(), state.autocast:
            do(*args)

    return part


def dream_step(state: TrainingState, batch: int) -> Part:
    """A step of `batch` dreams; the cache is refreshed in its turn."""
    with state.autocast:
        dream = state.actor_critic.new_env()
    frames = state.experience.frames(batch)
    no_gradient(state, dream.reset, frames)()
    actions = torch.zeros(batch, dtype=torch.int64, device=state.device)
    step = no_gradient(state, dream.step, actions)
    if state.device.type == "cuda":
        for _ in range(state.config.world_model.max_blocks):
            step()  # each length of the cache is recorded once, which takes long
    return step


def play_step(state: TrainingState, games: int) -> Part:
    """A step of test play, policy and games together."""
    agent, lstm_state = state.agent, state.agent.new_state(games)
    reconstruct = fast(agent.tokenizer.reconstruct, agent.device)
    envs = make_vector(state.config.env, "test", games, AutoresetMode.DISABLED)
    limit = most_test_steps(state.config.env)
    play = TestEpisodes(envs, episodes=games, seed=0, keep=0, limit=limit)

    def step() -> None:
        frames = to_frames(play.pixels, agent.device)
        actions, _ = agent.act(frames, lstm_state, reconstruct=reconstruct)
        play.step(actions.cpu().numpy())

    return no_gradient(state, step)
