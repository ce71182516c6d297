"""A real browser, and Jupyter served on this machine alone.

Debian's chromium is driven by playwright. Where there is no chromium these tests are
skipped, and say so; `make test` installs it on Debian where it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from playing import make_agent
from playwright import sync_api as playwright
from playwright.sync_api import Browser, Page

from iris_core.tools.benchmarks.browser import (
    FLAGS,
    PATIENCE,
    find_chromium,
    start_jupyter,
)

SHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no chromium on the PATH: apt install chromium (make test does)")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


DESK = {"viewport": {"width": 1280, "height": 1400}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


@pytest.fixture
def page(browser: Browser, request) -> Iterator[Page]:
    """A page whose last state is kept as a picture, and whose errors fail the test."""
    yield from open_page(browser, request.node.name, **DESK)


@pytest.fixture
def phone(browser: Browser, request) -> Iterator[Page]:
    """The same, as wide as a phone, with a finger."""
    yield from open_page(browser, request.node.name, is_mobile=True, **PHONE)


def open_page(browser: Browser, name: str, **options) -> Iterator[Page]:
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    context.close()
    assert not [error for error in errors if "iris" in error or "player" in error]


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Path:
    """The folder that Jupyter shows, with an agent in it."""
    folder: Path = tmp_path_factory.mktemp("served")
    make_agent(never_ends=True).save(folder / "catch.safetensors")
    return folder


@pytest.fixture(scope="session")
def jupyter(served: Path) -> Iterator[Callable[[str], str]]:
    """Starts `lab` or `notebook` once, and gives its address."""
    servers: dict[str, tuple[Popen[bytes], str]] = {}

    def serve(kind: str) -> str:
        if kind not in servers:
            servers[kind] = start_jupyter(kind, served)
        return servers[kind][1]

    yield serve
    for server, _ in servers.values():
        server.terminate()
        server.wait(timeout=60)
