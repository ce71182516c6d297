"""`make book`: the series as web pages that read well with no kernel and no network.

    python -m lessons.build.book FOLDER

nbconvert writes the pages. MathJax comes along, links between notebooks lead to their
pages, and links to files lead to the project's repository. my_iris.py has a page too,
on which each part of it stands below its explanation.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from posixpath import normpath

import jupyter_server_mathjax
import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from lessons.build import one_file
from lessons.build.series import FOLDER, SERIES, Lesson, repository

MATHJAX = "mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full,Safe"
# What JupyterLab shows around a notebook is not needed on a page.
HIDDEN_TAGS = {"install"}
# The fonts that jupyter_server_mathjax has.
HEAD = """
<script type="text/x-mathjax-config">
  MathJax.Hub.Config({"HTML-CSS": {availableFonts: [], webFont: "STIX-Web"}});
</script>
<style>
  body { max-width: 62rem; margin: 0 auto; }
  .jp-InputPrompt, .jp-OutputPrompt { display: none; }
  .jp-RenderedImage img { max-width: 100%; height: auto; }
</style>
"""


def write_book(folder: Path) -> list[Path]:
    """Every notebook and my_iris.py as pages in `folder`; the first is index.html too.
    Returns the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    mathjax = Path(jupyter_server_mathjax.__file__).parent / "static"
    shutil.copytree(mathjax, folder / "mathjax", dirs_exist_ok=True)
    pages = [write_page(lesson, folder) for lesson in SERIES]
    shutil.copy(pages[0], folder / "index.html")
    return [*pages, write_one_file(folder)]


def write_page(lesson: Lesson, folder: Path) -> Path:
    """One notebook as a page."""
    notebook = nbformat.read(FOLDER / lesson.file, as_version=4)
    page = folder / f"{Path(lesson.file).stem}.html"
    page.write_text(as_html(notebook, f"{lesson.number:02d} {lesson.title}"))
    return page


def write_one_file(folder: Path) -> Path:
    """my_iris.py and its explanations as a page."""
    source, explanations = one_file.SOURCE, one_file.EXPLANATIONS
    notebook = one_file.annotate(source.read_text(), explanations.read_text())
    page = folder / one_file.PAGE
    html = as_html(notebook, one_file.TITLE)
    page.write_text(html.replace("</head>", f"{one_file.STYLE}</head>", 1))
    return page


def as_html(notebook: NotebookNode, title: str) -> str:
    """A page that asks the network for nothing but the badges' pictures."""
    notebook.metadata["title"] = title
    notebook.cells = [
        cell
        for cell in notebook.cells
        if not HIDDEN_TAGS & set(cell.metadata.get("tags", []))
    ]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = redirect(cell.source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = redirect(data["text/markdown"])
    exporter = HTMLExporter(
        mathjax_url=MATHJAX, require_js_url="", jquery_url="", mermaid_js_url=""
    )
    html: str
    html, _ = exporter.from_notebook_node(notebook)
    return html.replace("</head>", f"{HEAD}</head>", 1)


def redirect(markdown: str) -> str:
    """Links to what has a page lead there; links to other files to the repository."""
    return re.sub(r"\]\(([^)\s]+)\)", lambda link: f"]({target(link[1])})", markdown)


def target(link: str) -> str:
    """Where a link of a notebook leads to from a page."""
    if re.match(r"\w+:|#", link):
        return link
    if ".ipynb" in link:
        return link.replace(".ipynb", ".html")
    if link == one_file.SOURCE.name:
        return one_file.PAGE
    path = normpath(f"notebooks/{link}")
    return f"https://github.com/{repository()}/blob/main/{path}"


if __name__ == "__main__":
    for written in write_book(Path(sys.argv[1])):
        print(written.name)
