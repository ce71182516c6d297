"""Loading settings: presets, overrides, files, and what is refused with which words."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hypothesis import given, settings
from hypothesis import strategies as st

from iris_core.config import (
    PRESETS,
    Config,
    ConfigError,
    check,
    config_from_dict,
    config_from_yaml,
    config_to_dict,
    config_to_yaml,
    departures,
    load_config,
    paper,
    preset_of,
    walk,
)
from iris_core.config.load import GROUPS


def value_of(config, name):
    return {key: value for key, value, _ in walk(config)}[name]


def test_presets_are_those_documented():
    assert set(PRESETS) == {"smoke", "tutorial", "hour", "surprise", "paper"}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_config_tells_its_preset_and_its_changes(preset):
    elsewhere = ["seed=3", "env.game=Pong", "device=cpu", "evaluation.num_envs=2"]
    assert preset_of(load_config(preset, elsewhere)) == preset
    changed = ["actor_critic.gamma=0.9", "tokenizer.subtract_background=true"]
    described = preset_of(load_config(preset, [*elsewhere, *changed]))
    assert (
        described.startswith(f"{preset} with ")
        and "actor_critic.gamma=0.9" in described
    )
    started = preset_of(load_config(preset, ["init.path=other.safetensors"]))
    assert started == f"{preset} with init.path=other.safetensors"


def test_paper_preset_changes_nothing():
    assert load_config("paper") == Config()
    assert departures(load_config("paper")) == []


def test_departures_keep_the_papers_defaults():
    """A group of settings may add to the paper's group, and changes none of it."""
    config = Config()
    for group in dataclasses.fields(config):
        ours = getattr(config, group.name)
        theirs = getattr(paper, type(ours).__name__, None)
        if theirs is not None:
            for name, value, _ in walk(theirs()):
                assert value_of(ours, name) == value, f"{group.name}.{name}"


def test_weight_decay_is_the_world_models_alone():
    decays = [name for name, _, _ in walk(Config()) if name.endswith("weight_decay")]
    assert decays == ["world_model.updates.weight_decay"]


def test_tutorial_is_the_default_and_departs_from_the_paper():
    assert load_config() == load_config("tutorial")
    assert ("tokenizer.architecture", "vqgan", "patch") in [
        change[:3] for change in departures(load_config())
    ]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_plain_dataclasses(preset):
    config = load_config(preset)
    assert type(config) is Config
    assert type(config.actor_critic.channels) is list
    assert all(type(v) in (int, float, bool, str, list) for _, v, _ in walk(config))


@pytest.mark.parametrize("preset", ["smoke", "tutorial", "hour", "surprise"])
def test_presets_choose_their_loss_by_the_group(preset):
    """A weight in a preset's body would beat tokenizer/loss=... in the shell."""
    config = load_config(preset, ["tokenizer/loss=lpips"])
    assert config.tokenizer.loss == Config().tokenizer.loss


@pytest.mark.parametrize("preset", ["tutorial", "hour", "surprise"])
def test_a_small_preset_says_why_it_leaves_the_paper(preset):
    for line in (GROUPS["preset"] / f"{preset}.yaml").read_text().splitlines():
        _, colon, value = line.partition(": ")
        assert not (colon and value) or "#" in line, f"{line} needs a reason"


def test_overrides_are_typed():
    config = load_config(
        "smoke",
        [
            "env.game=Breakout",
            "actor_critic.channels=[16,32,64,64]",
            "tokenizer.updates.learning_rate=3e-4",
            "env.end_on_life_loss=false",
            "device=cuda:0",
            "wandb.name=123",
            "init.path=outputs/2026-01-31/12-00-00",
        ],
    )
    assert config.env.game == "Breakout"
    assert config.actor_critic.channels == [16, 32, 64, 64]
    assert config.tokenizer.updates.learning_rate == 3e-4
    assert config.env.end_on_life_loss is False
    assert config.device == "cuda:0"
    assert config.wandb.name == "123"
    assert config.init.path == "outputs/2026-01-31/12-00-00"


def test_quoted_special_characters():
    config = load_config("smoke", ['init.path="/a b/x(1)=[y]"'])
    assert config.init.path == "/a b/x(1)=[y]"


def test_an_override_of_the_preset_wins():
    assert load_config("tutorial", ["preset=paper"]) == Config()


