"""The site's pages."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    pytest.importorskip("jupyter_book")
    from building import built_pages

    return built_pages(tmp_path_factory, worker_id)
