"""How much is drawn: a little in `make test`, all of it in `make torture`, which also
keeps what it measured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from torturing import Warm, summary

from iris_core.runtime.run_folder import git

RESULTS = Path(__file__).parents[2] / "results" / "torture.json"
PARTS = ("kills", "files", "command_lines", "messages", "sweep", "memory")
MEASURED = pytest.StashKey[dict[str, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="draw all, and keep figures")


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[MEASURED] = {"started": time.monotonic()}


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether all is drawn."""
    return request.config.getoption("--full", False)


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the parts measured, by their names."""
    return request.config.stash.setdefault(MEASURED, {})


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """From which processes are forked."""
    warm = Warm()
    yield warm
    warm.close()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the figures of a whole run in which nothing failed."""
    found = session.config.stash.get(MEASURED, {})
    full = session.config.getoption("--full", False)
    if full and exitstatus == 0 and found.keys() >= set(PARTS):
        minutes = round((time.monotonic() - found["started"]) / 60)
        about = {"commit": git("rev-parse", "HEAD")[:12], "date": str(date.today())}
        figures = about | {"minutes": minutes} | {part: found[part] for part in PARTS}
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
        print(f"\n{RESULTS}; README.md is to say:\n{summary(figures)}")
