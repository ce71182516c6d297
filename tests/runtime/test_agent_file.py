"""Agents from files: the same, or a sentence; whatever the metadata claim."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import make_agent
from safetensors import safe_open
from safetensors.torch import save_file

from iris_core.agent import Agent, TrainingRecord
from iris_core.config.setting import ConfigError
from iris_core.pretrained import AGENTS, load_agent, shipped_agents, to_published
from iris_core.runtime.agent_file import check_digest

RECORD = TrainingRecord("tutorial", 1, 100, 9.5, 9.4, "cpu", "abc")


@pytest.fixture(scope="module")
def agent() -> Agent:
    agent = make_agent("env.game=Pong")
    agent.training_record = RECORD
    return agent


@pytest.fixture(scope="module")
def file(agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("agents") / "agent.safetensors"
    agent.save(path)
    return path, path.read_bytes()


def rewrite(agent: Agent, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """An agent's file of an older version, without a checksum, but for a change of
    metadata or tensors."""
    agent.save(path)
    with safe_open(path, framework="pt") as file:
        about = {k: v for k, v in file.metadata().items() if k != "sha256"}
    content = {k: json.loads(v) for k, v in about.items() if k != "format"}
    content["tensors"] = {k: v.contiguous() for k, v in agent.state_dict().items()}
    change(content)
    tensors, kind = content.pop("tensors"), about["format"]
    metadata = {name: json.dumps(value) for name, value in content.items()}
    save_file(tensors, path, {"format": kind, **metadata})
    return path


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10**7), bit=st.integers(0, 7), head=st.booleans())
def test_a_flipped_bit_is_refused(
    file: tuple[Path, bytes], at: int, bit: int, head: bool
) -> None:
    path, whole = file
    size = 8 + int.from_bytes(whole[:8], "little") if head else len(whole)
    data = bytearray(whole)
    data[at % size] ^= 1 << bit
    mutant = path.with_name("mutant.safetensors")
    mutant.write_bytes(data)
    with pytest.raises(ConfigError, match="mutant.safetensors"):
        Agent.load(mutant)


def test_shipped_agents_have_their_checksum() -> None:
    for name in shipped_agents():
        path = AGENTS / f"{name}.safetensors"
        assert check_digest(path.read_bytes(), path), name


def put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set an entry by its path: "config.env.game"."""

    def change(content: dict[str, Any]) -> None:
        *groups, last = name.split(".")
        for group in groups:
            content = content[group]
        content[last] = value

    return change


def drop(name: str) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *groups, last = name.split(".")
        for group in groups:
            content = content[group]
        del content[last]

    return change


def poison(content: dict[str, Any]) -> None:
    first = next(iter(content["tensors"]))
    content["tensors"][first] = torch.full_like(content["tensors"][first], math.nan)


def one_less(content: dict[str, Any]) -> None:
    content["tensors"].popitem()


def integers(content: dict[str, Any]) -> None:
    content["tensors"] = {k: v.long() for k, v in content["tensors"].items()}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (drop("config"), "does not describe an agent"),
        (drop("actions"), "its actions are None"),
        (put("actions", []), "not a list of names"),
        (put("actions", [1, 2, 3]), "not all names"),
        (put("actions", ["NOOP"]), "of another shape"),
        (put("config", None), "a mapping of settings"),
        (put("config.seed", "x"), "seed: got 'x'"),
        (put("config.nowhere", 1), "unknown setting nowhere"),
        (put("config.tokenizer.vocab_size", 10**7), "tokenizer.vocab_size"),
        (put("config.world_model.num_layers", 10**6), "world_model.num_layers"),
        (put("config.world_model.num_layers", 200), "missing"),
        (put("config.world_model.embed_dim", 2**40), "does not"),
        (put("config.world_model.max_blocks", 10**6), "agent"),
        (put("config.actor_critic.lstm_dim", 10**9), "agent"),
        (put("training_record", 3), "not a record"),
        (put("training_record.seed", "one"), "seed is 'one'"),
        (put("training_record.minutes", math.nan), "minutes is nan"),
        (put("extra", 1), "'extra' but no checksum"),
        (poison, "not finite"),
        (one_less, "1 missing"),
        (integers, "of another kind of number"),
    ],
)
def test_metadata_and_tensors_that_are_refused(
    agent: Agent, change: Callable, says: str, tmp_path: Path
) -> None:
    path = rewrite(agent, tmp_path / "bad.safetensors", change)
    with pytest.raises(ConfigError, match=says) as caught:
        Agent.load(path)
    assert str(path) in str(caught.value)


def test_cards_of_newer_and_older_versions(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "card.safetensors"
    newer = rewrite(agent, path, put("training_record.new", 1))
    assert Agent.load(newer).training_record == RECORD
    older = rewrite(agent, path, drop("training_record.commit"))
    assert Agent.load(older).training_record == TrainingRecord(
        "tutorial", 1, 100, 9.5, 9.4, "cpu"
    )
    oldest = rewrite(agent, path, drop("training_record.preset"))
    assert Agent.load(oldest).training_record is None


@pytest.mark.parametrize("name", ["${oc.env:HOME}", "${seed}", "a${", "???", "\\${x}"])
def test_metadata_are_data(agent: Agent, name: str, tmp_path: Path) -> None:
    path = rewrite(agent, tmp_path / "a.safetensors", put("config.wandb.name", name))
    assert Agent.load(path).config.wandb.name == name
    bad = rewrite(agent, tmp_path / "b.safetensors", put("config.env.num_envs", name))
    with pytest.raises(ConfigError, match="env.num_envs: got"):
        Agent.load(bad)


def test_deep_metadata(agent: Agent, tmp_path: Path) -> None:
    deep = "[" * 10**5 + "]" * 10**5
    metadata = {"format": "iris_core agent 1", "config": deep, "actions": "[]"}
    save_file(dict(agent.state_dict()), tmp_path / "deep.safetensors", metadata)
    with pytest.raises(ConfigError, match="does not describe an agent"):
        Agent.load(tmp_path / "deep.safetensors")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
ENTRIES = [
    *("config", "actions", "training_record", "config.env", "config.tokenizer"),
    *("config.env.game", "config.seed", "config.actor_critic.channels"),
    *("config.world_model.dropout", "training_record.seed", "training_record.device"),
]


@settings(max_examples=80, deadline=None)
@given(name=st.sampled_from(ENTRIES), value=JSON)
def test_any_metadata(
    agent: Agent, file: tuple[Path, bytes], name: str, value: Any
) -> None:
    """An agent, or a sentence."""
    path = rewrite(agent, file[0].with_name("any.safetensors"), put(name, value))
    try:
        assert Agent.load(path).num_actions > 0
    except ConfigError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_names_as_wrappers_leave_them(prefix: str, tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "golden_a" / "agent.pt"
    plain = load_agent(golden)
    published = to_published(plain.state_dict())
    wrapped = {prefix + name: tensor for name, tensor in published.items()}
    torch.save(wrapped, tmp_path / "Pong.pt")
    found = load_agent(tmp_path / "Pong.pt").state_dict()
    assert all(torch.equal(found[k], v) for k, v in plain.state_dict().items())
    inside = {
        k.replace("world_model.", "world_model._orig_mod."): v
        for k, v in published.items()
    }
    torch.save(inside, tmp_path / "Pong.pt")
    assert load_agent(tmp_path / "Pong.pt").state_dict().keys() == found.keys()
