"""The graphs of `graphs.py` as ONNX models."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import onnx
import torch
from onnxscript import opset18 as op
from torch import Tensor, nn

from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.tools.export.graphs import DreamStep, Policy

ATTENTION = torch.ops.aten.scaled_dot_product_attention.default
OPSET = (
    18  # what every torch since 2.9 writes by itself; browsers' onnxruntime reads it
)
FEWEST_BLOCKS = 4  # that the longest step of a dream takes
MOST_FRAMES = 4096  # that a policy takes at once
STEP_INPUTS = ("blocks", "noise", "temperature")
STEP_OUTPUTS = ("tokens", "token_probs", "reward", "end", "reward_probs", "end_prob")
POLICY_INPUTS = ("tokens", "h", "c")
POLICY_OUTPUTS = ("frames", "action_probs", "values", "h_next", "c_next")


def max_blocks(agent: Agent) -> int:
    """How many blocks a step of the dream takes at most. Where tokens are predicted one
    by one, those of the next frame need a block's room in the memory as well."""
    wm = agent.world_model
    return wm.config.max_blocks - (wm.passes_per_frame > 1)


def check_memory(agent: Agent) -> None:
    """ConfigError if the dream remembers too few blocks for their number to vary:
    torch.export takes sizes of 0 and 1 for constants, and wants two others."""
    found = max_blocks(agent)
    if found < FEWEST_BLOCKS:
        least = agent.config.world_model.max_blocks + FEWEST_BLOCKS - found
        raise ConfigError(
            "The world model remembers too little for its dream to be exported:"
            f" world_model.max_blocks must be {least} or more."
        )


def dream_step(agent: Agent) -> onnx.ModelProto:
    """A step of the dream, for any number of blocks."""
    k = agent.tokenizer.tokens_per_frame
    past = torch.export.Dim("past", min=0, max=max_blocks(agent) - 1)
    blocks = torch.zeros(3, k + 1, dtype=torch.int32)
    inputs = blocks, torch.zeros(k + 2), torch.tensor(1.0)
    graph, names = DreamStep(deepcopy(agent.world_model)), (STEP_INPUTS, STEP_OUTPUTS)
    return trace(graph, inputs, ({0: past + 1}, None, None), *names)


def policy(agent: Agent) -> onnx.ModelProto:
    """The decoder and the policy, for any number of frames."""
    rows = {0: torch.export.Dim("rows", min=1, max=MOST_FRAMES)}
    tokens = torch.zeros(2, agent.tokenizer.tokens_per_frame, dtype=torch.int32)
    inputs = tokens, *agent.new_state(2)
    graph, names = Policy(deepcopy(agent)), (POLICY_INPUTS, POLICY_OUTPUTS)
    return trace(graph, inputs, (rows,) * 3, *names)


def trace(
    graph: nn.Module,
    inputs: tuple[Tensor, ...],
    dynamic: tuple[dict[int, Any] | None, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
) -> onnx.ModelProto:
    """A graph without gradients, its weights inside."""
    graph.eval().requires_grad_(False)
    with quiet():
        program = torch.onnx.export(
            torch.export.export(graph, inputs, dynamic_shapes=dynamic),
            input_names=input_names,
            output_names=output_names,
            opset_version=OPSET,
            custom_translation_table={ATTENTION: attention},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def attention(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    """What attention is made of, (B, H, L, D) each: the exporter's own version of it
    fails where there is no past."""
    scores = op.MatMul(query, op.Transpose(key, perm=[0, 1, 3, 2]))
    scores = op.Mul(scores, op.Constant(value_float=query.shape[-1] ** -0.5))
    if mask is not None:
        scores = op.Where(mask, scores, op.Constant(value_float=-math.inf))
    return op.MatMul(op.Softmax(scores, axis=-1), value)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's words on operators that nobody uses here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
