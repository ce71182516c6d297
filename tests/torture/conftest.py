"""How much is drawn: a little in `make test`, all of it in `make torture`, which also
keeps what it measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from torturing import Warm

from iris_core.runtime.files import read_json, write_atomic
from iris_core.runtime.run_folder import git

RESULTS = Path(__file__).parents[2] / "results" / "torture.json"
Keep = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="draw all, and keep figures")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether all is drawn."""
    return request.config.getoption("--full", False)


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """From which processes are forked."""
    warm = Warm()
    yield warm
    warm.close()


@pytest.fixture
def keep(full: bool) -> Keep:
    """Called last, with a name and figures: they are kept if all was drawn."""
    started = time.monotonic()

    def keep(part: str, **figures: object) -> None:
        if not full:
            return
        kept = read_json(RESULTS) if RESULTS.exists() else {}
        minutes = round((time.monotonic() - started) / 60, 1)
        about = {"commit": git("rev-parse", "HEAD")[:12], "date": str(date.today())}
        kept[part] = about | {"minutes": minutes} | figures
        write_atomic(RESULTS, json.dumps(dict(sorted(kept.items())), indent=2) + "\n")

    return keep
