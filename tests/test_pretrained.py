"""Published checkpoints: their format, what is kept of it, and what is refused."""

import json
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from torch import Tensor

from iris_core import pretrained
from iris_core.agent import Agent
from iris_core.config import Config, ConfigError, departures, load_config
from iris_core.evaluation.test_play import evaluate
from iris_core.models.lpips import LPIPS, load_lpips
from iris_core.pretrained import (
    from_published,
    load_agent,
    load_published,
    shipped_agents,
    to_published,
)
from iris_core.runtime.run_folder import Run

GOLDEN = Path(__file__).parent / "golden"
Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def paper_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic file with every key of a published one, LPIPS and buffers too."""
    keys = json.loads((GOLDEN / "paper_state_dict_keys.json").read_text())["state_dict"]
    rng = torch.Generator().manual_seed(0)
    tensors = {}
    for name, about in keys.items():
        shape, dtype = about["shape"], getattr(torch, about["dtype"])
        tensors[name] = torch.randn(shape, generator=rng).mul(0.02).to(dtype)
        if name.endswith("attn.mask"):
            tensors[name] = torch.ones(shape).tril()
    assert len(tensors) == 624
    path = tmp_path_factory.mktemp("published") / "Breakout.pt"
    torch.save(tensors, path)
    return path


@pytest.fixture(scope="module")
def small() -> Tensors:
    """The small published-style agent of the golden data."""
    return torch.load(GOLDEN / "golden_a" / "agent.pt", weights_only=True)


Write = Callable[[object], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: object) -> Path:
        torch.save(content, tmp_path / "last.pt")
        return tmp_path / "last.pt"

    return to_file


def test_every_tensor_of_the_paper_finds_its_place(paper_file: Path) -> None:
    tensors = torch.load(paper_file, weights_only=True)
    agent = load_published(paper_file)
    assert agent.num_actions == 4 and not agent.training
    back = to_published(agent.state_dict())
    left = {k: v for k, v in tensors.items() if k not in back}
    assert all("lpips" in k or "mask" in k or "indices" in k for k in left)
    assert len(left) == 33 + 10 + 3
    for name, tensor in back.items():
        assert torch.equal(tensor, tensors[name]), name


def test_the_papers_sizes_are_read(paper_file: Path) -> None:
    config = load_published(paper_file).config
    changed = {name: value for name, _, value, _ in departures(config)}
    assert changed == {"tokenizer.loss.lpips_weights": str(paper_file)}


def test_lpips_stays_available(paper_file: Path) -> None:
    agent = load_published(paper_file)
    assert isinstance(load_lpips(agent.config.tokenizer.loss.lpips_weights), LPIPS)
    assert not any("lpips" in name for name in agent.state_dict())


def test_small_agent() -> None:
    config = load_published(GOLDEN / "golden_a" / "agent.pt").config
    assert config.tokenizer.vocab_size == config.tokenizer.embed_dim == 64
    assert config.tokenizer.channels == 32 and config.tokenizer.levels == 5
    assert config.tokenizer.attention_resolutions == [8, 16]
    assert config.world_model.max_blocks == 5 and config.world_model.num_layers == 2
    assert config.world_model.attention == "causal"
    assert config.tokenizer.loss.lpips_weights == "download"


def test_block_causal_is_seen_in_the_mask(small: Tensors, write: Write) -> None:
    mask = {"world_model.transformer.blocks.0.attn.mask": torch.ones(85, 85)}
    assert load_published(write(small | mask)).config.world_model.attention == (
        "block_causal"
    )


def told(agent: Path, file: str = "", text: str = "") -> str:
    """The game of an agent's file; with a config of its run."""
    if file:
        path = agent.parents[1] / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return load_published(agent).game


