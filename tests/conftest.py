"""What every test starts from."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def no_open_figures() -> Iterator[None]:
    """A test's figures are its own."""
    yield
    plt.close("all")
