"""Settings: the paper's, our departures, the presets, and loading with Hydra."""

from iris_core.config.departures import Config, departures
from iris_core.config.load import (
    PRESETS,
    check,
    config_from_dict,
    config_from_yaml,
    config_to_dict,
    config_to_yaml,
    load_config,
    preset_of,
)
from iris_core.config.setting import ConfigError, walk

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
    "walk",
]
