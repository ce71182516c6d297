"""The names of the settings, for imports that do not say yet which part they want."""

from iris_core.config.departures import (
    ActorCriticConfig,
    CollectionConfig,
    Config,
    EnvConfig,
    EvaluationConfig,
    InitConfig,
    TokenizerConfig,
    TokenizerLossConfig,
    TrainingConfig,
    UpdatesConfig,
    WandbConfig,
    WorldModelConfig,
    departures,
)
from iris_core.config.setting import ConfigError, part, setting, shown, walk

__all__ = [
    "ActorCriticConfig",
    "CollectionConfig",
    "Config",
    "ConfigError",
    "EnvConfig",
    "EvaluationConfig",
    "InitConfig",
    "TokenizerConfig",
    "TokenizerLossConfig",
    "TrainingConfig",
    "UpdatesConfig",
    "WandbConfig",
    "WorldModelConfig",
    "departures",
    "part",
    "setting",
    "shown",
    "walk",
]
