"""What every test starts from."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random numbers, whichever tests ran before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_open_figures() -> Iterator[None]:
    """A test's figures are its own."""
    yield
    plt.close("all")
