"""The games by name, in any of the spellings that are in use."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from iris_core.config.setting import ConfigError

TOYS = ("Catch", "CoarseCatch")
MULTIPLAYER_ONLY = {"combat", "joust", "maze_craze", "warlords"}
# Of gymnasium's ids: ALE/Pong-v5, PongNoFrameskip-v4, iris/Catch-v0
AROUND = re.compile(r"^(ale|iris)/|(noframeskip|deterministic)?(-v\d+)?$")


def roms_by_name() -> dict[str, str]:
    """Atari's games for one player, and what ale-py calls their files."""
    from ale_py import roms  # here, for `iris --help` is quick

    ids = set(roms.get_all_rom_ids()) - MULTIPLAYER_ONLY
    return {rom_id.title().replace("_", ""): rom_id for rom_id in ids}


def list_games() -> list[str]:
    """The names of all games that ale-py brings along and one player can play."""
    return sorted(roms_by_name())


def game_name(text: str, names: Sequence[str] = ()) -> str:
    """The one name of a game: Pong for pong, ALE/Pong-v5 and PongNoFrameskip-v4.

    names: of the games to choose from, by default all.

    Raises:
        ConfigError: no such game; says which are like it.
    """
    known = {spelling(name): name for name in names or (*list_games(), *TOYS)}
    if (found := known.get(spelling(text))) is not None:
        return found
    near = difflib.get_close_matches(spelling(text), known, n=3)
    guess = f" Did you mean {' or '.join(known[n] for n in near)}?" if near else ""
    raise ConfigError(f"{text!r} is no game.{guess} `iris games` lists them all.")


def spelling(text: str) -> str:
    """What all spellings of a game's name have in common."""
    return re.sub(r"[^a-z0-9]", "", AROUND.sub("", text.strip().lower()))
