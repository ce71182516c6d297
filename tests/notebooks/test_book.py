"""The static pages: links, pictures and equations without a network."""

import re

import nbformat
import pytest

pytest.importorskip("jupyter_server_mathjax")

from lessons.build import one_file
from lessons.build.book import as_html, redirect
from lessons.build.series import FOLDER, SERIES, repository


def page() -> str:
    cells = [
        nbformat.v4.new_markdown_cell(
            f"$e^x$ [next]({SERIES[1].file}#why) [code](../iris_core/agent.py#L3)"
        ),
        nbformat.v4.new_code_cell("install()", metadata={"tags": ["install"]}),
        nbformat.v4.new_code_cell("1 + 1"),
    ]
    return as_html(nbformat.v4.new_notebook(cells=cells), "01 A title")


def test_links_lead_to_pages_and_sources() -> None:
    html = page()
    assert f'href="{SERIES[1].file.replace(".ipynb", ".html")}#why"' in html
    assert f"https://github.com/{repository()}/blob/main/iris_core/agent.py#L3" in html
    assert ".ipynb" not in html


def test_a_page_asks_no_other_server() -> None:
    html = page()
    assert "mathjax/MathJax.js" in html
    loaded = re.findall(r"<(?:script|link)[^>]+(?:src|href)=\"(\w+://[^\"]+)", html)
    assert loaded == []


def test_a_page_leaves_the_installation_out() -> None:
    assert "install()" not in page()
    assert "<title>01 A title</title>" in page()


def test_other_links_stay() -> None:
    text = "[paper](https://openreview.net) [here](#map)"
    assert redirect(text) == text


def test_links_of_the_series_lead_to_pages_and_the_web() -> None:
    pages = [lesson.file.replace(".ipynb", ".html") for lesson in SERIES]
    pages.append(one_file.PAGE)
    for lesson in SERIES:
        notebook = nbformat.read(FOLDER / lesson.file, as_version=4)
        prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        for link in re.findall(r"\]\(([^)\s]+)\)", redirect("\n".join(prose))):
            assert re.match(r"https?:|#", link) or link.partition("#")[0] in pages, link


def test_a_file_beside_the_notebooks_is_found_in_the_repository() -> None:
    files = f"https://github.com/{repository()}/blob/main/notebooks"
    assert redirect("[lessons](lessons/)") == f"[lessons]({files}/lessons)"


def test_the_map_leads_to_the_page_of_the_one_file() -> None:
    assert redirect("[all](my_iris.py)") == f"[all]({one_file.PAGE})"
