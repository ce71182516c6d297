"""my_iris.html: all of my_iris.py, each part behind its explanation from my_iris.md.

The explanations begin with an introduction. Then come sections in the order of the
file, each named after what it explains: `## Dream.step`. A section refers to a line by
a part of its code, `[drawn again](#:drawn = self.draw)`: the link leads to the first
line under that name with this text, which holds a space and no closing bracket. So no
explanation holds the number of a line, and one whose code is gone stops the build.
"""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import NamedTuple

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lessons.build.index import named
from lessons.build.series import FOLDER, SERIES, repository

SOURCE = FOLDER / "my_iris.py"
EXPLANATIONS = FOLDER / "my_iris.md"
PAGE = "my_iris.html"
REFERENCE = re.compile(r"\]\(#:(.+?)\)")


class Section(NamedTuple):
    """An explanation, and the lines of the source that it is about."""

    name: str  # "Dream.step"
    prose: str  # markdown, the heading included
    lines: range  # of the whole class or function, counted from 1


def as_page() -> str:
    """The page's source, in markdown."""
    return "\n\n".join(annotate(SOURCE.read_text(), EXPLANATIONS.read_text())) + "\n"


def annotate(source: str, explanations: str) -> list[str]:
    """Pieces of markdown, in which every line of the source stands once, in order."""
    introduction, sections = read(source, explanations)
    code, pieces = as_html_lines(source), split(source, sections)
    texts: list[str] = []
    prose = [f"{introduction}\n\n{links(sections)}"]
    prose += [refer(section, source) for section in sections]
    for text, parts in zip(prose, pieces, strict=True):
        texts += [text, *(block(code, part) for part in parts)]
    return texts


def read(source: str, explanations: str) -> tuple[str, list[Section]]:
    """The introduction, and the sections with the lines of what they are named after.

    Raises ValueError for a name that the source lacks or that stands in wrong order.
    """
    introduction, *texts = re.split(r"^(?=## )", explanations, flags=re.MULTILINE)
    known, sections = definitions(source), []
    for text in texts:
        name = text.partition("\n")[0].removeprefix("## ").strip()
        if name not in known:
            raise ValueError(f"my_iris.md explains {name}, which my_iris.py lacks")
        sections.append(Section(name, text, known[name]))
    for before, after in pairwise(sections):
        if after.lines.start <= before.lines.start:
            raise ValueError(
                f"my_iris.md explains {after.name} after {before.name}; "
                "in my_iris.py it does not come after it"
            )
    return introduction, sections


def definitions(source: str) -> dict[str, range]:
    """The lines of every class, function, method and name of a module, a comment right
    above being part of it."""
    tree, lines = ast.parse(source), source.splitlines()
    found: dict[str, ast.stmt] = {}
    for name, node in named(tree, ""):
        if not isinstance(node, ast.Module):
            found[name] = node
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            found |= {ast.unparse(target): statement for target in statement.targets}
    return {name: extent(node, lines) for name, node in found.items()}


def extent(node: ast.stmt, lines: list[str]) -> range:
    """From the comments and decorators of a statement to its last line."""
    above = [each.lineno for each in getattr(node, "decorator_list", [])]
    start = min([node.lineno, *above])
    while start > 1 and lines[start - 2].lstrip().startswith("#"):
        start -= 1
    return range(start, (node.end_lineno or node.lineno) + 1)


def split(source: str, sections: list[Section]) -> list[list[range]]:
    """The lines below the introduction and below each section: its own up to the next
    section, then those between the two that belong to neither. Blank lines stay with
    what is above them."""
    lines = source.splitlines()
    starts = [section.lines.start for section in sections] + [len(lines) + 1]
    pieces = [[range(1, starts[0])]]
    for section, stop in zip(sections, starts[1:], strict=True):
        end = min(section.lines.stop, stop)
        while end < stop and not lines[end - 1].strip():
            end += 1
        parts = range(section.lines.start, end), range(end, stop)
        pieces.append([part for part in parts if part])
    return pieces


def refer(section: Section, source: str) -> str:
    """The section's text; references have become links to anchors of lines."""
    lines = source.splitlines()

    def anchor(reference: re.Match[str]) -> str:
        for number in section.lines:
            if reference[1] in lines[number - 1]:
                return f"](#L{number})"
        raise ValueError(
            f"my_iris.md, {section.name}: no line of it has {reference[1]!r}"
        )

    return REFERENCE.sub(anchor, section.prose)


def links(sections: list[Section]) -> str:
    """Where to go from the head of the page."""
    file = f"https://github.com/{repository()}/blob/main/notebooks/{SOURCE.name}"
    top = [section.name for section in sections if "." not in section.name]
    contents = " · ".join(f"[{name}](#{name})" for name in top)
    around = f"[Map of the series]({SERIES[0].file}#map) · [The file itself]({file})"
    return f"---\n{around}\n\n{contents}"


def as_html_lines(source: str) -> list[str]:
    """The source, highlighted, line by line."""
    html = highlight(source, PythonLexer(), HtmlFormatter())
    inside = html.partition("<pre>")[2].rpartition("</pre>")[0]
    return inside.removeprefix("<span></span>").splitlines()


def block(code: list[str], part: range) -> str:
    """Some lines of highlighted code; each is an anchor, and its number leads to it."""
    lines = [
        f'<span class="line" id="L{n}"><a href="#L{n}">{n}</a>{code[n - 1]}\n</span>'
        for n in part
    ]
    html = f'<div class="file highlight"><pre>{"".join(lines)}</pre></div>'
    return f"`````{{raw}} html\n{html}\n`````"
