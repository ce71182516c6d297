"""A notebook as the source of its page: links, films, and what is left out."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("docutils")

from lessons.build import one_file
from lessons.build.execute import STANDS_FOR_WIDGET
from lessons.build.pages import FOLDED, as_page, dream_of, played_agent, redirect
from lessons.build.series import FOLDER, SERIES, badges, neighbours, repository
from lessons.plots.kept import MP4, PNG
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NEXT = SERIES[1].file
FILES = f"https://github.com/{repository()}/blob/main"


def page(*cells: nbformat.NotebookNode, folder: Path = Path()) -> list:
    """The cells of a page that begins with a title."""
    title = new_markdown_cell(f"# 01 A title\n\n---\n{neighbours(1)}\n\n{badges(1)}")
    return as_page(new_notebook(cells=[title, *cells]), "lesson", folder).cells


def widget(source: str, **data: str) -> nbformat.NotebookNode:
    """A cell with what is kept of a widget."""
    shown = {"text/plain": STANDS_FOR_WIDGET, **data}
    return new_code_cell(source, outputs=[new_output("execute_result", shown)])


def test_it_begins_with_its_title_alone() -> None:
    assert page()[0].source == "# 01 A title"


def test_installation_and_links_are_left_out() -> None:
    kept = page(
        new_code_cell("install()", metadata={"tags": ["install"]}),
        new_code_cell("1 + 1"),
        new_markdown_cell("---\n[before]", metadata={"tags": ["links"]}),
    )
    assert [cell.source for cell in kept[1:]] == ["1 + 1"]


def test_what_only_sets_up_is_folded() -> None:
    cells = page(
        new_code_cell("import torch\n\ntorch.manual_seed(0)"),
        new_markdown_cell("## Why?"),
        new_code_cell("import json\nfrom pathlib import Path"),
        new_code_cell("import json\n\nprint(json.dumps({}))"),
    )
    folded = [FOLDED in cell.metadata.get("tags", []) for cell in cells]
    assert folded == [False, True, False, True, False]


def test_a_mark_for_the_tests_is_not_shown() -> None:
    assert page(new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(1)"))[1].source == "print(1)"


def test_a_film_stands_for_a_widget(tmp_path: Path) -> None:
    film = b64encode(b"a film").decode()
    cell = widget("explore(draw)", **{MP4: film, PNG: "aa"})
    (output,) = page(cell, folder=tmp_path)[1].outputs
    (html,) = output.data.values()
    assert (tmp_path / "lesson-1.mp4").read_bytes() == b"a film"
    for part in ('src="films/lesson-1.mp4"', "muted", "loop", "autoplay", "controls"):
        assert part in html
    assert "playsinline" in html and STANDS_FOR_WIDGET not in html


def test_a_dream_stands_for_a_player(tmp_path: Path) -> None:
    cell = widget('play("freeway", place="game")')
    (output,) = page(cell, folder=tmp_path)[1].outputs
    html = output.data["text/html"]
    assert (
        'src="films/freeway.mp4"' in html and 'href="play.html?agent=freeway"' in html
    )
    assert (tmp_path / "freeway.mp4").read_bytes() == dream_of("freeway").read_bytes()


@pytest.mark.parametrize(
    ("source", "agent"),
    [('play("pong")', "pong"), ("x = 1\nplay(catch, seed=3)", "catch")],
)
def test_the_agent_of_a_player(source: str, agent: str) -> None:
    assert played_agent(source) == agent


def test_a_widget_without_a_film_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"make notebooks.*\n.*explore\(draw\)"):
        page(widget("explore(draw)"), folder=tmp_path)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (f"{NEXT}#Why-so", f"{NEXT.replace('.ipynb', '.html')}#why-so"),
        ("../iris_core/agent.py#L3", f"{FILES}/iris_core/agent.py#L3"),
        ("lessons/", f"{FILES}/notebooks/lessons"),
        ("my_iris.py", one_file.PAGE),
        ("#Dream.step", "#dream-step"),
        ("#L12", "#L12"),
        ("https://openreview.net/#x", "https://openreview.net/#x"),
    ],
)
def test_where_links_lead(link: str, target: str) -> None:
    assert redirect(f"[text]({link})") == f"[text]({target})"


def test_links_of_the_series_lead_to_pages_and_the_web() -> None:
    pages = [lesson.file.replace(".ipynb", ".html") for lesson in SERIES]
    pages.append(one_file.PAGE)
    for lesson in SERIES:
        notebook = nbformat.read(FOLDER / lesson.file, as_version=4)
        prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        for link in re.findall(r"\]\(([^)\s]+)\)", redirect("\n".join(prose))):
            assert re.match(r"https?:|#", link) or link.partition("#")[0] in pages, link
