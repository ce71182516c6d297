"""Where the paper's equations and sections live in the code, read from its docstrings.

Nothing is listed by hand, so a name that moves or an equation that goes takes its line
along.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import iris_core

REFERENCE = re.compile(
    r"\b(equations?|sections?|appendix|algorithm)\s+(\d+(?:\.\d+)*|[A-Z](?:\.\d+)*)\b",
    re.IGNORECASE,
)


class Entry(NamedTuple):
    """One mention of the paper in a docstring."""

    paper: str  # "equation 4"
    name: str  # "Tokenizer.loss"
    file: str  # "iris_core/models/tokenizer.py"
    line: int
    about: str  # the docstring's first line


def paper_index() -> list[Entry]:
    """Every place in iris_core whose docstring names a part of the paper, in order."""
    root = Path(iris_core.__file__).parent
    found = [entry for path in sorted(root.rglob("*.py")) for entry in scan(path, root)]
    return sorted(found, key=lambda e: (rank(e.paper), e.file, e.line))


def as_markdown(entries: list[Entry]) -> str:
    """The index as a table with links into the sources."""
    lines = ["| in the paper | in the code | what |", "| --- | --- | --- |"]
    lines += [
        f"| {e.paper} | [`{e.name}`](../{e.file}#L{e.line}) | {e.about} |"
        for e in entries
    ]
    return "\n".join(lines)


def scan(path: Path, root: Path) -> Iterator[Entry]:
    """The mentions in one file."""
    file = path.relative_to(root.parent).as_posix()
    for name, node in named(ast.parse(path.read_text()), path.stem):
        text = ast.get_docstring(node) or ""
        parts = {
            f"{kind.lower().rstrip('s')} {n}" for kind, n in REFERENCE.findall(text)
        }
        for paper in parts:
            yield Entry(
                paper, name, file, getattr(node, "lineno", 1), text.splitlines()[0]
            )


Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def named(node: Documented, name: str) -> Iterator[tuple[str, Documented]]:
    """A module, its classes and functions, with dotted names."""
    yield name, node
    inside = "" if isinstance(node, ast.Module) else f"{name}."
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            yield from named(child, inside + child.name)


def rank(paper: str) -> tuple[int, str]:
    """Equations first, then sections, appendices, algorithms."""
    kinds = ["equation", "section", "appendix", "algorithm"]
    return kinds.index(paper.split()[0]), paper
