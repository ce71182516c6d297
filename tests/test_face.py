"""The face, `import iris_core`: instant, typed, and the same from any directory."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import iris_core
from iris_core.config import ConfigError, load_config

ROOT = Path(__file__).resolve().parents[1]
TINY = [  # of the smoke preset
    *("device=cpu", "training.epochs=1", "evaluation.final_baselines=false"),
    *("evaluation.final_episodes=2", "collection.warm_start_steps=40"),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def python(*code: str) -> str:
    """What a Python of its own prints."""
    command = [sys.executable, "-c", "\n".join(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_imports_nothing_until_a_name_is_used() -> None:
    light = "{'torch', 'numpy', 'hydra', 'iris_core.config'}.isdisjoint(sys.modules)"
    code = ("import sys, iris_core", "dir(iris_core), iris_core.__version__")
    assert python(*code, f"print({light})") == "True\n"


def test_its_names() -> None:
    assert dir(iris_core) == iris_core.__all__ == sorted(iris_core.__all__)
    assert iris_core.__version__ == version("iris-core")
    assert iris_core.load_config is load_config
    assert iris_core.ConfigError is ConfigError
    with pytest.raises(AttributeError, match=r"no attribute 'load'.*load_agent, "):
        iris_core.load  # noqa: B018


@pytest.mark.parametrize("name", ["evaluate", "load_agent", "load_config", "train"])
def test_each_has_an_example(name: str) -> None:
    assert f"iris_core.{name}(" in (getattr(iris_core, name).__doc__ or "")


def test_a_shipped_agent() -> None:
    agent = iris_core.load_agent("freeway")
    assert agent.game == "Freeway" and not agent.training


def test_evaluate_by_name() -> None:
    played = iris_core.evaluate("catch", episodes=4, num_envs=2)
    again = iris_core.evaluate(iris_core.load_agent("catch"), episodes=4, num_envs=2)
    assert played.returns.tolist() == again.returns.tolist()
    warm = iris_core.load_agent("catch")
    warm.config.evaluation.temperature = 5.0
    options = {"episodes": 4, "num_envs": 2}
    as_set = iris_core.evaluate(warm, **options)
    assert as_set.stats == iris_core.evaluate("catch", temperature=5, **options).stats


def test_train_and_use_what_it_gives(tmp_path: Path) -> None:
    trained = iris_core.train("smoke", TINY)
    assert trained.run.path.is_relative_to("outputs")
    assert not trained.result.interrupted and len(trained.result.returns) == 2
    assert iris_core.load_agent(trained.run.path).game == "Catch"
    assert len(iris_core.evaluate(trained.run.path, episodes=1).stats) == 1


def test_training_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Breakout"):
        iris_core.train("smoke", ["env.game=Brekout"])
    assert list(tmp_path.iterdir()) == []


def test_play_by_name() -> None:
    code = ("import iris_core", "player = iris_core.play('catch')")
    assert python(*code, "print(player.session.agent.game)") == "Catch\n"


def test_its_types(tmp_path: Path) -> None:
    """What mypy, and so an editor, knows of the names."""
    names = ["evaluate", "load_agent", "load_config", "play", "train", "__version__"]
    lines = [f"reveal_type(iris_core.{name})" for name in names]
    script = tmp_path / "script.py"
    script.write_text("\n".join(["import iris_core", *lines, "iris_core.load"]))
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    *revealed, unknown = done.stdout.splitlines()
    types = [re.split('[."]', line)[-2] for line in revealed]  # ... -> module.Type"
    assert types == ["Evaluation", "Agent", "Config", "Player", "TrainedRun", "str"]
    assert "Module has no attribute" in unknown
    assert (ROOT / "iris_core" / "py.typed").is_file()
