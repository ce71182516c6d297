"""Loading a config: the defaults, then a preset, then overrides, composed by Hydra.

The shell and a notebook give the same config:
`iris train preset=tutorial env.game=Breakout` and
`load_config("tutorial", ["env.game=Breakout"])`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache, reduce
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from iris_core.config.check import bad_value, check, nearest
from iris_core.config.departures import Config
from iris_core.config.games import game_name
from iris_core.config.paths import user_path
from iris_core.config.setting import ConfigError, shown, walk
from iris_core.config.yaml_file import read_yaml

HERE = Path(__file__).parent
# Groups chosen by name on the command line, and the folder with their options.
GROUPS = {"preset": HERE / "presets", "tokenizer/loss": HERE / "losses"}
PRESETS = tuple(sorted(path.stem for path in GROUPS["preset"].glob("*.yaml")))
SETTINGS = {name: field for name, _, field in walk(Config())}
SECTIONS = {
    name.rsplit(".", depth)[0]
    for name in SETTINGS
    for depth in range(1, name.count(".") + 1)
}

PATHS = ("outputs", "init.path", "tokenizer.loss.lpips_weights")

# Beside *.updates.*: settings that may change when a run is resumed.
CHANGEABLE = ("training.", "evaluation.", "wandb.", "device", "threads")

# Settings that say where a run takes place and who it is, not what it learns.
NEUTRAL = (
    *("seed", "env.game", "device", "threads", "outputs", "wandb."),
    *("training.checkpoint_every", "evaluation.num_envs", "evaluation.final_"),
)


def load_config(preset: str = "tutorial", overrides: Sequence[str] = ()) -> Config:
    """A checked config from a preset and overrides such as `"env.game=Breakout"`.

        config = iris_core.load_config("paper", ["env.game=Pong", "device=cuda"])

    An override may also choose from a group: `"preset=paper"` (stronger than the
    argument) or `"tokenizer/loss=small_objects"`.

    Raises:
        ConfigError: an unknown name or a bad value; says which, and what is valid.
    """
    if isinstance(overrides, str):
        raise ConfigError(f'overrides must be a list of texts: ["{overrides}"]')
    paths, overrides = take_paths(overrides)
    parsed = [parse_override(text) for text in overrides]
    settings = OmegaConf.structured(Config)
    for override in parsed:
        check_override(override, settings)
    if "preset" not in {override.key_or_group for override in parsed}:
        check_option("preset", preset)
        overrides = [f"preset={preset}", *overrides]
    config = to_config(compose_settings(list(overrides)))
    for name, path in paths.items():
        set_path(config, name, path)
    config.env.game = game_name(config.env.game)
    return check(config)


def change_config(config: Config, overrides: Sequence[str]) -> Config:
    """The config of a run with other settings, of those that may change on the way.

    Raises:
        ConfigError: an unknown name, a bad value, or a setting that must stay.
    """
    settings = OmegaConf.structured(config)
    for override in map(parse_override, overrides):
        check_override(override, settings)
        name = override.key_or_group
        if not (".updates." in name or name.startswith(CHANGEABLE)):
            raise ConfigError(
                f"{name} can't change while a run is under way. What can:"
                " learning rates, clip_norm and all else in .updates., and"
                f" {', '.join(CHANGEABLE)}."
            )
    return check(to_config(settings))


def take_paths(overrides: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Paths by their settings, and the other overrides, which Hydra reads: its grammar
    would want quotes around much that a path may have."""
    paths, others = {}, []
    for text in overrides:
        name, equals, value = text.partition("=")
        if equals and name in PATHS:
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            paths[name] = value[1:-1] if quoted else value
        else:
            others.append(text)
    return paths, others


def set_path(config: Config, name: str, text: str) -> None:
    """Set a setting that is a path; ConfigError if it can't be one."""
    if "${" in text or (not text and name == "outputs"):
        raise ConfigError(f"{name}: got {text!r}, expected a path.")
    path = str(user_path(text)) if text else ""
    if name == "tokenizer.loss.lpips_weights" and path != "download":
        path = os.path.abspath(path)  # a run may be resumed from elsewhere
    *groups, last = name.split(".")
    setattr(reduce(getattr, groups, config), last, path)


