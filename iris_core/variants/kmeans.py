"""k-means over distinct vectors, to start a codebook from the data."""

import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor


def kmeans(x: Tensor, k: int, iterations: int = 8, limit: int = 8_000) -> Tensor:
    """(N, d) float -> (k, d) centres, on x's device.

    Equal rows count once, so that a rare object weighs as much as the background; a
    random `limit` of the distinct rows is used. Random numbers come from torch's global
    generator. Fewer than k distinct rows: the spare centres repeat rows with a little
    noise, free to move later.
    """
    x = torch.unique((x * 128).round(), dim=0) / 128
    x = x[torch.randperm(len(x), device=x.device)[:limit]]
    if len(x) <= k:
        spare = x[torch.randint(len(x), (k - len(x),), device=x.device)]
        return torch.cat([x, spare + 0.01 * torch.randn_like(spare)])
    first = far_apart(x, k).cpu().numpy()
    centres, _ = kmeans2(x.cpu().numpy(), first, iter=iterations, minit="matrix")
    return torch.from_numpy(centres).to(x)


def far_apart(x: Tensor, k: int) -> Tensor:
    """k rows of (N, d), each drawn by its squared distance to those before it
    (k-means++, Arthur and Vassilvitskii, 2007; scipy's own takes a minute)."""
    chosen = [x[torch.randint(len(x), (), device=x.device)]]
    nearest = (x - chosen[0]).square().sum(1)  # (N,)
    for _ in range(k - 1):
        chosen.append(x[torch.multinomial(nearest, 1)[0]])
        nearest = nearest.minimum((x - chosen[-1]).square().sum(1))
    return torch.stack(chosen)