def test_the_game_of_a_file(small: Tensors, tmp_path: Path) -> None:
    """By its name or the config beside it; never another one."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("last", "pong", "Pong-v5", "atlantis"):
        torch.save(small, folder / f"{name}.pt")
    games = [told(folder / f"{name}.pt") for name in ("pong", "Pong-v5", "atlantis")]
    assert games == ["Pong", "Pong", "Atlantis"]
    last = folder / "last.pt"
    assert told(last) == ""
    with pytest.raises(ConfigError, match="--game NAME"):
        evaluate(load_agent(last), episodes=1)
    assert load_agent(last, game="ALE/Pong-v5").game == "Pong"
    assert told(last, "config.yaml", "env: {game: Alien}") == "Alien"
    authors = "env: {train: {id: PongNoFrameskip-v4}}"
    assert told(last, "config/trainer.yaml", authors) == "Pong"
    assert load_agent(last, game="breakout").game == "Breakout"


def test_an_own_agent_keeps_its_game() -> None:
    assert load_agent("catch", game="catch").game == "Catch"
    with pytest.raises(ConfigError, match="catch learned Catch, not Pong"):
        load_agent("catch", game="Pong")


def test_names_there_and_back(small: Tensors) -> None:
    agent = load_published(GOLDEN / "golden_a" / "agent.pt")
    state = from_published(to_published(agent.state_dict()))
    assert state.keys() == agent.state_dict().keys()
    for name, tensor in agent.state_dict().items():
        assert torch.equal(state[name], tensor), name


def test_other_numbers_of_actions(small: Tensors, write: Write) -> None:
    small = dict(small)
    small["world_model.embedder.embedding_tables.0.weight"] = torch.ones(18, 64)
    small["actor_critic.actor_linear.weight"] = torch.ones(18, 512)
    small["actor_critic.actor_linear.bias"] = torch.ones(18)
    agent = load_published(write(small))
    assert agent.actions == [f"action {i}" for i in range(18)]  # it has no names


def test_problems_are_named(small: Tensors, write: Write) -> None:
    small = dict(small)
    for i in (0, 1):
        del small[f"tokenizer.decoder.up.0.block.{i}.norm1.bias"]
    small["tokenizer.extra"] = torch.zeros(1)
    small["actor_critic.actor_linear.bias"] = torch.zeros(5)
    with pytest.raises(ConfigError) as error:
        load_published(write(small))
    message = str(error.value)
    assert "2 missing (tokenizer.decoder.up.0.block.0.norm1.bias" in message
    assert "1 unexpected (tokenizer.extra)" in message
    assert "1 of another shape (actor_critic.actor_linear.bias is 5, not 4)" in message


def test_a_config_of_other_sizes() -> None:
    with pytest.raises(ConfigError, match="use one with the checkpoint's sizes"):
        load_published(GOLDEN / "golden_a" / "agent.pt", config=Config())


def test_other_files_are_refused(small: Tensors, write: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a published IRIS"):
        load_published(write({"weight": torch.zeros(3)}))
    with pytest.raises(ConfigError, match="e.g. 'model'"):
        load_published(write({"model": small, "epoch": 3}))
    with pytest.raises(ConfigError, match="check the path"):
        load_published(tmp_path / "none.pt")


class Hub:
    """Has a file of Pong, for any repository, or no network."""

    def __init__(self, folder: Path) -> None:
        self.file = shutil.copy(GOLDEN / "golden_a" / "agent.pt", folder / "Pong.pt")
        self.error: Exception | None = None
        self.asked: dict[str, str] = {}

    def download(self, **options: str) -> str:
        if self.error is not None:
            raise self.error
        self.asked = options
        return str(self.file)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """In place of Hugging Face's."""
    hub = Hub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(pretrained, "check_network", lambda _: None)
    return hub


def test_download(hub: Hub) -> None:
    agent = load_published("Pong")
    assert isinstance(agent, Agent) and agent.config.env.game == "Pong"
    assert hub.asked == {
        "repo_id": "eloialonso/iris",
        "filename": "pretrained_models/Pong.pt",
    }


@pytest.mark.parametrize(
    "error",
    [
        LocalEntryNotFoundError("offline"),
        ConnectionError("offline"),
        EntryNotFoundError("404"),
    ],
)
def test_download_fails(error: Exception, hub: Hub) -> None:
    hub.error = error
    name = type(error).__name__
    with pytest.raises(ConfigError, match=rf"\({name}\).*connect to the network"):
        load_published("Breakout")
    with pytest.raises(ConfigError, match="the paper's 26"):  # it is not even asked
        load_published("Pitfall")


def test_the_network_is_asked_before_a_client_that_waits(monkeypatch) -> None:
    monkeypatch.setattr(pretrained, "getproxies", lambda: {})
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        pretrained.check_network(f"http://127.0.0.1:{port}")
    started = time.perf_counter()
    for address in (f"http://127.0.0.1:{port}", "https://no.such.host.invalid"):
        with pytest.raises(ConnectionError, match="does not answer"):
            pretrained.check_network(address, seconds=1.0)
    assert time.perf_counter() - started < 3


# Agents by name or path


def same(ours: Agent, theirs: Agent) -> bool:
    pairs = zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.fixture
def run(tmp_path: Path) -> tuple[Run, Agent]:
    """A run folder with an agent of random weights."""
    config = load_config("smoke", [f'outputs="{tmp_path}/outputs"', "device=cpu"])
    agent, run = Agent(config, ["NOOP", "LEFT", "RIGHT"]), Run.create(config)
    agent.save(run.agent)
    return run, agent


def test_shipped_agents_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "freeway_hour").mkdir()  # any folder, but no run
    assert {"catch", "freeway_hour", "pong"} <= set(shipped_agents())
    agent = load_agent("freeway_hour")
    assert agent.game == "Freeway" and not agent.training


def test_agents_of_runs_files_and_published_games(
    run: tuple[Run, Agent], hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, agent = run
    monkeypatch.setenv("HOME", str(tmp_path))
    home = f"~/{folder.path.relative_to(tmp_path)}"
    for source in (folder.path, folder.agent, str(folder.path), home):
        assert same(load_agent(source), agent)
    monkeypatch.chdir(tmp_path)
    folder.path.rename(tmp_path / "catch")
    assert same(load_agent("catch"), agent)  # a run folder comes before a name
    assert same(load_agent("Pong"), load_published(hub.file))
    with pytest.raises(ConfigError, match="none of auto, cpu"):
        load_agent("catch", device="gpu")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "freway_hour",
            "Did you mean freeway_hour?.*are breakout, catch, ",
        ),
        ("Brekout", "Did you mean Breakout"),
        ("absent/agent.safetensors", "No agent at absent/agent.safetensors"),
    ],
)
def test_an_unknown_agent(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_agent(name)


def test_a_copy_without_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iris_core.pretrained.AGENTS", tmp_path / "data" / "agents")
    with pytest.raises(ConfigError, match="clone the repository and install it"):
        load_agent("freeway_hour")
