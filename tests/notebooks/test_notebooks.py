"""The notebooks as files: what a reader would stumble over is a failure here.

Whether they run is nbval's to say (`make test` calls it on all of them).
"""

from __future__ import annotations

import ast
import base64
import os
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from lessons.build import index, series
from lessons.build.execute import smaller, still, tidy, write_links
from lessons.data import DATA
from lessons.plots.kept import MP4, PNG
from PIL import Image
from safetensors import safe_open

ROOT = Path(series.FOLDER)
MARKER = "# NBVAL_CHECK_OUTPUT"
MOST_LINES = 25
MOST_BYTES = 3_000_000
LINK = re.compile(r"\]\(([^)\s]+)\)")
ABSOLUTE = re.compile(r"(?<![\w.:/-])/(?:home|root|work|tmp|usr|Users|content)/\w")
UNFINISHED = re.compile(r"@[A-Z]+@|\b(?:TODO|FIXME|TBD|XXX)\b")
CHANGING = re.compile(r"0x[0-9a-f]{6,}|\b\d\d:\d\d:\d\d\b|\b20\d\d-\d\d-\d\dT")

LESSONS = [pytest.param(each, id=each.file) for each in series.SERIES]


def read(lesson: series.Lesson) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / lesson.file, as_version=4)


def code(lesson: series.Lesson) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(lesson).cells if cell.cell_type == "code"]


def prose(lesson: series.Lesson) -> str:
    cells = read(lesson).cells
    return "\n\n".join(c.source for c in cells if c.cell_type == "markdown")


def outputs(lesson: series.Lesson) -> list[nbformat.NotebookNode]:
    return [out for cell in code(lesson) for out in cell.outputs]


def texts(lesson: series.Lesson) -> str:
    """Everything that is printed or shown as text."""
    shown = [out.get("text", "") for out in outputs(lesson)]
    for out in outputs(lesson):
        data = out.get("data", {})
        shown += [text for kind, text in data.items() if kind.startswith("text/")]
    return "\n".join(shown)


def test_the_series_is_what_is_there() -> None:
    assert sorted(path.name for path in ROOT.glob("*.ipynb")) == [
        each.file for each in series.SERIES
    ]


@pytest.mark.parametrize("lesson", LESSONS)
class TestNotebook:
    def test_is_valid_and_small(self, lesson: series.Lesson) -> None:
        notebook = read(lesson)
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3"
        assert (ROOT / lesson.file).stat().st_size < MOST_BYTES

    def test_was_executed_in_order(self, lesson: series.Lesson) -> None:
        counts = [cell.execution_count for cell in code(lesson)]
        assert counts == list(range(1, len(counts) + 1))

    def test_no_errors_no_warnings(self, lesson: series.Lesson) -> None:
        for out in outputs(lesson):
            assert out.output_type != "error"
            assert out.get("name") != "stderr"

    def test_cells_are_short(self, lesson: series.Lesson) -> None:
        for cell in code(lesson):
            assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
            assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE), cell.source

    def test_markers_stand_alone(self, lesson: series.Lesson) -> None:
        lines = [
            line
            for cell in code(lesson)
            for line in cell.source.splitlines()
            if re.search(r"nbval", line, re.IGNORECASE)
        ]
        assert lines.count(MARKER) == len(lines) >= 3, lines

    def test_says_nothing_that_changes_or_is_local(self, lesson: series.Lesson) -> None:
        everything = texts(lesson) + prose(lesson)
        assert not ABSOLUTE.search(everything)
        assert not CHANGING.search(texts(lesson)), CHANGING.search(texts(lesson))
        for cell in code(lesson):
            assert not ABSOLUTE.search(cell.source), cell.source

    def test_has_no_gaps_left_to_fill(self, lesson: series.Lesson) -> None:
        sources = [cell.source for cell in read(lesson).cells]
        assert not UNFINISHED.search("\n".join(sources))

    def test_links_lead_somewhere(self, lesson: series.Lesson) -> None:
        for link in LINK.findall(prose(lesson) + texts(lesson)):
            file, _, anchor = link.partition("#")
            if link.startswith("http"):
                continue
            if file:
                assert (ROOT / file).exists(), link
            if file.endswith(".ipynb") and anchor:
                other = next(s for s in series.SERIES if s.file == file)
                headings = re.findall(r"^#+ (.*)$", prose(other), re.MULTILINE)
                slugs = [h.strip().lower().replace(" ", "-") for h in headings]
                assert anchor.lower() in slugs, link

    def test_is_linked_to_its_neighbours(self, lesson: series.Lesson) -> None:
        cells = read(lesson).cells
        links = series.neighbours(lesson.number)
        assert cells[0].source.startswith(f"# {lesson.number:02d} {lesson.title}")
        assert cells[0].source.endswith(f"{links}\n\n{series.badges(lesson.number)}")
        assert cells[1].source == series.install_cell()
        assert cells[-1].source.endswith(links)

    def test_has_all_its_parts(self, lesson: series.Lesson) -> None:
        text = prose(lesson)
        for part in ("## What to remember", "## What readers ask", "minutes"):
            assert part in text
        exercises = len(re.findall(r"^### Exercise", text, re.MULTILINE))
        assert 2 <= exercises <= 5
        told = re.findall(r"^\*(?:easy|medium|hard) · \d+ minutes", text, re.MULTILINE)
        assert len(told) == exercises
        assert text.count("<summary>Hint</summary>") >= exercises
        assert any("image/png" in out.get("data", {}) for out in outputs(lesson))

    def test_its_checks_are_its_own_and_unsolved(self, lesson: series.Lesson) -> None:
        """Every exercise answers at once, and the committed stub is untouched."""
        shown = re.findall(r"^[✔✘○] \w+: .*$", texts(lesson), re.MULTILINE)
        assert shown, "no check answered"
        assert all(line.startswith("○") for line in shown), shown

    def test_parses(self, lesson: series.Lesson) -> None:
        for cell in code(lesson):
            ast.parse(cell.source)


