"""CUDA graphs: many small kernels, recorded once and then started as a whole.

Starting a small kernel takes longer than the kernel. A graph does the same work on the
same tensors every time, so what it reads has to stay where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

Outputs = tuple[Tensor, ...]
WARM_UPS = 2  # runs before a recording, in which libraries choose their kernels


class Graph(Protocol):
    """Something that was recorded; `replay` computes it anew into `outputs`."""

    outputs: Outputs

    def replay(self) -> None: ...


Recorder = Callable[[Callable[[], Outputs]], Graph]


class CudaGraph:
    """`do()` as a CUDA graph; it must read and write the same tensors every time."""

    def __init__(self, do: Callable[[], Outputs]) -> None:
        before = torch.cuda.get_rng_state()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                do()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.set_rng_state(before)  # as if nothing had been sampled
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = do()

    def replay(self) -> None:
        self.graph.replay()


class Recorded:
    """A function of one tensor, recorded for every shape that it is given.

    It computes without gradients and in the precision of its first call. Weights that
    it reads may change, but only in place. record: makes a graph.
    """

    def __init__(
        self, do: Callable[[Tensor], Tensor], record: Recorder = CudaGraph
    ) -> None:
        self.do = do
        self.record = record
        self.graphs: dict[torch.Size, tuple[Tensor, Graph]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        # A graph belongs to the GPU that is the current one when it is recorded
        with torch.cuda.device(x.device) if x.is_cuda else nullcontext():
            if x.shape not in self.graphs:
                given = x.clone()
                self.graphs[x.shape] = given, self.record(lambda: self.once(given))
            given, graph = self.graphs[x.shape]
            given.copy_(x)
            graph.replay()
            return graph.outputs[0].clone()

    def once(self, x: Tensor) -> Outputs:
        with recordable(x.device.type):
            return (self.do(x),)


def fast(
    do: Callable[[Tensor], Tensor], device: torch.device
) -> Callable[[Tensor], Tensor]:
    """`do`, recorded where the device can: for calls without gradients."""
    return Recorded(do) if device.type == "cuda" else do


@contextmanager
def recordable(device: str) -> Iterator[None]:
    """Without gradients, in autocast's precision as it is outside; but a graph
    outlives the converted weights that autocast would keep for later."""
    dtype, on = torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
    with torch.no_grad(), torch.autocast(device, dtype, on, cache_enabled=False):
        yield
