"""What there is to play with: an agent, and recorded episodes near it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from iris_core.models.agent import Agent
from iris_core.pretrained import agent_path, load_agent
from iris_core.replay import Episode

RECORDINGS = Path("media", "recordings")


@dataclass(frozen=True)
class Source:
    """An agent, its recorded episodes by kind (read when they are wanted), and the
    folder for new recordings."""

    agent: Agent
    episodes: dict[str, list[Path]] = field(default_factory=dict)
    recordings: Path = RECORDINGS


def open_source(source: str | Path | Agent) -> Source:
    """An agent, or what `load_agent` takes.

    Raises:
        ConfigError: there is no agent in it.
    """
    if isinstance(source, Agent):
        return Source(source)
    path = agent_path(source)
    agent = load_agent(path)
    if path.is_dir():
        return Source(agent, run_episodes(path), path / RECORDINGS)
    return Source(agent, neighbours(path, agent.game))


def run_episodes(run: Path) -> dict[str, list[Path]]:
    """What a run folder has: train (its replay), test, imagination, and best ones."""
    media = run / "media" / "episodes"
    kinds = {
        "train": [run / "replay", media / "train"],
        "test": [media / "test"],
        "imagination": [media / "imagination"],
    }
    found = {
        kind: [path for folder in folders for path in sorted(folder.glob("*.npz"))]
        for kind, folders in kinds.items()
    }
    found["best"] = [path for paths in found.values() for path in paths if best(path)]
    return {kind: paths for kind, paths in found.items() if paths}


def best(path: Path) -> bool:
    return path.stem == "best"


def neighbours(agent: Path, game: str) -> dict[str, list[Path]]:
    """Replays of the game beside a folder of agents: agents/, episodes/GAME_KIND/."""
    folders = sorted((agent.parent.parent / "episodes").glob(f"{game.lower()}_*"))
    found = {
        folder.name.partition("_")[2]: sorted(folder.glob("[0-9]*.npz"))
        for folder in folders
    }
    return {kind: paths for kind, paths in found.items() if paths}


def load(episode: Episode | Path) -> Episode:
    """An episode, read from its file if it is not here yet."""
    return episode if isinstance(episode, Episode) else Episode.load(episode)
