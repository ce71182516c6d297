"""What a sweep is asked for: which runs, with what settings, on what of a machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

from iris_core.config import Config, ConfigError, config_from_yaml, load_config
from iris_core.config.check import MOST
from iris_core.config.games import game_name
from iris_core.config.load import learning_settings, preset_of
from iris_core.config.paths import user_path
from iris_core.envs.atari_100k import ATARI_100K

# fmt: off
LAPTOP = (  # for a small budget a game; chosen before any result was seen
    "Alien", "Assault", "Boxing", "Breakout", "CrazyClimber", "DemonAttack", "Freeway",
    "Gopher", "Krull", "Pong", "RoadRunner", "Seaquest",
)
# fmt: on
GAMES = {"all": ATARI_100K, "laptop": LAPTOP}
# Of the sweep itself, with their defaults; all else are settings of its runs.
OPTIONS = {"games": "all", "seeds": "1", "name": "", "results": "", "address": ""}
OPTIONS |= {"resources.cpu": "1", "resources.gpu": "0", "retries": "3"}
MOST_SEEDS = 10_000
VARIED = {"env.game": "games", "seed": "seeds"}  # settings that an option stands for


@dataclass(frozen=True)
class Sweep:
    """What `iris sweep` was asked for. configs: of every run, by GAME-seedN."""

    name: str
    folder: Path
    results: Path
    configs: dict[str, Config]
    overrides: list[str]
    cpu: float
    gpu: float
    retries: int
    address: str | None

    def path(self, run: str) -> Path:
        """The run folder."""
        return self.folder / "runs" / run

    def finished(self, run: str) -> bool:
        """Whether a run has had its final test."""
        return (self.path(run) / "results.json").is_file()

    def check_folder(self) -> None:
        """ConfigError if runs of this name learned with other settings."""
        for run, config in self.configs.items():
            file = self.path(run) / "config.yaml"
            if not file.is_file():
                continue
            wanted, there = map(learning_settings, (config, config_from_yaml(file)))
            if changed := [name for name in wanted if wanted[name] != there[name]]:
                raise ConfigError(
                    f"{file.parent} was begun with other settings ({changed[0]} is"
                    f" {there[changed[0]]}, now {wanted[changed[0]]}). Go on with"
                    " those, or give this sweep another name=..."
                )


def read_sweep(words: Sequence[str]) -> Sweep:
    """A sweep from words such as games=all, seeds=5 and any setting of `iris train`.

    Raises:
        ConfigError: an unknown game, option or setting, or a bad value.
    """
    options, overrides = read_options(words)
    games, seeds = read_games(options["games"]), read_seeds(options["seeds"])
    first = load_config(overrides=overrides)
    configs = {
        f"{game}-seed{seed}": replace(
            deepcopy(first), env=replace(first.env, game=game), seed=seed
        )
        for seed in seeds
        for game in games
    }
    preset = preset_of(first).partition(" ")[0]
    chosen = options["games"] if options["games"] in GAMES else "+".join(games)
    name = options["name"] or f"{preset}-{chosen}"
    folder = Path(first.outputs) / "sweeps" / name
    return Sweep(
        name,
        folder,
        user_path(options["results"] or folder / "results"),
        configs,
        overrides,
        cpu=read_number("resources.cpu", options["resources.cpu"]),
        gpu=read_number("resources.gpu", options["resources.gpu"]),
        retries=int(read_number("retries", options["retries"])),
        address=options["address"] or None,
    )


def read_options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The sweep's own options, all of them, and the settings of its runs."""
    options, overrides = dict(OPTIONS), []
    for word in words:
        key, _, value = word.partition("=")
        if key in VARIED:
            raise ConfigError(f"{key} is what a sweep varies: write {VARIED[key]}=...")
        if key in OPTIONS:
            options[key] = value
        else:
            overrides.append(word)
    return options, overrides


def read_games(text: str) -> tuple[str, ...]:
    """Games by a name of `GAMES`, or one by one."""
    if text in GAMES:
        return GAMES[text]
    try:
        return tuple(dict.fromkeys(map(game_name, text.strip("[]").split(","))))
    except ConfigError as error:
        raise ConfigError(
            f"games: {error} Write all, laptop, or names like Pong,Boxing."
        ) from error


def read_seeds(text: str) -> list[int]:
    """5 -> 0, 1, 2, 3, 4; [3,4] -> 3, 4."""
    try:
        if text.startswith("["):
            seeds = [int(part) for part in text.strip("[]").split(",")]
        else:
            seeds = list(range(min(int(text), MOST_SEEDS + 1)))
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0 or max(seeds) > MOST or len(seeds) > MOST_SEEDS:
        raise ConfigError(
            f"seeds: got {text!r}; write how many, like 5, or which, like [3,4]."
        )
    return list(dict.fromkeys(seeds))


def read_number(name: str, text: str) -> float:
    """The number of an option, 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise ConfigError(f"{name}: got {text!r}, expected a number, 0 or more.")
    return number
