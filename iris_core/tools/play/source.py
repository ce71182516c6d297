"""Where a session gets its agent and its recorded episodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from iris_core.agent import Agent
from iris_core.data.episode import Episode
from iris_core.pretrained import agent_path, load_agent
from iris_core.tools.play.starts import Starts, load_starts

RECORDINGS = Path("media", "recordings")


@dataclass(frozen=True)
class Source:
    """An agent, the files of its recorded episodes by kind, the folder for new
    recordings, and chosen starts of its dreams."""

    agent: Agent
    episodes: dict[str, list[Path]] = field(default_factory=dict)
    recordings: Path = RECORDINGS
    starts: Starts | None = None


def open_source(source: str | Path | Agent, game: str | None = None) -> Source:
    """From an agent, or what `load_agent` takes, with its game.

    Raises:
        ConfigError: no agent found.
    """
    if isinstance(source, Agent):
        return Source(source)
    path = agent_path(source)
    agent = load_agent(path, game=game)
    if path.is_dir():
        return Source(agent, run_episodes(path), path / RECORDINGS)
    return Source(agent, nearby_episodes(path, agent.game), starts=load_starts(path))


def run_episodes(run: Path) -> dict[str, list[Path]]:
    """Of a run folder: "train" (its replay too), "test", "imagination" and "best"."""
    media = run / "media" / "episodes"
    folders = {kind: [media / kind] for kind in ("train", "test", "imagination")}
    folders["train"].insert(0, run / "replay")
    found = {
        kind: [path for folder in some for path in sorted(folder.glob("*.npz"))]
        for kind, some in folders.items()
    }
    best = [path for paths in found.values() for path in paths if path.stem == "best"]
    return found | {"best": best}


def nearby_episodes(agent: Path, game: str) -> dict[str, list[Path]]:
    """Of the game, in folders episodes/GAME_KIND/ beside the folder of agents."""
    folders = sorted((agent.parent.parent / "episodes").glob(f"{game.lower()}_*"))
    kinds = [folder.name.partition("_")[2] for folder in folders]
    episodes = [sorted(folder.glob("[0-9]*.npz")) for folder in folders]
    return dict(zip(kinds, episodes, strict=True))


def load_episode(episode: Episode | Path) -> Episode:
    """An episode, read from its file if it is one."""
    return episode if isinstance(episode, Episode) else Episode.load(episode)
