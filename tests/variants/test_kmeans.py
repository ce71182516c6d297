"""k-means, which a codebook may start from."""

import pytest
import torch

from iris_core.variants.kmeans import kmeans


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_kmeans_with_fewer_rows_than_centres(rows):
    x = torch.arange(rows * 2).reshape(rows, 2).float()
    centres = kmeans(x.repeat(5, 1), k=8)
    assert centres.shape == (8, 2)
    for row in x:  # every distinct row is a centre
        assert (centres == row).all(1).any()
    assert ((centres[:, None] - x).norm(dim=-1).amin(1) < 0.1).all()


def test_kmeans_finds_separate_clusters_whatever_their_size():
    truth = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    sizes = [500, 500, 3]
    x = torch.cat(
        [c + 0.2 * torch.randn(n, 2) for c, n in zip(truth, sizes, strict=True)]
    )
    centres = kmeans(x, k=3)
    assert (centres[:, None] - truth).norm(dim=-1).amin(0).max() < 0.5


def test_kmeans_draws_from_torchs_generator():
    x = torch.randn(50, 3)
    torch.manual_seed(7)
    first = kmeans(x, k=4)
    torch.manual_seed(7)
    assert torch.equal(kmeans(x, k=4), first)
