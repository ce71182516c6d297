"""The site as files: links that lead somewhere, films, and no other host."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("jupyter_book")

from lessons.build import one_file
from lessons.build.book import AGENTS, FRONT, is_new
from lessons.build.execute import STANDS_FOR_WIDGET
from lessons.build.series import FOLDER, SERIES, Lesson

pytestmark = pytest.mark.slow
MADE_WITH_THE_PLAYER = {"play.html", "player/player.css"}
LESSONS = [pytest.param(lesson, id=lesson.file) for lesson in SERIES]


def page_of(site: Path, lesson: Lesson) -> str:
    return (site / lesson.file).with_suffix(".html").read_text()


def pages(site: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in site.glob("*.html")}


def test_every_lesson_has_a_page(site: Path) -> None:
    expected = {Path(lesson.file).stem for lesson in SERIES}
    expected |= {"index", "search", Path(one_file.PAGE).stem}
    assert {Path(name).stem for name in pages(site)} == expected


@pytest.mark.parametrize("lesson", LESSONS)
class TestPage:
    def test_has_its_title_and_a_way_round(self, site: Path, lesson: Lesson) -> None:
        html = page_of(site, lesson)
        title = f"{lesson.number:02d} {lesson.title}"
        assert f"<title>{title} — IRIS</title>" in unescape(html)
        for other in SERIES:
            if other != lesson:
                assert f'href="{Path(other.file).stem}.html"' in html
        assert 'href="play.html"' in html and "Search" in html

    def test_begins_with_its_title(self, site: Path, lesson: Lesson) -> None:
        html = page_of(site, lesson)
        body = html.partition('<article class="bd-article">')[2]
        first = re.sub(r"<[^>]+>", " ", body).split(maxsplit=1)[0]
        assert first == f"{lesson.number:02d}"
        assert "colab-badge" not in html and "find_notebooks" not in html

    def test_films_where_widgets_were(self, site: Path, lesson: Lesson) -> None:
        html = page_of(site, lesson)
        films = re.findall(r'<video src="([^"]+)"', html)
        assert len(films) == count_widgets(lesson)
        for film in films:
            assert (site / film).stat().st_size > 1000
        assert STANDS_FOR_WIDGET not in html and "Run this cell" not in html


def count_widgets(lesson: Lesson) -> int:
    notebook = nbformat.read(FOLDER / lesson.file, as_version=4)
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    texts = [out.get("data", {}).get("text/plain") for out in shown]
    return texts.count(STANDS_FOR_WIDGET)


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    found = pages(site)
    ids = {
        name: set(re.findall(r'\bid="([^"]+)"', html)) for name, html in found.items()
    }
    for name, html in found.items():
        for link in re.findall(r'(?:href|src|poster)="([^"]+)"', html):
            if re.match(r"\w+:", link):
                continue
            file, _, anchor = link.partition("#")
            file = file.partition("?")[0] or name
            assert file in MADE_WITH_THE_PLAYER or (site / file).exists(), (name, link)
            assert not anchor or anchor in ids[file], (name, link)


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = re.compile(
        r"<(?:script|link|img|video|source|iframe)[^>]+"
        r"(?:src|href|poster)=\"((?:\w+:)?//[^\"]+)"
    )
    for name, html in pages(site).items():
        assert loads.findall(html) == [], name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?https?:", sheet.read_text())


def test_hosts_serve_it_as_it_is(site: Path) -> None:
    assert (site / ".nojekyll").exists()
    assert not list(site.rglob("*.ipynb")) and not list(site.rglob("*.map"))


def test_the_player_is_kept_until_something_changes(tmp_path: Path) -> None:
    menu = tmp_path / "agents.json"
    assert not is_new(menu, ["catch"])
    menu.write_text('[{"name": "catch"}]')
    assert is_new(menu, ["catch"]) and not is_new(menu, ["catch", "pong"])
    os.utime(menu, (0, 0))
    assert not is_new(menu, ["catch"])


def test_the_front_page_leads_three_ways(site: Path) -> None:
    html = pages(site)["index.html"]
    front = html.partition('<article class="bd-article">')[2]
    ways = re.findall(r'<a href="([^"]+)"><strong>(\w+)</strong>', front)
    assert [name for _, name in ways] == ["Play", "Read", "Train"]
    assert 'id="player"' in front and "@" not in front.partition("</article>")[0]


def test_the_agents_that_pages_play_are_in_the_player(site: Path) -> None:
    html = "".join(pages(site).values())
    played = set(re.findall(r"play\.html\?agent=(\w+)", html))
    assert {"catch", "freeway"} <= played <= set(AGENTS)
    assert FRONT in AGENTS


def test_it_is_small(site: Path) -> None:
    size = {file: file.stat().st_size for file in site.rglob("*") if file.is_file()}
    assert sum(size.values()) < 25_000_000
    for name in pages(site):
        assert size[site / name] < 400_000
