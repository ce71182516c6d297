"""Segments of experience as tensors: what an update or a dream is made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

SegmentId = tuple[int, int]  # an episode's id in the replay buffer, a first step


@dataclass(frozen=True)
class Batch:
    """B segments of T steps, padded with zeros where `mask` is False.

    pixels:  uint8   (B, T, 3, H, W); (B, T, 0, 0, 0) if sampled without them
    actions: int64   (B, T), the action taken after seeing the frame
    rewards: float32 (B, T), unclipped
    ends:    bool    (B, T), terminated or truncated: the paper merges the two
    mask:    bool    (B, T), True where the step is real
    segment_ids: where each row begins in the replay buffer; the step is negative where
        the row begins with padding; empty if the batch was not sampled from one
    """

    pixels: Tensor
    actions: Tensor
    rewards: Tensor
    ends: Tensor
    mask: Tensor
    segment_ids: tuple[SegmentId, ...] = ()

    def __post_init__(self) -> None:
        assert self.pixels.ndim == 5 and self.pixels.dtype == torch.uint8
        steps = self.pixels.shape[:2]  # (B, T)
        for other in (self.actions, self.rewards, self.ends, self.mask):
            assert other.shape == steps, f"{tuple(other.shape)} is not {tuple(steps)}"
        assert self.actions.dtype == torch.int64
        assert self.rewards.dtype == torch.float32
        assert self.ends.dtype == self.mask.dtype == torch.bool

    @cached_property
    def frames(self) -> Tensor:
        """The pixels as float32 (B, T, 3, H, W) in [0, 1], on the batch's device."""
        return self.pixels.float() / 255

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device; bytes travel, floats are made there."""
        return Batch(
            to_device(self.pixels, device),
            to_device(self.actions, device),
            to_device(self.rewards, device),
            to_device(self.ends, device),
            to_device(self.mask, device),
            self.segment_ids,
        )

    def __len__(self) -> int:
        return len(self.pixels)


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on a device; to a GPU from pinned memory, without waiting for it."""
    to_gpu = torch.device(device).type == "cuda" and tensor.device.type == "cpu"
    if to_gpu and tensor.numel() > 0:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
