"""The page of my_iris.py: all of it, once; explanations point where they say."""

import re
from html import unescape
from pathlib import Path

import pytest
from docutils.nodes import make_id
from lessons.build.one_file import EXPLANATIONS, PAGE, SOURCE, annotate, read
from lessons.build.series import FOLDER, SERIES

LINE = re.compile(r'<span class="line" id="L(\d+)">(.*?)\n</span>')
SMALL = '''\
"""Nothing much."""

import math


# How far.
RADIUS = 2


class Circle:
    def __init__(self):
        self.r = RADIUS

    def area(self):
        return math.pi * self.r**2

    def half(self):
        return self.area() / 2


print("<done>")
'''


@pytest.fixture
def html(site: Path) -> str:
    return (site / PAGE).read_text()


def shown(html: str) -> list[str]:
    """The code of a page, line by line; the numbers are checked and left out."""
    found = LINE.findall(html)
    assert [int(n) for n, _ in found] == list(range(1, len(found) + 1))
    tagged = [text.removeprefix(f'<a href="#L{n}">{n}</a>') for n, text in found]
    return [unescape(re.sub(r"<[^>]+>", "", text)) for text in tagged]


def cells(explanations: str, source: str = SMALL) -> list[str]:
    return annotate(source, explanations)


def code(cell: str) -> str:
    """What a block of the page shows."""
    tagged = [re.sub(r"<a .*?</a>", "", text) for _, text in LINE.findall(cell)]
    return "\n".join(unescape(re.sub(r"<[^>]+>", "", text)) for text in tagged)


# The page


def test_every_line_is_there_once_in_order(html: str) -> None:
    assert shown(html) == SOURCE.read_text().splitlines()


def test_every_section_and_reference_leads_somewhere(html: str) -> None:
    _, sections = read(SOURCE.read_text(), EXPLANATIONS.read_text())
    assert len(sections) > 15
    anchors = re.findall(r'\bid="([^"]+)"', html)
    assert len(anchors) == len(set(anchors))
    assert {make_id(section.name) for section in sections} <= set(anchors)
    links = set(re.findall(r'href="#([^"]+)"', html))
    assert links <= set(anchors)
    assert "](#" not in html and "#:" not in html


def test_it_links_the_series(html: str) -> None:
    assert f'href="{SERIES[0].file.replace(".ipynb", ".html")}#map"' in html


def test_the_explanations_name_only_options_that_there_are() -> None:
    fields = re.findall(r"^    (\w+): ", SOURCE.read_text(), re.MULTILINE)
    options = re.findall(r"--(\w+)", EXPLANATIONS.read_text())
    assert options and set(options) <= set(fields)


# What it is made of


def test_a_section_shows_its_lines_and_then_what_no_section_has() -> None:
    texts = cells("# Title\n\n## RADIUS\nA number.\n\n## Circle.area\nFlat.\n")
    assert [code(text) for text in texts] == [
        "",
        SMALL.split("# How")[0].removesuffix("\n"),
        "",
        "# How far.\nRADIUS = 2\n\n",
        "class Circle:\n    def __init__(self):\n        self.r = RADIUS\n",
        "",
        "    def area(self):\n        return math.pi * self.r**2\n",
        '    def half(self):\n        return self.area() / 2\n\n\nprint("<done>")',
    ]


def test_methods_can_have_sections_inside_their_class() -> None:
    texts = cells("## Circle\nRound.\n\n## Circle.half\nLess.\n")
    inside = [code(text) for text in texts if "class Circle" in code(text)]
    assert len(inside) == 1 and "def area" in inside[0] and "def half" not in inside[0]
    assert "\n".join(code(text) for text in texts if LINE.search(text)) == SMALL[:-1]


def test_a_reference_leads_to_the_first_such_line_of_its_section() -> None:
    (text,) = (c for c in cells("## Circle\n[r](#:self.r = RAD).\n") if "Circle\n" in c)
    assert "[r](#L12)." in text


@pytest.mark.parametrize(
    ("explanations", "told"),
    [
        ("## Square\nNo.\n", "explains Square, which my_iris.py lacks"),
        ("## Circle.size\nNo.\n", "explains Circle.size, which my_iris.py lacks"),
        (
            "## Circle.area\n[x](#:/ 2 and)\n",
            "Circle.area: no line of it has '/ 2 and'",
        ),
        ("## Circle.area\n[x](#:self.area)\n", "Circle.area: no line of it has"),
        ("## Circle\nA.\n\n## RADIUS\nB.\n", "explains RADIUS after Circle"),
        ("## Circle\nA.\n\n## Circle\nB.\n", "explains Circle after Circle"),
    ],
)
def test_what_leads_nowhere_is_named(explanations: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        annotate(SMALL, explanations)


def test_the_page_is_made_of_what_lies_beside_the_notebooks() -> None:
    assert {SOURCE.parent, EXPLANATIONS.parent} == {Path(FOLDER)}
