"""The pages of the site, built once for all tests of a run."""

from pathlib import Path

import pytest
from filelock import FileLock
from lessons.build.book import write_pages


def built_pages(factory: pytest.TempPathFactory, worker: str) -> Path:
    """Their folder, without the player. With pytest-xdist, whoever comes first builds
    it, in the folder that all workers share."""
    shared = factory.getbasetemp()
    shared = shared if worker == "master" else shared.parent
    site = shared / "site"
    with FileLock(shared / "site.lock"):
        if not (site / ".nojekyll").exists():
            write_pages(site)
    return site
