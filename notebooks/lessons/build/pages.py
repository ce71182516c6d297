"""A notebook as the source of its page, which nobody can run: what only a kernel needs
goes, films stand for widgets, and links lead to pages.
"""

from __future__ import annotations

import ast
import re
import shutil
from base64 import b64decode
from html import escape
from pathlib import Path
from posixpath import normpath

from docutils.nodes import make_id
from nbformat import NotebookNode
from nbformat.v4 import new_output

from lessons.build import one_file
from lessons.build.execute import STANDS_FOR_WIDGET
from lessons.build.series import repository
from lessons.data import DATA
from lessons.plots.kept import MP4

LEFT_OUT = {"install", "links"}  # tags of cells: the theme has links of its own
FOLDED = "hide-input"  # jupyter-book's tag
COMPARED = "# NBVAL_CHECK_OUTPUT"  # a mark for the tests
VIDEO = "muted loop autoplay playsinline controls"
WIDGET = """\
<figure class="film"><video src="{film}" {video} aria-label="The widget in use"></video>
<figcaption>Each control moves over its range. In the notebook, you move them.
</figcaption></figure>"""
PLAYER = """\
<figure class="film dream"><video src="{film}" {video} aria-label="A dream of {name}">
</video><figcaption>A dream of the agent {name}.
<a href="play.html?agent={name}">Play in its dream</a>, here in the browser.
</figcaption></figure>"""


def as_page(notebook: NotebookNode, name: str, films: Path) -> NotebookNode:
    """The notebook, changed; its films lie in the folder `films`, named after `name`.

    ValueError where a widget has left no film.
    """
    first, *others = notebook.cells
    first.source = first.source.split("\n\n---\n")[0]  # links and badges
    kept = [cell for cell in others if not LEFT_OUT & tags(cell)]
    notebook.cells = [first, *kept]
    fold_imports(notebook.cells)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = redirect(cell.source)
        cell.source = cell.source.removeprefix(f"{COMPARED}\n")
        for output in cell.get("outputs", []):
            show_films(output, cell.source, films / f"{name}-{number}.mp4")
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = redirect(data["text/markdown"])
    return notebook


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def fold_imports(cells: list[NotebookNode]) -> None:
    """Fold what is no part of the lesson: the cells above its first section, and those
    that only import."""
    section = False
    for cell in cells:
        if cell.cell_type == "markdown":
            section = section or bool(re.search(r"^## ", cell.source, re.MULTILINE))
        elif not section or only_imports(cell.source):
            cell.metadata["tags"] = [*tags(cell), FOLDED]


def only_imports(source: str) -> bool:
    """Whether code has no statement but imports."""
    body = ast.parse(source).body
    return all(isinstance(each, ast.Import | ast.ImportFrom) for each in body)


def show_films(output: NotebookNode, source: str, path: Path) -> None:
    """Put a film where a widget was: of its use, written to `path`, or, where it was a
    player, of a dream of its agent."""
    data = output.get("data", {})
    if MP4 in data:
        path.write_bytes(b64decode(data[MP4]))
        html = WIDGET.format(film=f"films/{path.name}", video=VIDEO)
    elif data.get("text/plain") == STANDS_FOR_WIDGET:
        agent = played_agent(source)
        film = dream_of(agent)
        shutil.copy(film, path.parent)
        html = PLAYER.format(film=f"films/{film.name}", video=VIDEO, name=escape(agent))
    else:
        return
    output.update(new_output("display_data", {"text/html": html}))
    output.pop("execution_count", None)


def dream_of(agent: str) -> Path:
    """The recorded dream of an agent of data/agents."""
    return DATA / "dreams" / f"{agent}.mp4"


def played_agent(source: str) -> str:
    """The agent that a cell plays: play("catch"), or play(catch).

    ValueError if it plays none.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "play":
            name = node.args[0]
            return (
                str(name.value) if isinstance(name, ast.Constant) else ast.unparse(name)
            )
    raise ValueError(
        f"a widget of no player has no film; `make notebooks` makes it:\n{source}"
    )


def redirect(markdown: str) -> str:
    """Links to what has a page lead there; links to other files to the repository."""
    return re.sub(r"\]\(([^)\s]+)\)", lambda link: f"]({target(link[1])})", markdown)


def target(link: str) -> str:
    """Where a link of a notebook leads to from a page."""
    if re.match(r"\w+:", link):
        return link
    file, mark, anchor = link.partition("#")
    if file.endswith(".ipynb") or not file:
        return f"{file.replace('.ipynb', '.html')}{mark}{heading_id(anchor)}"
    if link == one_file.SOURCE.name:
        return one_file.PAGE
    path = normpath(f"notebooks/{link}")
    return f"https://github.com/{repository()}/blob/main/{path}"


def heading_id(anchor: str) -> str:
    """The id that a heading has on a page; lines of a file, L12, keep theirs."""
    return anchor if re.fullmatch(r"(L\d+)?", anchor) else make_id(anchor)
