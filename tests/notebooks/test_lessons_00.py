"""Notebook 00: the map and the glossary lead somewhere."""

from __future__ import annotations

import dataclasses
import re

import nbformat
import numpy as np
import torch
from lessons.build import series
from lessons.exercises import nb00 as check
from lessons.plots import nb00_diagram

from iris_core.config import paper
from iris_core.data.batch import Batch
from iris_core.models import actor_critic, tokenizer, world_model

LESSON = series.SERIES[0]
NAMES = {
    **vars(paper),
    **vars(actor_critic),
    **vars(tokenizer),
    **vars(world_model),
    "Batch": Batch,
    "Tensor": torch.Tensor,
}


def test_strips_are_hidden_in_the_order_that_the_check_knows() -> None:
    real, dreamed = np.zeros(1), np.ones(1)
    for pair, row in enumerate(check.strips.solution):
        upper, lower = check.hide(real, dreamed, pair)
        assert (lower if row == "lower" else upper) is dreamed


# The map and the glossary


def section(heading: str) -> str:
    """The text under a heading, to the next one."""
    notebook = nbformat.read(series.FOLDER / LESSON.file, as_version=4)
    prose = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return prose.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_map_links_the_series_and_nothing_else() -> None:
    found = re.findall(r"\| \[(.*?)\]\((.*?)\)", section("Map"))
    assert found == [(f"{s.number:02d} {s.title}", s.file) for s in series.SERIES]
    assert '<a id="map"></a>' in "".join(
        cell.source
        for cell in nbformat.read(series.FOLDER / LESSON.file, as_version=4).cells
    )


def test_the_glossary_names_what_there_is() -> None:
    names = re.findall(r"^\| \$.*?\$ \| `(.*?)` \|", section("Symbols"), re.MULTILINE)
    assert len(names) > 20
    for dotted in names:
        first, *rest = dotted.split(".")
        thing = NAMES[first]
        for name in rest:
            fields = getattr(thing, "__dataclass_fields__", {})
            assert hasattr(thing, name) or name in fields, dotted


def test_the_glossary_has_the_papers_values() -> None:
    rows = re.findall(r"`(\w+Config)\.(\w+)` \| ([\d.]+) \|", section("Symbols"))
    assert len(rows) == 7
    for config, name, value in rows:
        (field,) = (
            f for f in dataclasses.fields(getattr(paper, config)) if f.name == name
        )
        assert field.default == float(value), name


def test_ten_sentences() -> None:
    sentences = re.findall(r"^\d+\. .*$", section("What is IRIS?"), re.MULTILINE)
    assert len(sentences) == 10
    for sentence in sentences:
        body = sentence.split(". ", 1)[1]
        assert body.endswith(".") and ". " not in body, sentence


def test_the_diagram_is_drawn() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    figure = nb00_diagram.draw_iris(frame, np.arange(64).reshape(8, 8), frame)
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    for part in ("tokenizer", "world model", "policy", "64 numbers"):
        assert part in words
