"""A page's folder: what is in it, where its runtime comes from, and that its JavaScript
dreams what the library does."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dreaming import make_agent
from sites import make_site, node

from iris_core import cli
from iris_core.config import ConfigError
from iris_core.data.frames import to_pixels
from iris_core.imagination.introspection import Prediction
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.tools.benchmarks.browser import serve_folder
from iris_core.tools.export import page, runtime
from iris_core.tools.export.graphs import NoiseSampler
from iris_core.tools.export.write import read_card

STEPS = 50
MODES = ["autoregressive", "parallel"]
OVERRIDES = [
    *("env.game=Catch", "world_model.max_blocks=6", "world_model.dream_context=2"),
    *("tokenizer.levels=6", "tokenizer.attention_resolutions=[4]"),  # 4 tokens a frame
]
REPLAY = Path(__file__).parents[1] / "play" / "web" / "replay.js"


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_same_noise_is_the_same_dream(mode, tmp_path):
    """Tokens, rewards and the memory's length are the library's; numbers nearly so."""
    torch.manual_seed(0)
    agent, site = make_agent(mode, *OVERRIDES), tmp_path / "site"
    make_site(site, {mode: agent})
    rng = np.random.default_rng(0)
    noise = rng.random((STEPS, 4 + 2), dtype=np.float32)
    actions = rng.integers(0, 3, STEPS).tolist()
    file = tmp_path / "noise.json"
    file.write_text(json.dumps({"noise": noise.tolist(), "actions": actions}))
    with serve_folder(site) as address:
        said = node(REPLAY, site / "ort", f"{address}agents/{mode}/", file)

    start = read_card(site / "agents" / mode)["starts"][0]
    dream = WorldModelEnv.of(agent)
    dream.start(torch.tensor([start["tokens"]]), torch.tensor([start["actions"]]))
    state = torch.tensor([start["h"]]), torch.tensor([start["c"]])
    for step, u, action in zip(json.loads(said), noise, actions, strict=True):
        dream.sample = NoiseSampler(torch.from_numpy(u))
        frames, reward, end, info = dream.step(torch.tensor([action]))
        expected = Prediction.of(info["logits"](), dream.tokens)
        with torch.no_grad():
            logits, _, state = agent.actor_critic(frames, state)
        assert step["tokens"] == dream.tokens[0].tolist()
        assert step["past"] == len(dream.past)
        assert (step["reward"], step["end"]) == (float(reward), bool(end))
        assert np.allclose(step["surprisal"], expected.surprisal, atol=1e-3)
        frame = np.array(step["frame"]).reshape(64, 64, 3)
        assert np.abs(frame - to_pixels(frames)[0]).max() <= 1
        # The policy's weights are rounded in what is downloaded
        assert np.allclose(step["probs"], logits[0].softmax(-1), atol=0.02)


# The folder


@pytest.fixture
def without_models(monkeypatch):
    """Agents are no more than their cards, of which the name says how well it holds."""

    def export(source, folder, compact, game):
        folder.mkdir(parents=True)
        share = {"good": 0.9, "bad": 0.2}.get(source)
        present = share and {"agent": 1.0, "human": share, "game": 1.0}
        about = {"title": source.upper(), "present": present, "flashes": False}
        (folder / "agent.json").write_text(json.dumps(about | {"picture": "p.png"}))

    monkeypatch.setattr(page, "export", export)
    monkeypatch.setattr(
        page, "write_runtime", lambda folder: folder.mkdir(parents=True)
    )


def test_a_folder_for_any_host(without_models, tmp_path, capsys):
    out = tmp_path / "web"
    assert cli.main(["export", "unknown", "bad", "good", "--page", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"hf upload USER/NAME {out} . --repo-type space" in said
    menu = json.loads((out / "agents" / "agents.json").read_text())
    assert [entry["name"] for entry in menu] == ["good", "bad", "unknown"]
    assert menu[0]["picture"] == "agents/good/p.png"
    html = (out / "play.html").read_text()
    assert (out / "index.html").read_text() == html
    assert "http:" not in html and "https:" not in html
    assert (out / "README.md").read_text().startswith("---\n")
    assert "sdk: static\napp_file: index.html\n" in (out / "README.md").read_text()
    for name in ("player.js", "player.css", "page.js", "worker.js"):
        assert (out / "player" / name).is_file()


def test_every_module_that_is_imported_is_there(without_models, tmp_path):
    page.write_player(tmp_path, ["good"])
    for module in (tmp_path / "player").glob("*.js"):
        for line in module.read_text("utf-8").splitlines():
            if line.startswith("import"):
                name = line.split('"')[1]
                assert (module.parent / name).is_file(), f"{module.name}: {name}"


def test_two_agents_of_one_name(without_models, tmp_path, capsys):
    agents = ["a/good", "b/good", "--page", str(tmp_path)]
    assert cli.main(["export", *agents]) == 2
    assert "Two agents are called good" in capsys.readouterr().err


def test_onnx_takes_one_agent(tmp_path, capsys):
    assert cli.main(["export", "a", "b", "--onnx", str(tmp_path)]) == 2
    assert "--onnx takes one agent" in capsys.readouterr().err


# The runtime


@pytest.fixture
def registry(monkeypatch, tmp_path):
    """A package of three small files, npm that hands it out, and an empty cache."""
    archive = tmp_path / "registry.tgz"
    with tarfile.open(archive, "w:gz") as file:
        for name in runtime.FILES:
            (tmp_path / name).write_text(name)
            file.add(tmp_path / name, f"package/dist/{name}")
    digest = hashlib.sha512(archive.read_bytes()).digest()
    monkeypatch.setattr(runtime, "SHA512", b64encode(digest).decode())
    monkeypatch.setattr(runtime, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(runtime, "npm", lambda: ["npm"])
    found = SimpleNamespace(data=archive.read_bytes(), fetched=0, code=0)

    def run(command, **_):
        found.fetched += 1
        to = Path(command[command.index("--pack-destination") + 1])
        if not found.code:
            (to / "package.tgz").write_bytes(found.data)
        return subprocess.CompletedProcess(command, found.code, "", "no network")

    monkeypatch.setattr(runtime.subprocess, "run", run)
    return found


def test_the_runtime_is_fetched_once(registry, tmp_path):
    for folder in ("one", "other"):
        runtime.write_runtime(tmp_path / folder)
    assert registry.fetched == 1
    names = {file.name for file in (tmp_path / "one").iterdir()}
    assert names == {name.replace(".mjs", ".js") for name in runtime.FILES}
    wasm = (tmp_path / "one" / "ort-wasm-simd-threaded.wasm").read_bytes()
    assert wasm[:2] == b"\x1f\x8b"
    runtime.package().write_bytes(b"damaged")
    runtime.write_runtime(tmp_path / "third")
    assert registry.fetched == 2


def test_another_package_is_refused(registry, tmp_path):
    registry.data += b"more"
    with pytest.raises(ConfigError, match="is not that package: its sum differs"):
        runtime.write_runtime(tmp_path / "out")
    assert not list((tmp_path / "cache").iterdir())


def test_no_network_and_no_npm_are_sentences(registry, tmp_path, monkeypatch):
    registry.code = 1
    with pytest.raises(ConfigError, match=r"npm could not fetch (?s:.)*no network"):
        runtime.package()
    monkeypatch.undo()
    monkeypatch.setattr(runtime.shutil, "which", lambda name: None)
    monkeypatch.setattr(runtime, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="There is no npm to fetch"):
        runtime.npm()
