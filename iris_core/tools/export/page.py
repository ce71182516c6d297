"""A folder that any static host serves: the player, its runtime and some agents.

FOLDER/play.html            the page
FOLDER/player/              its modules and its style
FOLDER/ort/                 onnxruntime-web
FOLDER/agents/agents.json   the menu, the best dream first
FOLDER/agents/NAME/         an exported agent
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from iris_core.config.setting import ConfigError
from iris_core.tools.export.runtime import write_runtime
from iris_core.tools.export.write import export, read_card

WEB = Path(__file__).resolve().parents[1] / "play" / "web"
IN_MENU = ("title", "present", "flashes")
SPACE = """\
---
title: Play inside a world model's dream
sdk: static
app_file: index.html
license: mit
---

The agents and their world models run in the browser: see `play.html`.
"""


def write_page(
    folder: Path, sources: Sequence[str | Path], game: str | None = None
) -> None:
    """A player's folder that stands alone, and is a Hugging Face Space: see
    `write_player`."""
    write_player(folder, sources, game)
    shutil.copyfile(folder / "play.html", folder / "index.html")
    (folder / "README.md").write_text(SPACE, "utf-8")


def how_to_publish(folder: Path) -> str:
    """What can be done with a page's folder."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return (
        f"{folder}: {size / 1e6:.1f} MB, for any static host.\n"
        f"To play here: python -m http.server --directory {folder}\n"
        "As a Hugging Face Space:"
        f" hf upload USER/NAME {folder} . --repo-type space"
    )


def write_player(
    folder: Path, sources: Sequence[str | Path], game: str | None = None
) -> None:
    """Put a player into a site's folder, with these agents: names, or anything else
    that `load_agent` takes. game: see there.

    Raises:
        ConfigError: no such agent, two of one name, or no runtime for the browser.
    """
    names = [Path(source).stem for source in sources]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"Two agents are called {twice}: give them different names.")
    write_runtime(folder / "ort")
    player = folder / "player"
    player.mkdir(parents=True, exist_ok=True)
    for file in (*WEB.glob("*.js"), WEB / "player.css"):
        shutil.copyfile(file, player / file.name)
    shutil.copyfile(WEB / "play.html", folder / "play.html")
    agents = folder / "agents"
    menu = []
    each = zip(names, sources, strict=True)
    for name, source in tqdm(each, desc="export", unit="agent", total=len(names)):
        own = agents / name
        export(source, own, compact=True, game=game)
        menu.append(menu_entry(own))
    menu.sort(key=holds, reverse=True)
    (agents / "agents.json").write_text(json.dumps(menu), "utf-8")


def menu_entry(agent: Path) -> dict[str, Any]:
    """What the menu says of the agent in a folder, whose name is that of the folder."""
    card = read_card(agent)
    picture = f"agents/{agent.name}/{card['picture']}"
    return {name: card[name] for name in IN_MENU} | {
        "name": agent.name,
        "picture": picture,
    }


def holds(entry: Mapping[str, Any]) -> float:
    """How well a dream keeps what is played with, whoever plays; -1 if not measured."""
    present = entry["present"]
    return min(present["agent"], present["human"]) if present else -1.0
