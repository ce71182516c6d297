"""`make book`: the site, in which the series reads well with no kernel and no network.

    python -m lessons.build.book FOLDER

jupyter-book writes a page for every notebook and for my_iris.py, from the files in
`site`. In front of them stands the player, which runs in the page.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import yaml
from PIL import Image

from iris_core.tools.export.page import SPACE, write_player
from lessons.build import one_file
from lessons.build.pages import as_page, dream_of, redirect
from lessons.build.series import FOLDER, SERIES, Lesson, repository
from lessons.data import DATA

SITE = Path(__file__).with_name("site")
FRONT = "freeway_hour"  # the agent of the front page
TRAIN = SERIES[7]  # the lesson in which an agent is trained
# Those whose dreams begin at chosen moments, and the toy game's, which the pages play.
AGENTS = sorted({"catch", *(starts.stem for starts in DATA.glob("starts/*.json"))})
# Of what jupyter-book writes. The theme's icons are in its fonts; the script that could
# draw them as well is half of what a page would load.
NOT_NEEDED = ("*.map", "locales", "reports", "fontawesome.js")
ICONS = re.compile(r"<script[^>]+/fontawesome\.js[^>]*></script>")


def write_book(folder: Path) -> list[Path]:
    """The whole site, in `folder`. Returns its pages."""
    pages = write_pages(folder)
    add_player(folder, AGENTS)
    return pages


def add_player(folder: Path, agents: list[str]) -> None:
    """The player with these agents, and what makes the folder a Hugging Face Space.
    Exporting takes the longest, so the player is kept beside the site, until something
    that it is made of is newer."""
    kept = folder.with_name(f"{folder.name}-player")
    if not is_new(kept / "agents" / "agents.json", agents):
        shutil.rmtree(kept, ignore_errors=True)
        write_player(kept, agents)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    (folder / "README.md").write_text(SPACE)


def is_new(menu: Path, agents: list[str]) -> bool:
    """Whether a player's menu has these agents, and nothing has changed since."""
    if not menu.is_file():
        return False
    tools = DATA.parent / "iris_core" / "tools"
    made_of = [*tools.glob("export/*.py"), *tools.glob("play/web/*")]
    made_of += [file for name in agents for file in DATA.glob(f"*/{name}.*")]
    there = {entry["name"] for entry in json.loads(menu.read_text())}
    changed = max(file.stat().st_mtime for file in made_of)
    return there == set(agents) and menu.stat().st_mtime > changed


def write_pages(folder: Path) -> list[Path]:
    """The site without its player, in `folder`; what it is made of lies beside it.
    Returns the pages."""
    source = folder.with_name(f"{folder.name}-source")
    shutil.rmtree(source, ignore_errors=True)
    write_source(source)
    build(source)
    ignore = shutil.ignore_patterns(*NOT_NEEDED)
    html = source / "_build" / "html"
    shutil.copytree(html, folder, ignore=ignore, dirs_exist_ok=True)
    (folder / ".nojekyll").touch()  # or GitHub Pages leaves out what begins with _
    pages = sorted(folder.glob("*.html"))
    for page in pages:
        page.write_text(ICONS.sub("", page.read_text()))
    return pages


def write_source(source: Path) -> None:
    """All that jupyter-book is given."""
    shutil.copytree(SITE, source, ignore=shutil.ignore_patterns("maths.js"))
    extra = source / "extra"  # copied into the site as it is
    (extra / "films").mkdir(parents=True)
    for lesson in SERIES:
        notebook = nbformat.read(FOLDER / lesson.file, as_version=4)
        page = as_page(notebook, lesson.name, extra / "films")
        nbformat.write(page, source / lesson.file)
    (source / one_file.PAGE).with_suffix(".md").write_text(redirect(one_file.as_page()))
    write_front(source)
    write_maths(extra / "_static")
    (source / "_config.yml").write_text(yaml.safe_dump(config()))
    (source / "_toc.yml").write_text(yaml.safe_dump(contents()))


def write_front(source: Path) -> None:
    """The front page, a film of its agent and that film's first frame."""
    film = dream_of(FRONT)
    shutil.copy(film, source / "extra" / "films")
    frame = Image.fromarray(np.load(film.with_suffix(".npz"))["frames"][0])
    frame.save(source / "_static" / "icon.png")
    poster = frame.resize((512, 512), Image.Resampling.NEAREST)
    poster.save(source / "extra" / "poster.png")
    page = source / "index.md"
    text = page.read_text().replace("@AGENT@", FRONT)
    text = text.replace("@FIRST@", page_of(SERIES[0])).replace(
        "@TRAIN@", page_of(TRAIN)
    )
    page.write_text(text)


def write_maths(static: Path) -> None:
    """MathJax, and what loads it: not in _static, which every page loads whole."""
    mathjax = files("sphinx-mathjax-offline") / "static" / "mathjax" / "tex-svg.js"
    (static / "mathjax").mkdir(parents=True)
    (static / "mathjax" / "tex-svg.js").write_bytes(mathjax.read_bytes())
    shutil.copy(SITE / "maths.js", static)


def config() -> dict[str, Any]:
    """_config.yml, with the repository's address."""
    settings: dict[str, Any] = yaml.safe_load((SITE / "_config.yml").read_text())
    settings["repository"]["url"] = f"https://github.com/{repository()}"
    return settings


def contents() -> dict[str, Any]:
    """_toc.yml: the lessons in their order, then the file that has everything."""
    lessons = [{"file": Path(lesson.file).stem} for lesson in SERIES]
    whole = [{"file": Path(one_file.PAGE).stem}]
    return {
        "format": "jb-book",
        "root": "index",
        "parts": [
            {"caption": "The series", "chapters": lessons},
            {"caption": "The method", "chapters": whole},
        ],
    }


def build(source: Path) -> None:
    """Run jupyter-book. RuntimeError, with what it said, where it fails or warns."""
    begin = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    options = ["--quiet", "-W", "--keep-going"]  # a warning is an error
    command = [sys.executable, "-c", begin, "build", *options, str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"jupyter-book failed:\n{done.stdout}{done.stderr}")


def page_of(lesson: Lesson) -> str:
    return f"{Path(lesson.file).stem}.html"


if __name__ == "__main__":
    for written in write_book(Path(sys.argv[1])):
        print(written.name)
