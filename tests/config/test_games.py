"""One name for a game, whatever it is called."""

from __future__ import annotations

import pytest

from iris_core.config import ConfigError, load_config
from iris_core.config.games import TOYS, game_name, list_games, spelling
from iris_core.envs import TOY_GAMES, make_atari

SPELLINGS = {
    "Pong": ["pong", "PONG", "ALE/Pong-v5", "Pong-v0", "PongNoFrameskip-v4"],
    "Breakout": ["BreakoutDeterministic-v4", "breakout"],
    "MsPacman": ["ms_pacman", "Ms. Pacman", "ALE/MsPacman-v5"],
    "Qbert": ["Q*bert"],
    "Catch": ["catch", "iris/Catch-v0"],
    "CoarseCatch": ["coarse_catch", "iris/CoarseCatch-v0"],
}


@pytest.mark.parametrize(("name", "others"), SPELLINGS.items(), ids=SPELLINGS)
def test_every_common_spelling(name: str, others: list[str]) -> None:
    assert {game_name(text) for text in (name, *others)} == {name}


def test_every_game_keeps_its_name() -> None:
    names = [*list_games(), *TOYS]
    assert list(map(game_name, names)) == names
    assert len({*map(spelling, names)}) == len(names)
    assert list(TOY_GAMES) == list(TOYS)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("Brekout", "Breakout"), ("ALE/Pongg-v5", "Pong"), ("Pong-ram-v0", "Pong")],
)
def test_others_get_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{wrong}' is no game. Did .*{near}"):
        game_name(wrong)


def test_settings_keep_the_one_name() -> None:
    assert load_config("smoke", ["env.game=ALE/Pong-v5"]).env.game == "Pong"
    with pytest.raises(ConfigError, match="Did you mean Breakout"):
        load_config("smoke", ["env.game=Brekout"])


def test_atari_has_no_toys() -> None:
    assert make_atari("ms_pacman").game == "MsPacman"
    with pytest.raises(ConfigError, match="'Catch' is no game"):
        make_atari("Catch")