def compose_settings(overrides: list[str]) -> DictConfig:
    """Hydra's composition; no global state stays behind, so notebooks may repeat it."""
    register_groups()
    try:
        with initialize_config_dir(str(HERE), job_name="iris", version_base="1.3"):
            return compose("config", overrides)
    except (HydraException, OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(str(error)) from error


def register_groups() -> None:
    """Tell Hydra's ConfigStore the settings and the options of every group."""
    store = ConfigStore.instance()
    store.store("schema", Config)
    store.store("config", {"defaults": ["schema", {"preset": "tutorial"}]})
    for group, folder in GROUPS.items():
        package = "_global_" if group == "preset" else None
        for path in folder.glob("*.yaml"):
            node = read_option(path, "" if group == "preset" else f"{group}/")
            store.store(path.stem, node, group=group, package=package)


def read_option(path: Path, within: str) -> DictConfig:
    """A preset, or an option of a group of settings; ConfigError for a bad one."""
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a preset is a mapping of settings, not {values!r}")
    own = {name: value for name, value in values.items() if name != "defaults"}
    try:
        check_defaults(values.get("defaults", []))
        from_flat(dict(flatten(own, within.replace("/", "."))))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return OmegaConf.create(values)


def check_defaults(defaults: Any) -> None:
    """Refuse other groups and options than those there are."""
    for choice in defaults if isinstance(defaults, list) else [defaults]:
        if choice == "_self_":
            continue
        if not isinstance(choice, dict):  # another preset
            choice = {"preset": choice}
        for group, option in choice.items():
            name = str(group).removeprefix("/")
            if name not in GROUPS:
                raise ConfigError(f"defaults has {group!r}; there is {[*GROUPS]}")
            check_option(name, option)


def parse_override(text: str) -> Override:
    """One override, parsed by Hydra's grammar."""
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(
                f"{text!r} is not an override: write name=value."
                f"{nearest(key, SETTINGS)}"
            ) from error
        raise ConfigError(
            f"{key}: cannot read the value {value!r}. Quote special characters:"
            f" '{key}=\"{value}\"'"
        ) from error


def check_override(override: Override, settings: DictConfig) -> None:
    """Refuse an override of nothing, or with a value that does not fit; `settings` get
    it."""
    text, name = override.input_line, override.key_or_group
    if override.is_add() or override.is_delete() or override.is_force_add():
        raise ConfigError(
            f"{text}: settings are neither added nor removed; drop + or ~."
        )
    if override.is_sweep_override():
        raise ConfigError(
            f"{text}: give one value; a list goes in brackets, like [1,2]."
        )
    if name in GROUPS:
        check_option(name, override.value())
    else:
        place(settings, name, override.value())


def check_option(group: str, option: Any) -> None:
    """Refuse an option that a group (a preset, a loss) does not have."""
    options = sorted(path.stem for path in GROUPS[group].glob("*.yaml"))
    if option not in options:
        raise ConfigError(
            f"{group}={option} is unknown: choose from {', '.join(options)}."
            f"{nearest(str(option), options)}"
        )


def place(target: DictConfig, name: str, value: Any) -> None:
    """Set one setting of `target`, with our own words when it cannot be."""
    if name in SECTIONS:
        inside = [other for other in SETTINGS if other.startswith(name + ".")]
        raise ConfigError(f"{name} is a group of settings: set one, e.g. {inside[0]}.")
    if name not in SETTINGS:
        raise ConfigError(
            f"unknown setting {name}."
            f"{nearest(name, [*SETTINGS, *GROUPS])} `iris settings` lists them all."
        )
    field = SETTINGS[name]
    if field.type == "bool" and type(value) in (int, float) and value not in (0, 1):
        raise ConfigError(bad_value(name, value, field))  # OmegaConf takes 2 for true
    try:
        OmegaConf.update(target, name, value, merge=False)
    # Not OmegaConf's own: numbers beyond a float, lists in lists without end
    except (OmegaConfBaseException, OverflowError, RecursionError) as error:
        raise ConfigError(bad_value(name, value, field)) from error


def to_config(settings: DictConfig) -> Config:
    """The plain dataclass tree behind OmegaConf's wrapper."""
    try:
        return cast(Config, OmegaConf.to_object(settings))
    except OmegaConfBaseException as error:  # ${...} that leads nowhere, or ???
        raise ConfigError(str(error)) from error


def preset_of(config: Config) -> str:
    """The preset that a config is nearest to, and what it changes of it: "tutorial", or
    "tutorial with actor_critic.gamma=0.9". Game, seed and device are no changes."""
    settings = learning_settings(config)
    changed = {
        preset: [f"{n}={shown(v)}" for n, v in settings.items() if v != theirs[n]]
        for preset, theirs in presets().items()
    }
    preset = min(changed, key=lambda name: len(changed[name]))
    changes = " ".join(changed[preset])
    return f"{preset} with {changes}" if changes else preset


@cache
def presets() -> dict[str, dict[str, Any]]:
    """What decides what is learned, in every preset."""
    return {preset: learning_settings(load_config(preset)) for preset in PRESETS}


def learning_settings(config: Config) -> dict[str, Any]:
    """Every setting by name, but for those that are `NEUTRAL`."""
    return {n: v for n, v, _ in walk(config) if not n.startswith(NEUTRAL)}


def config_to_dict(config: Config) -> dict[str, Any]:
    """Plain nested dicts, e.g. for JSON in an agent's safetensors file."""
    return asdict(config)


def config_from_dict(values: Mapping[str, Any] | str) -> Config:
    """A checked config from nested dicts or their JSON; what is absent is the paper's.

    All values are data: ${...} in a text stays as it is.

    Raises:
        ConfigError: an unknown name or a bad value.
    """
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"the config is not JSON: {error}") from error
    if not isinstance(values, Mapping):
        raise ConfigError(f"a config is a mapping of settings, not {values!r:.80}")
    return check(from_flat(dict(flatten(values))))


