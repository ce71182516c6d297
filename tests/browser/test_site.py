"""The site in a real browser, from an empty static server: pages, maths, dark mode, and
on the front page the player, running."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("jupyter_book")

from building import built_pages
from lessons.build.book import FRONT, add_player

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
PHONE = {"width": 390, "height": 844}
MATHS = "03_attention_and_its_memory.html"
FILMS = "05_dreaming.html"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and nothing else."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    site = tmp_path_factory.mktemp("served") / "site"
    shutil.copytree(built_pages(tmp_path_factory, "master"), site)
    add_player(site, [FRONT])
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def watched(page, address: str) -> Iterator:
    """A page that must complain of nothing and ask no other host for anything."""
    told: list[str] = []
    asked: list[str] = []
    page.on(
        "console", lambda line: told.append(line.text) if line.type == "error" else 0
    )
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert told == []
    assert asked
    for url in asked:
        assert url.startswith((address, "data:", "blob:")), url


def fits(page) -> bool:
    """Whether nothing is wider than the window."""
    wide = "document.documentElement.scrollWidth <= window.innerWidth"
    return bool(page.evaluate(wide))


@pytest.mark.parametrize("size", ["laptop", "phone"])
def test_the_front_page_plays(watched, address: str, size: str) -> None:
    """The film stays until the player's first frame is there; three ways lead on."""
    if size == "phone":
        watched.set_viewport_size(PHONE)
    watched.goto(address)
    player = watched.locator("#player .iris-player")
    watched.wait_for_function(
        "Number(document.querySelector('.iris-player')?.dataset.step) > 30"
    )
    assert player.is_visible()
    assert not watched.locator("#player > video").is_visible()
    assert fits(watched)
    assert watched.locator(".ways a").count() == 3


def test_a_page_has_maths_and_a_dark_mode(watched, address: str) -> None:
    watched.goto(address + MATHS)
    icon = watched.locator("button.theme-switch-button i:visible")
    assert icon.bounding_box()["width"] > 10
    watched.locator(".math mjx-container svg").first.wait_for()
    pieces = watched.locator(".math").count()
    assert watched.locator(".math mjx-container svg").count() == pieces > 20
    assert watched.locator("mjx-merror").count() == 0
    seen = set()
    for _ in range(3):  # light, dark, as the system has it
        watched.locator("button.theme-switch-button:visible").click()
        seen.add(watched.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(seen) == 2


def test_films_play_on_a_phone(watched, address: str) -> None:
    watched.set_viewport_size(PHONE)
    watched.goto(address + FILMS)
    films = watched.locator("figure.film video")
    assert films.count() == 4
    for film in films.all():
        film.scroll_into_view_if_needed()
        film.evaluate(
            """film => new Promise((played) => {
                const look = () => film.currentTime > 0 && played();
                film.addEventListener("timeupdate", look);
                look();
            })"""
        )
    assert fits(watched)


def test_search_finds(watched, address: str) -> None:
    watched.goto(address + "search.html?q=codebook")
    hit = watched.locator("#search-results a").first
    hit.wait_for()
    assert re.search(r"\d\d_\w+\.html", hit.get_attribute("href"))


def test_less_motion_stops_the_films(watched, address: str) -> None:
    watched.emulate_media(reduced_motion="reduce")
    watched.goto(address + FILMS)
    watched.wait_for_load_state()
    paused = "[...document.querySelectorAll('video')].every((film) => film.paused)"
    watched.wait_for_function(paused)
