"""IRIS: an agent that learns inside its own world model.

    import iris_core

    iris_core.play("freeway_hour")                      # its dream, in a notebook
    iris_core.evaluate("catch", episodes=20).returns    # test episodes of the game
    trained = iris_core.train("tutorial", ["env.game=Breakout"])
    agent = iris_core.load_agent(trained.run.path)

Names are imported when they are first used, so that `import iris_core` is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "ConfigError",
    "__version__",
    "evaluate",
    "load_agent",
    "load_config",
    "play",
    "train",
]

if TYPE_CHECKING:  # what an editor and mypy see
    from iris_core.config import ConfigError, load_config
    from iris_core.evaluation.test_play import evaluate
    from iris_core.pretrained import load_agent
    from iris_core.tools.play import play
    from iris_core.training.train import train

    __version__: str
else:
    HOMES = {
        "ConfigError": "iris_core.config",
        "evaluate": "iris_core.evaluation.test_play",
        "load_agent": "iris_core.pretrained",
        "load_config": "iris_core.config",
        "play": "iris_core.tools.play",
        "train": "iris_core.training.train",
    }

    def __getattr__(name: str) -> object:
        if name == "__version__":
            return import_module("importlib.metadata").version("iris-core")
        if name in HOMES:
            return getattr(import_module(HOMES[name]), name)
        raise AttributeError(
            f"module 'iris_core' has no attribute {name!r}; it has {', '.join(__all__)}"
        )

    def __dir__() -> list[str]:
        return __all__