def from_flat(values: Mapping[str, Any]) -> Config:
    """A config from values by dotted name, each of its type, but not yet checked."""
    settings, texts = OmegaConf.structured(Config), {}
    for name, value in values.items():
        if is_expression(value) and name in SETTINGS:
            texts[name] = text_of(name, value)
        else:
            place(settings, name, value)
    config = to_config(settings)
    for name, text in texts.items():
        *groups, last = name.split(".")
        setattr(reduce(getattr, groups, config), last, text)
    return config


def is_expression(value: Any) -> bool:
    """Whether OmegaConf would put something else in a value's place."""
    parts = value if isinstance(value, list) else [value]
    texts = [part for part in parts if isinstance(part, str)]
    return any("${" in text or text == "???" for text in texts)


def text_of(name: str, value: Any) -> str:
    """The value of a setting that is text."""
    field = SETTINGS[name]
    if field.type != "str" or not isinstance(value, str):
        raise ConfigError(bad_value(name, value, field))
    return value


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested dicts as (dotted name, value)."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config_to_yaml(config: Config) -> str:
    """The config as YAML, as `iris train --cfg job` prints it."""
    return yaml.safe_dump(asdict(config), sort_keys=False, allow_unicode=True)


def config_from_yaml(path: str | Path, whole: bool = False) -> Config:
    """Read what `config_to_yaml` gave, from a file. whole: every setting must be there,
    where the paper's value instead would make another run of it.

    Raises:
        ConfigError: no such file, not YAML, an unknown name or a bad value.
    """
    values = read_yaml(path)
    try:
        config = config_from_dict(values)
        if whole:
            check_whole(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return config


def check_whole(values: Mapping[str, Any]) -> None:
    """ConfigError unless every setting is there."""
    there = {name for name, _ in flatten(values)}
    if missing := [name for name in SETTINGS if name not in there]:
        more = ", ..." if len(missing) > 4 else ""
        raise ConfigError(
            f"{len(missing)} settings are missing ({', '.join(missing[:4])}{more}): it"
            " was cut short, or an older version wrote it. Put them back, each with its"
            " value; `iris settings` lists them all."
        )
