"""Checks of notebook 05, Dreaming."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from iris_core.config import load_config
from iris_core.dream import DreamEnv
from iris_core.models.agent import Agent, greedy
from iris_core.models.transformer import KVCache
from iris_core.models.world_model import WorldModel
from lessons.exercise import Wrong, choose, exercise, expect

Step = Callable[[WorldModel, KVCache, Tensor, Any], tuple[Tensor, Tensor, Tensor]]


@exercise
def step(answer: Step) -> None:
    """answer(world_model, cache, actions, sample) -> tokens, rewards, ends."""
    agent = small_agent()
    wm = agent.world_model
    dream = DreamEnv(agent.tokenizer, wm, greedy)
    start = torch.arange(32).reshape(2, 16)
    dream.start(start[:, None], torch.zeros(2, 0, dtype=torch.int64))
    cache = wm.new_cache(2)
    with torch.no_grad():
        wm(start, cache)
        for number, actions in enumerate(torch.tensor([[0, 1], [2, 1], [1, 0]]), 1):
            _, rewards, ends = dream.step(actions)
            given = answer(wm, cache, actions, greedy)
            if not isinstance(given, tuple) or len(given) != 3:
                raise Wrong("return three things: tokens, rewards, ends")
            case = f"two dreams, step {number}"
            check_rewards(given[1], rewards, case)
            expect(given[2], ends, f"{case}, ends", atol=0)
            check_tokens(given[0], dream.tokens, case)
            check_cache(cache.size, dream.cache.size, case)


def small_agent() -> Agent:
    """16 tokens a frame, random weights large enough for inputs to matter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        agent = Agent(load_config("smoke"), ["NOOP", "LEFT", "RIGHT"]).eval()
        with torch.no_grad():
            for weight in agent.world_model.parameters():
                weight.normal_(std=0.5)
    return agent


def check_rewards(got: Tensor, wanted: Tensor, case: str) -> None:
    if not isinstance(got, Tensor) or got.shape != wanted.shape:
        expect(got, wanted, f"{case}, rewards")
    if torch.equal(got.float(), wanted + 1):
        raise Wrong(
            f"{case}, rewards: got {got.tolist()}, expected {wanted.tolist()}: the"
            " classes 0, 1, 2 stand for -1, 0, +1"
        )
    expect(got, wanted, f"{case}, rewards (from the action's position)", atol=0)


def check_tokens(got: Tensor, wanted: Tensor, case: str) -> None:
    if not isinstance(got, Tensor) or got.shape != wanted.shape:
        expect(got, wanted, f"{case}, tokens")
    wrong = (got != wanted).any(0)
    if not wrong.any():
        return
    first = int(wrong.int().argmax())
    why = (
        "the action's own logits predict it"
        if first == 0
        else f"feed token {first - 1} through the cache, then read the new logits"
    )
    raise Wrong(
        f"{case}: the frame's token {first} is {got[:, first].tolist()}, expected"
        f" {wanted[:, first].tolist()}: {why}"
    )


def check_cache(got: int, wanted: int, case: str) -> None:
    if got == wanted - 1:
        why = "the frame's last token must be fed too: the next action looks at it"
    else:
        why = "a step adds one action and 16 frame tokens, each once"
    if got != wanted:
        raise Wrong(f"{case}: the cache holds {got} tokens, expected {wanted}: {why}")


@exercise
def budget(answer: Callable[[int, int], tuple[int, int]]) -> None:
    """answer(tokens_per_frame, horizon) -> tokens in memory, passes."""
    for k, horizon in [(16, 20), (2, 3), (64, 20), (16, 1), (4, 10)]:
        tokens, passes = answer(k, horizon)
        case = f"{k} tokens a frame, {horizon} steps"
        wanted = (k + 1) * horizon
        if tokens == wanted + k:
            raise Wrong(
                f"{case}: got {tokens} tokens, expected {wanted}: the last step needs"
                " its reward and end, but no next frame"
            )
        expect(tokens, wanted, f"{case}, tokens", atol=0)
        wanted = 2 + (k + 1) * (horizon - 1)
        if passes == wanted - 1:
            raise Wrong(
                f"{case}: got {passes} passes, expected {wanted}: the {k} tokens of the"
                " start go in together, and that is a pass as well"
            )
        if passes == (k + 1) * horizon:
            raise Wrong(
                f"{case}: got {passes} passes, expected {wanted}: the start's tokens go"
                " in together, in one pass"
            )
        expect(passes, wanted, f"{case}, passes", atol=0)


