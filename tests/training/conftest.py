"""Runs that begin at once."""

from collections.abc import Iterator

import pytest
from running import everything, make_state, train

from iris_core.training import components
from iris_core.variants import small_tokenizer


@pytest.fixture(scope="package", autouse=True)
def quick_start() -> Iterator[None]:
    """Networks start from fewer frames: the default takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "INIT_FRAMES", 64)
        patch.setattr(small_tokenizer, "REVIVE_EVERY", 2)
        yield


@pytest.fixture(scope="package")
def finished(quick_start, tmp_path_factory):
    """A run never stopped, and everything that it came to."""
    state = make_state(tmp_path_factory.mktemp("finished"))
    result = train(state)
    assert not result.interrupted and len(result.returns) == 2
    return state, everything(state)
