"""The paper's loop taken literally: every optimisation, and how to do without it.

`iris bench` measures with these what each one is worth. The literal computation stands
for the published code: frames are encoded and decoded again whenever they are drawn,
attention is written out, the cache is copied for every token, and a step of a dream is
17 passes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor
from torch.optim import Adam, AdamW

from iris_core.device import bf16_autocast
from iris_core.dream import DreamEnv
from iris_core.models import vqgan
from iris_core.models.actor_critic import ActorCritic, State, masked
from iris_core.models.agent import Agent, Sampler, categorical
from iris_core.models.transformer import Dropout, KVCache, SelfAttention
from iris_core.models.vqgan import SpatialAttention
from iris_core.replay import Batch, stack_segments
from iris_core.training.component import Component
from iris_core.training.token_cache import TokenCache
from iris_core.training.trainer import Trainer

Without = Callable[[Trainer], AbstractContextManager[None]]


@dataclass(frozen=True)
class Optimisation:
    """Its name, how to do without it, and whether a trainer has it at all."""

    name: str
    without: Without
    applies: Callable[[Trainer], bool] = lambda trainer: True


# Frames are encoded and decoded once


@contextmanager
def frames_again(trainer: Trainer) -> Iterator[None]:
    def tokens(cache: TokenCache, batch: Batch, version: int) -> Tensor:
        length = batch.mask.shape[1]
        places = zip(batch.episodes, batch.places, strict=True)
        full = stack_segments([(e, start, start + length) for e, (_, start) in places])
        with torch.no_grad():
            found = cache.tokenizer.tokenize(full.to(trainer.device).frames)
        return found.masked_fill(~full.mask.to(found.device)[..., None], 0)

    def reconstructions(cache: TokenCache, batch: Batch, tokens: Tensor) -> Tensor:
        with torch.no_grad():
            return cache.tokenizer.decode(tokens)

    with (
        patch.object(TokenCache, "tokens", tokens),
        patch.object(TokenCache, "reconstructions", reconstructions),
    ):
        yield


# The burn-in's convolutions are computed together


@contextmanager
def burn_in_frame_by_frame(trainer: Trainer) -> Iterator[None]:
    @torch.no_grad()
    def burn_in(policy: ActorCritic, frames: Tensor, mask: Tensor) -> State:
        state = policy.new_state(len(frames))
        for t in range(frames.shape[1]):
            state = masked(policy(frames[:, t], state)[2], state, mask[:, t])
        return state

    with patch.object(ActorCritic, "burn_in", burn_in):
        yield


# Fused attention, queries, keys and values from one product


@contextmanager
def attention_by_hand(trainer: Trainer) -> Iterator[None]:
    def over_tokens(
        layer: SelfAttention,
        x: Tensor,
        mask: Tensor,
        cache: KVCache | None = None,
        number: int = 0,
    ) -> Tensor:
        weights = zip(layer.qkv.weight.chunk(3), layer.qkv.bias.chunk(3), strict=True)
        heads = layer.num_heads
        q, k, v = (
            rearrange(F.linear(x, w, b), "b l (h d) -> b h l d", h=heads)
            for w, b in weights
        )
        if cache is not None:
            k, v = cache.extend(number, k, v)
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        shares = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
        y = layer.drop(shares).to(v.dtype) @ v
        return layer.proj(rearrange(y, "b h l d -> b l (h d)"))

    def over_cells(layer: SpatialAttention, x: Tensor) -> Tensor:
        h, height = layer.norm(x), x.shape[-2]
        q, k, v = (f(h).flatten(2) for f in (layer.q, layer.k, layer.v))  # (B, C, H*W)
        shares = (q.mT @ k / math.sqrt(q.shape[1])).softmax(dim=-1)
        h = rearrange(v @ shares.mT, "b c (h w) -> b c h w", h=height)
        return x + layer.proj_out(h)

    with (
        patch.object(SelfAttention, "forward", over_tokens),
        patch.object(SpatialAttention, "forward", over_cells),
    ):
        yield


# Dropout draws once for four numbers


@contextmanager
def draw_for_each(trainer: Trainer) -> Iterator[None]:
    def dropout(layer: Dropout, x: Tensor) -> Tensor:
        return F.dropout(x, layer.p, layer.training)

    with patch.object(Dropout, "forward", dropout):
        yield


# The cache is allocated once


@contextmanager
def growing_cache(trainer: Trainer) -> Iterator[None]:
    def extend(
        cache: KVCache, layer: int, k: Tensor, v: Tensor
    ) -> tuple[Tensor, Tensor]:
        both = []
        for storage, new in ((cache.keys, k), (cache.values, v)):
            old = storage[layer, :, :, : cache.size]
            both.append(torch.cat([old, new.to(old.dtype)], dim=2))
            storage[layer, :, :, cache.size : cache.size + k.shape[2]] = new
        return both[0], both[1]

    with patch.object(KVCache, "extend", extend):
        yield


# A frame's last token and the next action pass together


@contextmanager
def action_passes_alone(trainer: Trainer) -> Iterator[None]:
    def of(agent: Agent, sample: Sampler = categorical) -> DreamEnv:
        config = agent.config.world_model
        context, temperature = config.dream_context, config.dream_temperature
        parts = agent.tokenizer, agent.world_model
        return DreamEnv(*parts, sample, context, temperature)

    with patch.object(DreamEnv, "of", of):
        yield


# Fused optimizers, the memory layout of convolutions


@contextmanager
def plain_optimizers(trainer: Trainer) -> Iterator[None]:
    fused = [component.optimizer for component in trainer.components]
    for component in trainer.components:
        kind = AdamW if isinstance(component.optimizer, AdamW) else Adam
        groups = [
            {"params": group["params"], "weight_decay": group["weight_decay"]}
            for group in component.optimizer.param_groups
        ]
        component.optimizer = kind(groups, foreach=False, fused=False)
    try:
        yield
    finally:
        for component, optimizer in zip(trainer.components, fused, strict=True):
            component.optimizer = optimizer


@contextmanager
def channels_first(trainer: Trainer) -> Iterator[None]:
    lay_out(trainer.components[0], torch.contiguous_format)
    try:
        yield
    finally:
        lay_out(trainer.components[0], torch.channels_last)


def lay_out(component: Component, memory_format: torch.memory_format) -> None:
    component.module.to(memory_format=memory_format)  # type: ignore[call-overload]
    component.align()


# A few frames at a time pass the convolutions


@contextmanager
def all_frames_at_once(trainer: Trainer) -> Iterator[None]:
    with patch.object(vqgan, "GROUP", sys.maxsize):
        yield


# bf16, CUDA graphs, and no waiting for the GPU


@contextmanager
def float32(trainer: Trainer) -> Iterator[None]:
    autocast = bf16_autocast(trainer.device, False)
    with patch.object(trainer, "autocast", autocast):
        yield


@contextmanager
def kernel_by_kernel(trainer: Trainer) -> Iterator[None]:
    def new_dream(trainer: Trainer) -> DreamEnv:
        return DreamEnv.of(trainer.agent)

    with patch.object(Trainer, "new_dream", new_dream):
        yield


@contextmanager
def waiting(trainer: Trainer) -> Iterator[None]:
    for component in trainer.components:
        component.settle()
        component.asynchronous = False
    try:
        yield
    finally:
        for component in trainer.components:
            component.asynchronous = True


def on_cpu(trainer: Trainer) -> bool:
    return trainer.device.type == "cpu"


def drops_out(trainer: Trainer) -> bool:
    return on_cpu(trainer) and trainer.config.world_model.dropout > 0


def convolutional_on_cpu(trainer: Trainer) -> bool:
    return on_cpu(trainer) and convolutional(trainer)


def on_cuda(trainer: Trainer) -> bool:
    return trainer.device.type == "cuda"


def token_by_token(trainer: Trainer) -> bool:
    return not trainer.agent.world_model.parallel


def convolutional(trainer: Trainer) -> bool:
    return trainer.config.tokenizer.architecture == "vqgan"


# In the order in which the ladder switches them on
OPTIMISATIONS = [
    Optimisation("frames encoded, decoded once", frames_again),
    Optimisation("burn-in as one batch", burn_in_frame_by_frame),
    Optimisation("fused attention", attention_by_hand),
    Optimisation("dropout by 16 bits", draw_for_each, drops_out),
    Optimisation("static cache", growing_cache),
    Optimisation("action with last token", action_passes_alone, token_by_token),
    Optimisation("fused optimizers", plain_optimizers),
    Optimisation("channels last", channels_first, convolutional_on_cpu),
    Optimisation("frames in groups", all_frames_at_once, convolutional_on_cpu),
    Optimisation("no waiting", waiting, on_cuda),
    Optimisation("bf16", float32, lambda trainer: trainer.bf16),
    Optimisation("CUDA graphs", kernel_by_kernel, on_cuda),
]
