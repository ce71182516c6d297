"""The order of the notebooks, and the lines that link them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Lesson:
    """One notebook: its file is NN_name.ipynb."""

    number: int
    name: str
    title: str

    @property
    def file(self) -> str:
        return f"{self.number:02d}_{self.name}.ipynb"


SERIES = [
    Lesson(number, name, title)
    for number, (name, title) in enumerate(
        [
            ("a_dream_in_two_minutes", "A dream in two minutes"),
            ("the_game_and_its_budget", "The game and the 100k budget"),
            ("frames_to_tokens", "Frames to tokens"),
            ("attention_and_its_memory", "Attention and its memory"),
            ("the_world_model", "The world model"),
            ("dreaming", "Dreaming"),
            ("learning_behaviour", "Learning behaviour"),
            ("the_whole_loop", "The whole loop"),
            ("watching_your_agent", "Watching your agent"),
            ("the_papers_evidence", "The paper's evidence"),
            ("fast_and_big", "Making it fast, making it big"),
        ]
    )
]


def repository() -> str:
    """Where the project lives, owner/name, from pyproject.toml."""
    text = (FOLDER.parent / "pyproject.toml").read_text()
    url: str = tomllib.loads(text)["project"]["urls"]["Repository"]
    return url.removeprefix("https://github.com/")


def neighbours(number: int) -> str:
    """Links to the notebook before, the map and the one after."""
    links = [f"[{each.number:02d} {each.title}]({each.file})" for each in SERIES]
    before = f"← {links[number - 1]} · " if number > 0 else ""
    after = f" · {links[number + 1]} →" if number + 1 < len(SERIES) else ""
    return f"{before}[Map of the series]({SERIES[0].file}#map){after}"


def badges(number: int) -> str:
    """Where the notebook runs without a machine of one's own."""
    repo, file = repository(), SERIES[number].file
    colab = (
        f"https://colab.research.google.com/github/{repo}/blob/main/notebooks/{file}"
    )
    binder = f"https://mybinder.org/v2/gh/{repo}/main?labpath=notebooks/{file}"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"({colab}) "
        f"[![Launch on Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def install_cell() -> str:
    """Finds the series, wherever the kernel starts; where it isn't, it is fetched."""
    return f"""\
# Find the series: here, below or above. Where it is not, as on Colab, fetch it.
import importlib.util
import os
import pathlib
import subprocess
import sys


def find_notebooks():
    here, library = pathlib.Path.cwd(), importlib.util.find_spec("iris_core")
    clone = [pathlib.Path(library.origin).parents[1]] if library else []
    for folder in (here, *clone, *here.parents):
        for way in ("", "notebooks/", "*/notebooks/", "*/*/notebooks/"):
            for found in folder.glob(way + "lessons/exercises"):
                return found.parents[1]


if find_notebooks() is None:
    url = "https://github.com/{repository()}"
    subprocess.run(["git", "clone", "--depth=1", url, "iris"], check=True)
os.chdir(find_notebooks())
sys.path.insert(0, os.getcwd())
if importlib.util.find_spec("iris_core") is None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "..[notebooks]"], check=True)"""