def test_the_loss_group():
    loss = load_config("paper", ["tokenizer/loss=small_objects"]).tokenizer.loss
    assert dataclasses.asdict(loss) == {
        "l1": 0.1,
        "l2": 1.0,
        "worst_pixel": 0.01,
        "perceptual": 0.0,
        "codebook": 1.0,
        "commitment": 0.02,
        "foreground": 20.0,
        "lpips_weights": "download",
    }
    one = load_config("paper", ["tokenizer/loss=small_objects", "tokenizer.loss.l1=3"])
    assert one.tokenizer.loss.l1 == 3.0 and one.tokenizer.loss.l2 == 1.0


REFUSED = [
    ("env.gme=Pong", ["env.gme", "env.game"]),
    ("vocab_size=3", ["tokenizer.vocab_size"]),
    ("hydra.job.name=x", ["hydra.job.name"]),
    ("tokenizer.vocab_size=abc", ["tokenizer.vocab_size", "'abc'", "whole number"]),
    ("tokenizer.vocab_size=1", ["got 1", "from 2 to"]),
    ("env.num_envs=2.5", ["got 2.5", "whole number"]),
    ("env.game=null", ["env.game", "None"]),
    ("env.end_on_life_loss=2", ["true or false"]),
    ("env.end_on_life_loss=maybe", ["true or false"]),
    ("actor_critic.gamma=1.5", ["got 1.5", "from 0 to 1"]),
    ("collection.temperature=nan", ["nan"]),
    ("tokenizer.updates.learning_rate=inf", ["inf"]),
    ("tokenizer.architecture=vqgn", ["vqgan, patch", "Did you mean vqgan"]),
    ("actor_critic.strided=2", ["true or false"]),
    ("actor_critic.channels=16", ["list of whole numbers"]),
    ("actor_critic.channels=[1,a,2,3]", ["list of whole numbers"]),
    ("actor_critic.channels=[8,8]", ["4 numbers"]),
    ("actor_critic.channels=[8,8,8,0]", ["actor_critic.channels"]),
    ("world_model.num_heads=3", ["world_model.embed_dim=256", "num_heads=3"]),
    ("tokenizer.channels=48", ["32", "GroupNorm"]),
    ("tokenizer.attention_resolutions=[16,7]", ["has 7", "[64, 32, 16, 8, 4]"]),
    (
        "preset=tutorail",
        ["hour, paper, smoke, surprise, tutorial", "Did you mean tutorial"],
    ),
    ("preset=[paper]", ["hour, paper, smoke, surprise, tutorial"]),
    ("tokenizer/loss=lips", ["lpips, small_objects", "Did you mean lpips"]),
    ("tokenizer.loss=lpips", ["tokenizer.loss", "group"]),
    ("env=Pong", ["env", "group", "env.game"]),
    ("env.game=a,b", ["one value"]),
    ("+env.new=3", ["neither added nor removed"]),
    ("++env.game=Pong", ["neither added nor removed"]),
    ("~env.game", ["neither added nor removed"]),
    ("wandb.name=a=b", ["wandb.name", "Quote"]),
    ("Breakout", ["name=value"]),
    ("", ["name=value"]),
    ("env.game=${nowhere.to.be.found}", ["nowhere"]),
    ("env.game=???", ["env.game"]),
    ("device=gpu", ["'gpu'", "cuda:0"]),
]


@pytest.mark.parametrize(("override", "words"), REFUSED)
def test_refused(override, words):
    with pytest.raises(ConfigError) as caught:
        load_config("paper", [override])
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_preset_names_the_known():
    with pytest.raises(ConfigError, match="paper, smoke, surprise, tutorial"):
        load_config("atari")


def test_a_text_instead_of_a_list():
    with pytest.raises(ConfigError, match="list of texts"):
        load_config("smoke", "env.game=Pong")


def test_patch_tokenizer_needs_no_groupnorm():
    config = Config()
    config.tokenizer.architecture = "patch"
    config.tokenizer.channels = 24
    config.tokenizer.attention_resolutions = []
    assert check(config) is config


def test_every_bad_setting_is_named_at_once():
    config = Config()
    config.env.num_envs = 0
    config.actor_critic.gamma = 2.0
    with pytest.raises(ConfigError) as caught:
        check(config)
    assert "env.num_envs" in str(caught.value)
    assert "actor_critic.gamma" in str(caught.value)


