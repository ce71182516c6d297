"""Settings from YAML: a usable config, or a sentence."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iris_core.config import (
    Config,
    ConfigError,
    config_from_yaml,
    config_to_yaml,
    load_config,
)
from iris_core.config.load import HERE, PRESETS, read_option

WHOLE = config_to_yaml(load_config("smoke"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "config.yaml"


def test_a_config_cut_short_is_no_other_run(file: Path) -> None:
    file.write_text(WHOLE)
    assert config_from_yaml(file, whole=True) == load_config("smoke")
    for size in range(0, len(WHOLE) - 1, 37):
        file.write_text(WHOLE[:size])
        with pytest.raises(ConfigError, match="config.yaml"):
            config_from_yaml(file, whole=True)
    file.write_text(WHOLE[: WHOLE.index("wandb:")])
    with pytest.raises(ConfigError, match="3 settings are missing .wandb.mode"):
        config_from_yaml(file, whole=True)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 4000), size=st.integers(0, 40), new=st.binary(max_size=8))
def test_mutated_configs_and_presets(
    file: Path, at: int, size: int, new: bytes
) -> None:
    preset = (HERE / "presets" / f"{PRESETS[at % len(PRESETS)]}.yaml").read_bytes()
    for text, read in ((WHOLE.encode(), config_from_yaml), (preset, preset_option)):
        start = at % len(text)
        file.write_bytes(text[:start] + new + text[start + size :])
        try:
            read(file)
        except ConfigError as error:
            assert str(file) in str(error)


def preset_option(path: Path) -> object:
    return read_option(path, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]", "alias"),
        ("[" * 10**5, "config.yaml"),
        ("seed: " + "[" * 900 + "]" * 900, "config.yaml"),
        ("seed: 1\nseed: 2", "seed is there twice"),
        ("seed: 2026-99-99", "not YAML"),
        ("seed: 1e999", "seed"),
        ("seed: 1" + "0" * 5000, "config.yaml"),
        ("# " + "x" * 10**6, "over 1,000,000 bytes"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_yaml_that_is_refused(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        config_from_yaml(file)


@settings(max_examples=80, deadline=None)
@given(st.text("${}\\?:.a'\"# ", max_size=12))
def test_texts_are_data(file: Path, text: str) -> None:
    config = Config()
    config.wandb.name = text
    file.write_text(config_to_yaml(config), encoding="utf-8")
    assert config_from_yaml(file, whole=True).wandb.name == text
