"""The least time that the computation can take on this device.

A part's floating-point operations at the rate of the device's best matrix product, or
the time to read the weights once a pass, whichever is longer: a roofline (Williams et
al., 2009).
"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from iris_core.agent import Agent
from iris_core.config.departures import Config
from iris_core.tools.benchmarks.timing import timed

SIZE = 2048  # of the matrices whose product shows the peak rate
BYTES = 2**28  # copied to show the memory's

Figures = dict[str, float]  # flop, bytes: of the work, or a second at most


def measure_peak(device: torch.device, bf16: bool) -> Figures:
    """Of this device: the best of a few products in training's dtype, and of copies."""
    dtype = torch.bfloat16 if bf16 else torch.float32
    x = torch.ones(SIZE, SIZE, dtype=dtype, device=device)
    memory = torch.ones(BYTES // 4, device=device)
    copy = torch.empty_like(memory)
    product = timed(lambda: x @ x, 5, device)["least"]
    copied = timed(lambda: copy.copy_(memory), 5, device)["least"]
    return {"flop": 2 * SIZE**3 / product, "bytes": 2 * BYTES / copied}


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

    def train_world_model() -> None:
        out = wm(segment)
        (out.observations.sum() + out.rewards.sum() + out.ends.sum()).backward()

    def train_policy() -> None:
        logits, values, _ = policy(frame, state)
        (logits.sum() + values.sum()).backward()

    flop = {
        "tokenizer": count_flop(lambda: tokenizer.loss(frame).total.backward()),
        "world_model": count_flop(train_world_model),
        "policy": count_flop(train_policy),
    }
    agent.requires_grad_(False)
    return flop | {
        "encode": count_flop(lambda: tokenizer.tokenize(frame)),
        "decode": count_flop(lambda: tokenizer.decode(tokens[:, 0])),
        "look": count_flop(lambda: policy(frame, state)),
        # A pass over a segment predicts its blocks; a cache leaves one of them
        "block": count_flop(lambda: wm(segment)) / length,
    }


def limits(
    agent: Agent, config: Config, unit: dict[str, float], peak: Figures, bf16: bool
) -> dict[str, Figures]:
    """Of an update of each component and of a dream's step, where the replay's frames
    are known as tokens and reconstructions. unit: of `unit_flop`."""
    policy, wm = config.actor_critic, config.world_model
    predicted, frame = policy.horizon - 1, unit["block"] + unit["decode"]
    rollout = policy.burn_in * unit["look"] + policy.horizon * unit["policy"]
    rollout += predicted * frame
    # Every pass reads the world model's weights
    weights = sum(p.numel() for p in agent.world_model.parameters())
    step = agent.world_model.passes_per_frame * weights * (2.0 if bf16 else 4.0)
    frames = config.tokenizer.updates.batch_size
    return {
        "tokenizer": limit(peak, frames * unit["tokenizer"]),
        "world_model": limit(peak, wm.updates.batch_size * unit["world_model"]),
        "actor_critic": limit(
            peak, policy.updates.batch_size * rollout, predicted * step
        ),
        "dream step": limit(peak, frame, step),
    }


def limit(peak: Figures, flop: float, read: float = 0.0) -> Figures:
    """Operations, bytes that are read, and the seconds of whichever takes longer."""
    seconds = max(flop / peak["flop"], read / peak["bytes"])
    return {"flop": flop, "bytes": read, "seconds": seconds}