def test_loading_leaves_no_hydra_behind():
    for _ in range(3):
        load_config("smoke")
        with pytest.raises(ConfigError):
            load_config("smoke", ["no.such=1"])
    assert not GlobalHydra.instance().is_initialized()


def test_two_configs_share_nothing():
    first, second = load_config("paper"), load_config("paper")
    first.actor_critic.channels.append(1)
    assert second.actor_critic.channels == [32, 32, 64, 64]


@pytest.mark.parametrize("preset", PRESETS)
def test_files_and_dicts_keep_everything(preset, tmp_path):
    config = load_config(preset)
    (tmp_path / "config.yaml").write_text(config_to_yaml(config))
    assert config_from_yaml(tmp_path / "config.yaml") == config
    assert config_from_dict(config_to_dict(config)) == config
    assert config_from_dict(json.dumps(config_to_dict(config))) == config


def test_what_a_file_leaves_out_is_the_papers(tmp_path):
    (tmp_path / "config.yaml").write_text("env:\n  game: Pong\n")
    config = config_from_yaml(tmp_path / "config.yaml")
    assert config.env.game == "Pong" and config.world_model == Config().world_model


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("env: {gaem: Pong}", "env.game"),
        ("env: Pong", "group"),
        ("env.game: [", "not YAML"),
        ("- 1\n", "mapping"),
        ("", "mapping"),
        ("seed: -1", "seed"),
        ("seed: null", "seed"),
        ("1: 2", "unknown setting 1"),
    ],
)
def test_bad_files(tmp_path, text, word):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=word) as caught:
        config_from_yaml(path)
    assert str(path) in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        config_from_yaml(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not YAML"):
        config_from_yaml(tmp_path / "binary.yaml")


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"env": {"game": 3, "x": 1}}'])
def test_bad_metadata(text):
    with pytest.raises(ConfigError):
        config_from_dict(text)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([(name, field) for name, _, field in walk(Config())]),
    st.one_of(
        st.integers(),
        st.floats(),
        st.booleans(),
        st.text(),
        st.none(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.integers()),
    ),
)
def test_any_value_is_taken_or_refused_in_our_words(setting, value):
    """Whatever a file holds: a usable config, or a ConfigError; nothing else."""
    name, field = setting
    tree = value
    for part in reversed(name.split(".")):
        tree = {part: tree}
    try:
        config = config_from_dict(tree)
    except ConfigError:
        return
    assert config_from_dict(config_to_dict(config)) == config
    types = {"int": int, "float": float, "bool": bool, "str": str, "list[int]": list}
    assert type(value_of(config, name)) is types[field.type]


def test_yaml_is_readable():
    text = config_to_yaml(load_config("paper"))
    assert text.startswith("seed: 0\n") and "  game: Breakout\n" in text


def test_every_setting_says_what_it_is():
    for name, _, field in walk(Config()):
        assert field.metadata.get("about"), name


def test_importing_the_config_does_not_import_torch():
    code = "import sys, iris_core.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "path",
    ["runs", "my runs", "a=b", "it's", "é☃", "a,b", "[x]", "/x/../y", "#1", "a\\b"],
)
@pytest.mark.parametrize("name", ["outputs", "init.path"])
def test_a_path_is_what_a_shell_takes_it_for(name, path):
    for text in (path, f'"{path}"', f"'{path}'"):
        found = {n: v for n, v, _ in walk(load_config("smoke", [f"{name}={text}"]))}
        assert found[name] == str(Path(path))


def test_home_in_a_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    config = load_config("smoke", ["outputs=~/runs", "init.path=~/Pong.pt"])
    assert config.outputs == f"{tmp_path}/runs"
    assert config.init.path == f"{tmp_path}/Pong.pt"
    weights = "tokenizer.loss.lpips_weights"
    config = load_config("smoke", [f"{weights}=last.pt"])
    assert config.tokenizer.loss.lpips_weights == f"{tmp_path}/last.pt"
    config = load_config("smoke", [f"{weights}=download"])
    assert config.tokenizer.loss.lpips_weights == "download"


@pytest.mark.parametrize("path", ["", "${seed}", "a\0b", "\udcff"])
def test_no_path(path):
    with pytest.raises(ConfigError):
        load_config("smoke", [f"outputs={path}"])
