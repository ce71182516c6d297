"""Frames in two forms: pixels as games and files have them, floats as networks do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_pixels(frames: Tensor) -> np.ndarray:
    """float (..., 3, 64, 64) in [0, 1], on any device -> uint8 (..., 64, 64, 3)."""
    pixels = (frames.float() * 255).round().clamp(0, 255).byte()
    return np.ascontiguousarray(pixels.movedim(-3, -1).cpu().numpy())


def to_frames(pixels: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (..., 64, 64, 3) -> float32 (..., 3, 64, 64) in [0, 1]."""
    return torch.from_numpy(pixels).to(device).movedim(-1, -3).float() / 255
