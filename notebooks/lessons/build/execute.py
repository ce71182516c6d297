"""`make notebooks`: run notebooks in place and leave only what is worth keeping.

    python -m lessons.build.execute [NOTEBOOK ...] [--links]

Every notebook runs from a fresh kernel. Links, badges and the install cell are written
anew; cell ids are numbers; a widget leaves a picture and a film of its use, or the text
that stands for it, because the ids of live ones change with every run. So a second run
changes only what really differs.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import time
from io import BytesIO
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

from lessons.build.series import (
    FOLDER,
    SERIES,
    Lesson,
    badges,
    install_cell,
    neighbours,
)
from lessons.plots.kept import FILMS, PNG

LIVE = "application/vnd.jupyter.widget-view+json"
KERNEL = {
    "name": "python3",
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
}
COLOURS = 256  # of the picture beside a widget's film
STANDS_FOR_WIDGET = "(Run this cell to use the live widget.)"


def write_links(notebook: NotebookNode, lesson: Lesson) -> None:
    """The first cell's last line, the install cell, and the last cell."""
    first = notebook.cells[0]
    body = first.source.split("\n\n---\n")[0]
    first.source = (
        f"{body}\n\n---\n{neighbours(lesson.number)}\n\n{badges(lesson.number)}"
    )
    for cell in notebook.cells:
        if "install" in cell.metadata.get("tags", []):
            cell.source = install_cell()
        if "links" in cell.metadata.get("tags", []):
            cell.source = f"---\n{neighbours(lesson.number)}"


def run(notebook: NotebookNode) -> None:
    """Execute every cell, its widgets filmed; raises CellExecutionError where one
    fails."""
    client = NotebookClient(
        notebook,
        timeout=3600,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        record_timing=False,
        store_widget_state=False,
    )
    client.execute(env={**os.environ, FILMS: "1"})


def tidy(notebook: NotebookNode) -> None:
    """Drop what changes from run to run though nothing has changed."""
    notebook.metadata = NotebookNode(
        kernelspec=KERNEL, language_info={"name": "python"}
    )
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03d}"
        if cell.cell_type != "code":
            continue
        cell.metadata = NotebookNode(
            {k: v for k, v in cell.metadata.items() if k in ("tags", "jupyter")}
        )
        cell.outputs = joined([still(output) for output in cell.outputs])


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What was printed in several pieces, as one: where it is cut is chance."""
    whole: list[NotebookNode] = []
    for output in outputs:
        name = output.get("name")  # of a stream; nothing else has one
        if whole and name and name == whole[-1].get("name"):
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def still(output: NotebookNode) -> NotebookNode:
    """An output as it is kept: a live widget leaves a line of text and what else it
    has, a picture its pixels in as few bytes as may be."""
    data = output.get("data", {})
    live = data.pop(LIVE, None)
    if live:
        data["text/plain"] = STANDS_FOR_WIDGET
    if PNG in data:
        data[PNG] = smaller(data[PNG], COLOURS if live else None)
    return output


def smaller(picture: str, colours: int | None = None) -> str:
    """The same picture, a PNG in base64; what is opaque anyway needs no alpha. With
    `colours`, it has so many at most."""
    image: Image.Image = Image.open(BytesIO(base64.b64decode(picture)))
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if colours:
        image = image.quantize(colours, dither=Image.Dither.NONE)
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--links", action="store_true", help="links only, run nothing")
    options = parser.parse_args(arguments)
    wanted = {path.name for path in options.notebooks} or {s.file for s in SERIES}
    for lesson in SERIES:
        if lesson.file not in wanted:
            continue
        path = FOLDER / lesson.file
        notebook = nbformat.read(path, as_version=4)
        write_links(notebook, lesson)
        started = time.perf_counter()
        if not options.links:
            run(notebook)
        tidy(notebook)
        nbformat.write(notebook, path)
        print(f"{lesson.file}: {(time.perf_counter() - started) / 60:.1f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
