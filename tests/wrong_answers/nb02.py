"""Plausible wrong answers to the exercises of notebook 02: name, answer, and what the
check must say."""

from __future__ import annotations

import numpy as np
import torch
from solutions import nb02 as solutions

WRONG = [
    # The largest dot product, the farthest, a distance, |e| for |e|^2, half of 2 z.e
    ("nearest", lambda z, codes: (z @ codes.T).argmax(1), "got"),
    ("nearest", lambda z, codes: torch.cdist(z, codes).argmax(1), "got"),
    ("nearest", lambda z, codes: torch.cdist(z, codes).amin(1), "indices"),
    (
        "nearest",
        lambda z, codes: (codes.norm(dim=1) - 2 * z @ codes.T).argmin(1),
        "got",
    ),
    (
        "nearest",
        lambda z, codes: (codes.square().sum(1) - z @ codes.T).argmin(1),
        "got",
    ),
    ("nearest", lambda z, codes: (-2 * z @ codes.T).argmin(1), "|e|^2"),
    (
        "nearest",
        lambda z, codes: (z[:, None] - codes).square().sum(-1).argmin(1),
        "1,200 are enough",
    ),
    (
        "nearest",
        lambda z, codes: (codes.square().sum(1) - 2 * z @ codes.T).argmin(0),
        "shape",
    ),
    ("straight_through", lambda z, z_q: z, "the value is (1.4, -0.3)"),
    ("straight_through", lambda z, z_q: z_q, "z gets nothing"),
    ("straight_through", lambda z, z_q: z_q.detach(), "no gradient reaches z"),
    ("straight_through", lambda z, z_q: z + z_q - z.detach(), "too"),
    ("straight_through", lambda z, z_q: 2 * z + (z_q - 2 * z).detach(), "same"),
    ("drift", lambda z, z_q: (z - z_q).square().mean(), "sum over d first"),
    ("drift", lambda z, z_q: (z - z_q).square().sum(), "their sum"),
    ("drift", lambda z, z_q: (z - z_q).norm(dim=1).mean(), "square them"),
    ("drift", lambda z, z_q: (z - z_q).square().sum(1), "shape"),
    ("why_drift", "a", "codes do move"),
    ("why_drift", "c", "decoder still sees"),
    ("why_drift", "D", "longer"),
    ("why_drift", "e", "choose one of"),
    ("bits_per_frame", lambda counts, k: k * np.log2(len(counts)), "1.5"),
    (
        "bits_per_frame",
        lambda counts, k: k * torch.log2((counts > 0).sum()),
        "expected 1.5",
    ),
    (
        "bits_per_frame",
        lambda counts, k: torch.distributions.Categorical(counts).entropy() * k,
        "in nats",
    ),
    (
        "bits_per_frame",
        lambda counts, k: (
            -k * (counts / counts.sum() * (counts / counts.sum()).log2()).sum()
        ),
        "nan",
    ),
    (
        "bits_per_frame",
        lambda counts, k: -solutions.bits_per_frame(counts, k),
        "sign",
    ),
    (
        "bits_per_frame",
        lambda counts, k: solutions.bits_per_frame(counts, 16),
        "one token",
    ),
]
