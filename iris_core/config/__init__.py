"""Settings: the schema, the presets, and loading them with Hydra."""

from iris_core.config.load import (
    PRESETS,
    check,
    config_from_dict,
    config_from_yaml,
    config_to_dict,
    config_to_yaml,
    load_config,
    preset_of,
    save_config,
)
from iris_core.config.schema import Config, ConfigError, departures, walk

__all__ = [
    "PRESETS",
    "Config",
    "ConfigError",
    "check",
    "config_from_dict",
    "config_from_yaml",
    "config_to_dict",
    "config_to_yaml",
    "departures",
    "load_config",
    "preset_of",
    "save_config",
    "walk",
]
