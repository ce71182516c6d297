"""Dreams on a GPU without a word from the CPU: every step is two CUDA graphs.

At the paper's sizes a step of a dream is 16 passes of some 200 small kernels each, and
then the decoder. A graph's shapes are fixed, so the passes have one for every length of
the cache that a step can begin with, 20 at the paper's sizes; the decoder has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from iris_core.agent import Agent, Sampler, categorical
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.models.base_world_model import (
    BaseWorldModel,
    NextFrame,
    WorldModelOutput,
)
from iris_core.runtime.cuda_graphs import (
    CudaGraph,
    Graph,
    Outputs,
    Recorded,
    Recorder,
    recordable,
)


@dataclass
class RecordedPasses:
    """A step's recorded passes, and what a replay does not do by itself."""

    graph: Graph
    size_after: int  # of the cache
    logits: Callable[[], WorldModelOutput]  # from where the graph leaves their parts


class GraphedWorldModelEnv(WorldModelEnv):
    """A `WorldModelEnv` whose steps are recorded once and replayed from then on.

    It dreams in a copy of the world model whose linear weights have autocast's dtype,
    so that a pass converts none: the numbers are those of autocast. The copy stays
    where it is, as graphs need; `sync_weights` updates it. record: makes a graph.
    """

    def __init__(
        self,
        agent: Agent,
        sample: Sampler = categorical,
        record: Recorder = CudaGraph,
    ) -> None:
        config = agent.config.world_model
        super().__init__(
            agent.tokenizer,
            deepcopy(agent.world_model).requires_grad_(False).eval(),
            sample,
            config.dream_context,
            config.dream_temperature,
        )
        self.record = record
        self.version = -1
        self.recorded: dict[tuple[int, bool], RecordedPasses] = {}
        self.block = torch.empty(0)  # what these read
        self.decode = Recorded(agent.tokenizer.decode, record)
        device = agent.device.type
        if torch.is_autocast_enabled(device):
            cast_linears(self.world_model, torch.get_autocast_dtype(device))

    def sync_weights(self, world_model: BaseWorldModel, version: int) -> None:
        """Take another version of the weights, if it is another."""
        if version == self.version:
            return
        self.version = version
        with torch.no_grad():
            for ours, theirs in zip(
                self.world_model.parameters(), world_model.parameters(), strict=True
            ):
                ours.copy_(theirs)

    def restore(
        self, tokens: Tensor, past: Sequence[Tensor], frames: Tensor | None = None
    ) -> Tensor:
        """As in a `WorldModelEnv`; another number of dreams needs other graphs."""
        if self.cache.batch_size != len(tokens):
            self.recorded = {}
            self.block = tokens.new_zeros(len(tokens), tokens.shape[1] + 1)
        return super().restore(tokens, past, frames)

    def generate(
        self, block: Tensor, predict_frame: bool, tokens: Tensor | None
    ) -> NextFrame:
        if tokens is not None:  # a frame that is given is not worth a recording
            return super().generate(block, predict_frame, tokens)
        self.block.copy_(block)
        key = self.cache.size, predict_frame
        if key not in self.recorded:
            self.recorded[key] = self.record_step(predict_frame)
        recorded = self.recorded[key]
        recorded.graph.replay()
        self.cache.size = recorded.size_after
        made, rewards, ends = (each.clone() for each in recorded.graph.outputs)
        return NextFrame(made, rewards, ends, recorded.logits)

    def record_step(self, predict_frame: bool) -> RecordedPasses:
        size, step = self.cache.size, super().generate
        made: list[Any] = []  # the fields of a NextFrame

        def do() -> Outputs:
            self.cache.size = size
            with recordable(self.block.device.type):
                made[:] = step(self.block, predict_frame, None)
            return tuple(made[:3])

        return RecordedPasses(self.record(do), self.cache.size, lambda: made[3]())


def cast_linears(module: nn.Module, dtype: torch.dtype) -> None:
    """Give linear layers the dtype to which autocast would convert them."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.to(dtype)
