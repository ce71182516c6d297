"""Exercises of notebook 05: dreaming."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from iris_core.agent import Sampler, greedy
from iris_core.config import load_config
from iris_core.models.transformer import KVCache
from iris_core.models.world_model import WorldModel
from lessons.exercises.compare import Wrong
from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice

Step = Callable[[WorldModel, KVCache, Tensor, Sampler], Any]


@cache
def small_world_model() -> WorldModel:
    """4 tokens a frame; random weights, large enough for inputs to matter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        world_model = WorldModel(load_config("smoke").world_model, 8, 3, 4).eval()
        for weight in world_model.parameters():
            torch.nn.init.normal_(weight, std=0.5)
    return world_model


def last_step(answer: Step, steps: int) -> Any:
    """What the last step of two dreams returns, and how much the cache holds then."""
    world_model = small_world_model()
    kept = world_model.new_cache(2)
    with torch.no_grad():
        world_model(torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7]]), kept)
        for actions in torch.tensor([[0, 1], [2, 1], [1, 0]])[:steps]:
            given = answer(world_model, kept, actions, greedy)
    if not isinstance(given, tuple) or len(given) != 3:
        raise Wrong("return three things: tokens, rewards, ends")
    return *given, kept.size


@exercise(
    parts=["tokens", "rewards", "ends", "tokens in the cache"],
    observe=last_step,
    case="two dreams, step {0}",
    cases=[(1,), (2,), (3,)],
    slips={
        "the classes 0, 1, 2 stand for -1, 0, +1": ".float() - 1 -> .float()",
        "rewards and ends come from the action's pass; a frame token's pass"
        " has none": "rewards, ends -> sample(output.rewards[:, -1]), ends",
        "feed each token through the cache, then read the"
        " NEW logits": "output = world_model(tokens -> world_model(tokens",
        "the frame's last token must be fed too: the next action looks at it": (
            "output = world_model(tok -> if len(tokens) < 4: output = world_model(tok"
        ),
        "a step adds one action and K frame tokens,"
        " each once": "return -> world_model(actions[:, None], cache); return",
    },
)
def step(
    world_model: WorldModel, cache: KVCache, actions: Tensor, sample: Sampler
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of B dreams: tokens (B, K), rewards (B,), ends (B,)."""
    output = world_model(actions[:, None], cache)
    rewards = sample(output.rewards[:, -1]).float() - 1
    ends = sample(output.ends[:, -1]).bool()
    tokens: list[Tensor] = []
    for _ in range(world_model.tokens_per_frame):
        tokens.append(sample(output.observations[:, -1]))
        output = world_model(tokens[-1][:, None], cache)
    return torch.stack(tokens, dim=1), rewards, ends


@exercise(
    parts=["tokens", "passes"],
    cases=[(16, 20), (2, 3), (64, 20), (16, 1), (4, 10)],
    slips={
        "the last step needs its reward and end, but no next frame": (
            lambda k, horizon: (k + (k + 1) * horizon, 1 + (k + 1) * horizon)
        ),
        "the tokens of the start go in together, and that is a pass"
        " as well": "passes = 1 + -> passes =",
        "the start's tokens go in together, in"
        " one pass": "passes = 1 -> passes = tokens_per_frame",
        "an action is a token too, and has"
        " a pass": "(tokens_per_frame + 1) -> tokens_per_frame",
    },
)
def budget(tokens_per_frame: int, horizon: int) -> tuple[int, int]:
    """Tokens a rollout puts into the cache, and passes it takes."""
    whole_steps = horizon - 1  # the last one needs no next frame
    tokens = tokens_per_frame + whole_steps * (tokens_per_frame + 1) + 1
    passes = 1 + whole_steps * (tokens_per_frame + 1) + 1
    return tokens, passes


@exercise(
    cases={
        "room for 340: a frame of 16 and 19 steps of 17": (340, 16, 60),
        "room for 9: a frame of 2 and two steps of 3": (9, 2, 8),
        "room for 8: a frame of 2 and two steps of 3": (8, 2, 8),
        "room for 170: a frame of 16 and 9 steps of 17": (170, 16, 30),
        "all 19 steps fit": (340, 16, 19),
    },
    slips={
        "a refresh leaves the current frame in the cache, not an"
        " empty one": "held = tokens_per_frame -> held = 0",
        "the cache holds a frame before the first step": "[], tokens -> [], 0 * tokens",
        "the cache is never empty: it holds a frame at first and after a refresh": (
            lambda room, k, steps: [*range(steps + 1)][1 + (n := room // (k + 1)) :: n]
        ),
        "a step needs room for 1 action and K"
        " frame tokens": "tokens_per_frame + 1 -> tokens_per_frame",
        "a step that just fits needs no refresh": "> max_tokens -> >= max_tokens",
        "steps are numbered from 1, and the refresh comes before"
        " the step": "append(number) -> append(number - 1)",
    },
)
def refreshes(max_tokens: int, tokens_per_frame: int, steps: int) -> list[int]:
    """The steps, numbered from 1, before which the cache is filled anew."""
    found, held = [], tokens_per_frame
    for number in range(1, steps + 1):
        if held + tokens_per_frame + 1 > max_tokens:
            found.append(number)
            held = tokens_per_frame
        held += tokens_per_frame + 1
    return found


CLASSES = torch.tensor([[1, 2, 1, 2], [2, 0, 2, 2], [2, 2, 2, 2], [0, 1, 0, 1]])
ENDS = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1]]).bool()


@exercise(
    cases=[(CLASSES, ENDS)],
    slips={
        "a class stands for its number less 1": ".float() - 1 -> .float()",
        "the step that ends still counts": " - ends.int() -> ",
        "what comes after the first end never happens": " * (ended_before == 0) -> ",
        "leave out the steps after an end, not that one": "ended_before == 0 -> ~ends",
        "that is the sum AFTER the first end": "ended_before == 0 -> ended_before > 0",
    },
)
def dream_return(classes: Tensor, ends: Tensor) -> Tensor:
    """Sum of rewards up to and with the first end: (B, H), (B, H) -> (B,)."""
    ended_before = ends.int().cumsum(1) - ends.int()  # ends at earlier steps
    return ((classes.float() - 1) * (ended_before == 0)).sum(1)


@exercise(
    cases=[
        *((0.97, tokens, t) for t in (1.0, 0.5) for tokens in (1, 16)),
        (0.97, 16, 2.0),
        (0.8, 4, 0.5),
    ],
    slips={
        "divide by the sum over both codes, as softmax does": " / (right + rival) -> ",
        "the temperature changes nothing there": "(1 / temperature) -> 1",
        "p becomes p to the power of 1 / T, not of T": "1 / temperature -> temperature",
        "that is one token; a frame is right if ALL its tokens are": " ** tokens -> ",
        "that is no probability; multiply chances": lambda p, tokens, t: p * tokens,
    },
)
def frame_right(p: float, tokens: int, temperature: float) -> float:
    """The chance that none of a frame's tokens slips, with one rival for each."""
    right, rival = p ** (1 / temperature), (1 - p) ** (1 / temperature)
    return float((right / (right + rival)) ** tokens)


why_colder = Choice(
    "why_colder",
    "b",  # a slip here and there, and every later frame builds on it
    a="the cache does not know of the temperature: it holds the same number of tokens"
    " in both dreams",
    c="rewards and ends are sampled at temperature 1 in both dreams",
    d="the decoder draws what it is told: the same tokens give the same picture",
)