@exercise
def refreshes(answer: Callable[[int, int, int], list[int]]) -> None:
    """answer(max_tokens, tokens_per_frame, steps) -> the steps that refresh."""
    for most, k, steps in [(340, 16, 60), (9, 2, 8), (170, 16, 30), (340, 16, 19)]:
        got = [int(each) for each in answer(most, k, steps)]
        wanted = right_refreshes(most, k, steps)
        if got == wanted:
            continue
        why = "a step fits while the cache has room for 1 action and K frame tokens"
        if got == [each - 1 for each in wanted]:
            why = "steps are numbered from 1, and the refresh comes before the step"
        elif got[:1] == wanted[:1]:
            why = "a refresh leaves the current frame in the cache, not an empty one"
        raise Wrong(
            f"{most} tokens of memory, {k} a frame, {steps} steps: got {got}, expected"
            f" {wanted}: {why}"
        )


def right_refreshes(most: int, k: int, steps: int) -> list[int]:
    fits = (most - k) // (k + 1)  # steps behind the frame that a cache starts with
    return list(range(fits + 1, steps + 1, fits))


@exercise
def dream_return(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """answer(classes, ends) -> the sum of rewards up to the first end, (B,)."""
    classes = torch.tensor([[1, 2, 1, 2], [2, 0, 2, 2], [2, 2, 2, 2], [0, 1, 0, 1]])
    ends = torch.zeros(4, 4, dtype=torch.bool)
    ends[1, 1] = ends[1, 3] = ends[2, 0] = ends[3, 3] = True
    got = answer(classes, ends)
    wanted = torch.tensor([2.0, 0.0, 1.0, -2.0])
    if not isinstance(got, Tensor) or got.shape != wanted.shape:
        expect(got, wanted, "four dreams of four steps")
    for row in range(4):
        if float(got[row]) != float(wanted[row]):
            raise Wrong(
                f"classes {classes[row].tolist()}, ends {ends[row].int().tolist()}: got"
                f" {float(got[row]):g}, expected {float(wanted[row]):g}: a class stands"
                " for its number less 1, and the step that ends still counts"
            )


@exercise
def frame_right(answer: Callable[[float, int, float], float]) -> None:
    """answer(p, tokens, temperature) -> the chance of a frame without a slip."""
    for p, tokens, temperature in [
        (0.97, 1, 1.0),
        (0.97, 16, 1.0),
        (0.97, 1, 0.5),
        (0.97, 16, 0.5),
        (0.97, 16, 2.0),
        (0.8, 4, 0.5),
    ]:
        right, rival = p ** (1 / temperature), (1 - p) ** (1 / temperature)
        wanted = (right / (right + rival)) ** tokens
        got = float(answer(p, tokens, temperature))
        case = f"p = {p}, {tokens} tokens, temperature {temperature:g}"
        if got > 1 or got < 0:
            raise Wrong(f"{case}: got {got:.4g}, which is no probability")
        if abs(got - right**tokens) < 1e-6 and temperature != 1:
            raise Wrong(
                f"{case}: got {got:.4g}, expected {wanted:.4g}: divide by the sum over"
                " both codes, as softmax does"
            )
        expect(got, wanted, case)


@exercise
def why_colder(answer: str) -> None:
    """answer is one of a, b, c, d."""
    replies = {
        "a": "the cache does not know of the temperature: it holds the same number of"
        " tokens in both dreams",
        "c": "rewards and ends are sampled at temperature 1 in both dreams",
        "d": "the decoder draws what it is told: the same tokens give the same picture",
    }
    choose(answer, "b", replies)
