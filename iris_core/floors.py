"""The least time that the computation can take, and what a full run would.

A part's floor: its floating-point operations at the rate of this device's best matrix
product, or the time to read the weights once a pass, whichever is longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from iris_core.bench import wait_for
from iris_core.config.schema import Config
from iris_core.models.agent import Agent

SIZE = 2048  # of the matrices whose product shows the peak rate
BYTES = 2**28  # copied to show the memory's


@dataclass
class Peak:
    """What this device reaches: operations and bytes a second."""

    flop: float
    bytes: float


@dataclass
class Floor:
    """Operations, weights read (bytes), and the seconds that both need at least."""

    flop: float
    bytes: float
    seconds: float


def measure_peak(device: torch.device, bf16: bool) -> Peak:
    """The best of a few products in the dtype that training uses, and of copies."""
    dtype = torch.bfloat16 if bf16 else torch.float32
    x = torch.ones(SIZE, SIZE, dtype=dtype, device=device)
    memory = torch.ones(BYTES // 4, device=device)
    copy = torch.empty_like(memory)
    product = least_seconds(lambda: x @ x, device)
    copied = least_seconds(lambda: copy.copy_(memory), device)
    return Peak(2 * SIZE**3 / product, 2 * BYTES / copied)


def least_seconds(do: Callable[[], object], device: torch.device) -> float:
    took = []
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    for _ in range(5):
        wait_for(device)
        started = clock()
        do()
        wait_for(device)
        took.append(clock() - started)
    return min(took)


# Counting


def count_flop(do: Callable[[], object]) -> float:
    """Floating-point operations of the matrix products and convolutions in `do()`."""
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):  # attention too, as matrix products
        do()
    return float(counter.get_total_flops())


def unit_flop(agent: Agent) -> dict[str, float]:
    """FLOP of one of each: a frame trained on, encoded, decoded; a segment that the
    world model trains on; a dream's block of tokens, predicted; a frame that the policy
    trains on, and looks at."""
    agent = deepcopy(agent)  # for gradients are left behind
    tokenizer, wm, policy = agent.tokenizer, agent.world_model, agent.actor_critic
    length, state = agent.config.world_model.max_blocks, agent.new_state(1)
    frame = torch.rand(1, 3, 64, 64, device=agent.device)
    shape = (1, length, tokenizer.tokens_per_frame)
    tokens = torch.zeros(shape, dtype=torch.int64, device=agent.device)
    segment = wm.sequence(tokens, tokens[..., 0])

    def train_tokenizer() -> None:
        tokenizer.loss(frame).total.backward()

    def train_world_model() -> None:
        output = wm(segment)
        loss = output.observations.sum() + output.rewards.sum() + output.ends.sum()
        loss.backward()

    def train_policy() -> None:
        logits, values, _ = policy(frame, state)
        (logits.sum() + values.sum()).backward()

    flop = {
        "tokenizer": count_flop(train_tokenizer),
        "world_model": count_flop(train_world_model),
        "policy": count_flop(train_policy),
    }
    agent.requires_grad_(False)
    flop["encode"] = count_flop(lambda: tokenizer.tokenize(frame))
    flop["decode"] = count_flop(lambda: tokenizer.decode(tokens[:, 0]))
    flop["look"] = count_flop(lambda: policy(frame, state))
    # A pass over a segment predicts its blocks; a cache leaves one of them
    flop["block"] = count_flop(lambda: wm(segment)) / length
    return flop


def floors(
    agent: Agent, config: Config, unit: dict[str, float], peak: Peak, bf16: bool
) -> dict[str, Floor]:
    """Of an update of each component and of a dream's step, where the replay's frames
    are known as tokens and reconstructions. unit: of `unit_flop`."""
    policy, wm = config.actor_critic, config.world_model
    frames = config.tokenizer.updates.batch_size
    predicted = policy.horizon - 1
    rollout = (
        predicted * (unit["block"] + unit["decode"])
        + policy.burn_in * unit["look"]
        + policy.horizon * unit["policy"]
    )
    passes = 1 if agent.world_model.parallel else agent.tokenizer.tokens_per_frame
    step = passes * weight_bytes(agent, bf16)
    work = {
        "tokenizer": (frames * unit["tokenizer"], 0.0),
        "world_model": (wm.updates.batch_size * unit["world_model"], 0.0),
        "actor_critic": (policy.updates.batch_size * rollout, predicted * step),
        "dream step": (unit["block"] + unit["decode"], step),
    }
    return {
        name: Floor(flop, read, max(flop / peak.flop, read / peak.bytes))
        for name, (flop, read) in work.items()
    }


def weight_bytes(agent: Agent, bf16: bool) -> float:
    """Of the world model, which every pass of a dream reads."""
    numbers = sum(p.numel() for p in agent.world_model.parameters())
    return numbers * (2.0 if bf16 else 4.0)
