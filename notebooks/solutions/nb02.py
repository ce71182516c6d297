"""Solutions of notebook 02: frames to tokens."""

import torch
from torch import Tensor


def nearest(z: Tensor, codes: Tensor) -> Tensor:
    """z (N, d), codes (V, d) -> (N,): no tensor larger than (N, V).

    |z - e|^2 = |z|^2 - 2 z.e + |e|^2, and |z|^2 is the same for every code.
    """
    return (codes.pow(2).sum(1) - 2 * z @ codes.T).argmin(1)


def straight_through(z: Tensor, z_q: Tensor) -> Tensor:
    """Forward z_q; backward the identity for z, nothing for z_q."""
    return z + (z_q - z).detach()


def drift(z: Tensor, z_q: Tensor) -> Tensor:
    """(N, d) twice -> the squared distance of a vector to its code, on average."""
    return (z - z_q).pow(2).sum(1).mean()


why_drift = "b"  # z is pushed, the code follows late, and nothing calls z back


def bits_per_frame(counts: Tensor, tokens_per_frame: int) -> Tensor:
    """counts (V,) -> tokens_per_frame times the entropy of a token, in bits."""
    p = counts / counts.sum()
    p = p[p > 0]  # 0 log 0 = 0
    return -tokens_per_frame * (p * torch.log2(p)).sum()
