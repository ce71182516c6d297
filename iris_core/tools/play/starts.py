"""Start moments of the agents in data/agents: chosen, measured, and kept beside them.

data/starts has a NAME.json for an agent, and a NAME.png that shows its first start.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.imagination.start import Start, start_after
from iris_core.pretrained import AGENTS
from iris_core.runtime.files import read_json, read_text

KINDS = "agent", "human", "game"
UNTAUGHT = "not trained to play"  # the score in the card of such an agent


class Recorded(NamedTuple):
    """Where a dream starts: the test game is reset by the seed, and the frame after the
    last of the actions is the dream's first."""

    seed: int
    actions: list[int]


@dataclass(frozen=True)
class Starts:
    """An agent's starts, the best first.

    palette: codes, the most frequent first. present: the share of dreams in which what
    the player controls is still there after a while, under the "agent" and under a
    "human"'s random keys, and the share of the real "game"'s plays. flashes: whether a
    dream of the agent's may flash.
    """

    starts: list[Recorded]
    palette: list[int]
    present: dict[str, float]
    flashes: bool


def starts_path(agent: Path) -> Path:
    """Where the starts of data/agents/NAME.safetensors are."""
    return agent.parent.parent / "starts" / f"{agent.stem}.json"


def load_starts(path_of_agent: Path) -> Starts | None:
    """The starts of an agent's file; None if none were chosen for it, ConfigError if
    their file is damaged."""
    path = starts_path(path_of_agent)
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        starts = [Recorded(each["seed"], each["actions"]) for each in content["starts"]]
        present = {kind: content["present"][kind] for kind in KINDS}
        found = Starts(starts, content["palette"], present, content["flashes"])
    except (KeyError, TypeError) as error:
        raise damaged(path) from error
    if not well_formed(found):
        raise damaged(path)
    return found


def damaged(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is damaged: it holds no starts. Get it anew, or delete it."
    )


def well_formed(found: Starts) -> bool:
    """Whether everything is of its type and range."""
    shares = found.present.values()
    return (
        bool(found.starts)
        and all(are_whole([s.seed]) and are_whole(s.actions) for s in found.starts)
        and are_whole(found.palette)
        and all(type(x) in (int, float) and 0 <= x <= 1 for x in shares)
        and type(found.flashes) is bool
    )


def are_whole(values: Any) -> bool:
    """Whether this is a list of whole numbers from 0 up to what a seed may be."""
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value < 2**31 for value in values
    )


def replay_start(agent: Agent, recorded: Recorded) -> Start:
    """Play a start's actions again. ConfigError if they do not fit the agent's game."""
    actions, advice = recorded.actions, "Choose its starts anew, or delete them."
    if max(actions, default=0) >= agent.num_actions:
        raise ConfigError(f"A start of {agent.game} has unknown actions. {advice}")
    start = start_after(agent, recorded.seed, actions)
    if start is None:
        raise ConfigError(f"A start of {agent.game} is after the game's end. {advice}")
    return start


def list_dreams() -> list[dict[str, Any]]:
    """The agents of data/agents that have starts and were taught to play, the one with
    the best dreams first: name, title, picture (a data: URL), present and flashes."""
    found = []
    for path in sorted(AGENTS.glob("*.safetensors")):
        starts, card = load_starts(path), read_card(path)
        if starts and card.get("score", UNTAUGHT) != UNTAUGHT:
            found.append(describe(path.stem, card["game"], starts, picture_of(path)))
    return sorted(found, key=lambda dream: min_present(dream["present"]), reverse=True)


def min_present(present: dict[str, float]) -> float:
    """How good the dreams are, whoever plays."""
    return min(present["agent"], present["human"])


def describe(name: str, game: str, starts: Starts, png: bytes) -> dict[str, Any]:
    return {
        "name": name,
        "title": title_of(name, game),
        "picture": f"data:image/png;base64,{base64.b64encode(png).decode()}",
        "present": starts.present,
        "flashes": starts.flashes,
    }


def title_of(name: str, game: str) -> str:
    """kungfumaster -> Kung Fu Master, freeway_hour -> Freeway, hour."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", game)
    kind = name.removeprefix(game.lower()).replace("_", " ").strip()
    return f"{spaced}, {kind}" if kind else spaced


def read_card(path_of_agent: Path) -> dict[str, str]:
    """The rows of an agent's card; none if it has no card."""
    card = path_of_agent.with_suffix(".md")
    if not card.is_file():
        return {}
    return dict(
        re.findall(r"^\| (\w[^|]*?) \| (.*?) \|$", read_text(card), re.MULTILINE)
    )


def picture_of(path_of_agent: Path) -> bytes:
    """The PNG of an agent's first start; ConfigError if it can't be read."""
    path = starts_path(path_of_agent).with_suffix(".png")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
