"""Solutions of notebook 04: the world model."""

import math

import torch
from torch import Tensor


def slices(
    start: int, length: int, tokens_per_frame: int
) -> tuple[list[int], list[int], list[int]]:
    """The place in the block counts from the sequence, the index from the piece."""
    at = [(start + i) % (tokens_per_frame + 1) for i in range(length)]
    frame = [i for i, place in enumerate(at) if place != tokens_per_frame]
    action = [i for i, place in enumerate(at) if place == tokens_per_frame]
    predicts = [i for i, place in enumerate(at) if place != tokens_per_frame - 1]
    return frame, action, predicts


def labels(frame_tokens: Tensor, mask: Tensor) -> Tensor:
    """(B, T, K) and (B, T) -> (B, T * K - 1)."""
    return frame_tokens.masked_fill(~mask[..., None], -100).flatten(1)[:, 1:]


def reward_class(rewards: Tensor, mask: Tensor) -> Tensor:
    """(B, T) and (B, T) -> (B, T)."""
    return (rewards.sign() + 1).long().masked_fill(~mask, -100)


def delayed(actions: Tensor) -> Tensor:
    """(B, T) -> (B, T)."""
    return torch.cat([torch.zeros_like(actions[:, :1]), actions[:, :-1]], dim=1)


floor = math.log(3)  # three cells, each as likely
