"""The papers: the README is short, links lead somewhere, and commands are there."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from torturing import summary

from iris_core import cli
from iris_core.config import load_config

ROOT = Path(__file__).resolve().parents[1]
PAPERS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "data/**/*.md", "notebooks/*.md", "results/**/*.md")
    for path in ROOT.glob(pattern)
)
MOST_LINES = 200
MOST_BYTES = 2_000_000
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|`)(iris [a-z](?:[^`\n]|\n(?!\n|iris|```))*)", re.MULTILINE)
LOCAL = re.compile(r"(?<![\w.:/-])/(?:home|root|work|tmp|usr|Users|content)/\w")


def read(paper: str) -> str:
    return (ROOT / paper).read_text(encoding="utf-8")


def anchors(paper: Path) -> set[str]:
    """Of a paper's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", paper.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `iris ...`, in a line of its own or in a sentence."""
    for command in COMMAND.findall(text):
        joined = re.sub(r"\\\n", " ", command)
        line = joined if "`" + command in text else joined.splitlines()[0]
        yield shlex.split(line.replace("=N", "=0"), comments=True)[1:]


def test_the_readme_is_short_and_light() -> None:
    text = read("README.md")
    assert len(text.splitlines()) <= MOST_LINES
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
        assert (ROOT / picture).stat().st_size <= MOST_BYTES, picture


def test_the_readme_says_what_the_torture_measured() -> None:
    figures = ROOT / "results" / "torture.json"
    if not figures.exists():
        pytest.skip("make torture has kept no figures yet")
    assert summary(json.loads(figures.read_text())) in read("README.md")


@pytest.mark.parametrize("paper", PAPERS)
def test_links_lead_somewhere(paper: str) -> None:
    for link in LINK.findall(read(paper)):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = ((ROOT / paper).parent / file) if file else ROOT / paper
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("paper", PAPERS)
def test_nothing_is_local(paper: str) -> None:
    assert not LOCAL.search(read(paper))


@pytest.mark.parametrize("paper", PAPERS)
def test_commands_are_there(paper: str) -> None:
    parser = cli.build_parser()
    for words in commands(read(paper)):
        if len(words) == 1 or "--help" in words:  # only named, or it would exit
            continue
        _, extra = parser.parse_known_args(words)
        options = [word for word in extra if "=" not in word]
        assert not options or words[0] == "bench", words
        settings = [word for word in words if re.match(r"[a-z_/.]+=", word)]
        if words[0] in ("train", "settings", "bench"):
            load_config(overrides=settings)