def test_there_are_exercises_enough() -> None:
    found = [re.findall(r"^### Exercise", prose(each), re.M) for each in series.SERIES]
    assert sum(map(len, found)) >= 25


def test_the_index_reads_the_sources() -> None:
    entries = index.paper_index()
    assert {"equation 4", "equation 6"} <= {entry.paper for entry in entries}
    for entry in entries:
        line = (ROOT.parent / entry.file).read_text().splitlines()[entry.line - 1]
        name = entry.name.rpartition(".")[2]
        assert entry.line == 1 or name in line
    assert "| equation 4 |" in index.as_markdown(entries)


def widget_cell() -> nbformat.NotebookNode:
    live = nbformat.v4.new_output(
        "display_data",
        data={
            "application/vnd.jupyter.widget-view+json": {"model_id": "1f2e"},
            "text/plain": "VBox(children=(IntSlider(value=0),))",
        },
    )
    cell = nbformat.v4.new_code_cell("show()", outputs=[live])
    cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00"}
    return cell


def test_tidying_leaves_nothing_that_changes() -> None:
    notebook = nbformat.v4.new_notebook(cells=[widget_cell()])
    tidy(notebook)
    (cell,) = notebook.cells
    assert cell.id == "cell-000"
    assert "execution" not in cell.metadata
    assert len(cell.outputs) == 1
    assert list(cell.outputs[0].data) == ["text/plain"]


def test_a_widget_leaves_its_picture_and_its_film() -> None:
    cell = widget_cell()
    cell.outputs[0].data |= {PNG: as_png(np.zeros((4, 4, 3))), MP4: "AAAA"}
    tidy(nbformat.v4.new_notebook(cells=[cell]))
    assert cell.outputs[0].data[MP4] == "AAAA"
    assert set(cell.outputs[0].data) == {PNG, MP4, "text/plain"}


def test_printing_in_pieces_reads_as_one() -> None:
    pieces = [nbformat.v4.new_output("stream", name="stdout", text=t) for t in "ab"]
    data = {"image/png": as_png(np.zeros((4, 4, 3)))}
    picture = nbformat.v4.new_output("display_data", data=data)
    cell = nbformat.v4.new_code_cell("", outputs=[*pieces, picture, pieces[0].copy()])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    tidy(notebook)
    assert [out.get("text") for out in notebook.cells[0].outputs] == ["ab", None, "a"]


def as_png(pixels: np.ndarray) -> str:
    """(H, W, 3 or 4) in 0..255 as a PNG in base64."""
    file = BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("alpha", [255, 100])
def test_pictures_keep_their_pixels(alpha: int) -> None:
    y, x = np.mgrid[:40, :60]
    pixels = np.stack([x, y, x + y, np.full_like(x, alpha)], axis=-1)
    data = {"image/png": as_png(pixels), "text/plain": "<Figure>"}
    kept = still(nbformat.v4.new_output("display_data", data=dict(data))).data
    assert kept["text/plain"] == "<Figure>"
    assert len(kept["image/png"]) < len(data["image/png"])
    image = Image.open(BytesIO(base64.b64decode(kept["image/png"])))
    assert np.array_equal(np.array(image.convert("RGBA")), pixels)
    assert smaller(kept["image/png"]) == kept["image/png"]


def test_links_are_written_once_however_often() -> None:
    lesson = series.SERIES[2]
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# 02 Frames to tokens\n\nWhat you build."),
            nbformat.v4.new_code_cell("", metadata={"tags": ["install"]}),
            nbformat.v4.new_markdown_cell("", metadata={"tags": ["links"]}),
        ]
    )
    write_links(notebook, lesson)
    once = [cell.source for cell in notebook.cells]
    write_links(notebook, lesson)
    assert [cell.source for cell in notebook.cells] == once
    assert once[0].count("colab.research.google.com/github") == 1
    assert once[1] == series.install_cell()


PLACES = [".", "iris", "iris/notebooks", "iris/tests/notebooks", "kept/by/me"]


def run_first_cell(folder: Path, library: Path) -> str:
    """Where the series is then imported from, if it is."""
    told = "\nimport lessons.build as found\nprint(found.__path__[0])"
    done = subprocess.run(
        [sys.executable, "-c", series.install_cell() + told],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("place", PLACES)
def test_the_first_cell_finds_the_series(place: str, tmp_path: Path) -> None:
    """From above, from within, from below and from beside its clone."""
    notebooks = tmp_path / "iris" / "notebooks"
    for name in ("build", "exercises"):
        (notebooks / "lessons" / name).mkdir(parents=True)
    library = tmp_path / "installed"
    (library / "iris_core").mkdir(parents=True)
    (library / "iris_core" / "__init__.py").touch()
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    found = run_first_cell(tmp_path / place, library)
    assert found == str(notebooks / "lessons" / "build")


def test_the_first_cell_finds_the_series_beside_the_library(tmp_path: Path) -> None:
    found = run_first_cell(tmp_path, ROOT.parent)
    assert found == str(ROOT / "lessons" / "build")


@pytest.mark.parametrize(
    "agent", sorted(DATA.glob("agents/*.safetensors")), ids=lambda f: f.stem
)
def test_shipped_agents_name_no_place_of_their_maker(agent: Path) -> None:
    with safe_open(agent, framework="pt") as file:
        told = file.metadata()
    assert not ABSOLUTE.search("\n".join(told.values()))
    assert agent.stat().st_size <= 5_000_000
