"""`iris export`: its files compute, by onnxruntime, what the library computes."""

import gzip
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from dreaming import BLOCKS, make_agent
from onnx import TensorProto, numpy_helper
from torch import Tensor

from iris_core import cli
from iris_core.agent import Agent
from iris_core.imagination.world_model_env import WorldModelEnv
from iris_core.pretrained import load_agent
from iris_core.tools.export import card, storage, trace, write
from iris_core.tools.export.graphs import NoiseSampler

FEW_TOKENS = [  # 4 a frame, and the next frame's take a block's room
    "tokenizer.levels=6",
    "tokenizer.attention_resolutions=[4]",
    f"world_model.max_blocks={BLOCKS + 1}",
]
PATCH = ["tokenizer.architecture=patch", "tokenizer.subtract_background=true"]
SMALL_POLICY = [
    "actor_critic.strided=true",
    "actor_critic.channels=[8,8,16]",
    "actor_critic.subtract_background=true",
    "actor_critic.normalise_features=true",
]
CASES = {
    "parallel": ("parallel", []),
    "grouped": ("grouped", [*PATCH, *SMALL_POLICY]),
    "paper": ("autoregressive", FEW_TOKENS),
    "small": (
        "autoregressive",
        [
            *FEW_TOKENS,
            *PATCH,
            *SMALL_POLICY,
            "world_model.positions=place_and_time",
            "world_model.qk_norm=true",
        ],
    ),
    "block_causal": (
        "autoregressive",
        [*FEW_TOKENS, "world_model.attention=block_causal"],
    ),
}
CONTEXT = "world_model.dream_context=2"


class Exported:
    """A dream played by the files of a folder alone, by the rule of `DreamStep`."""

    def __init__(self, folder: Path) -> None:
        self.about = write.read_card(folder)
        self.world_model = session(folder / "world_model.onnx")
        self.policy = session(folder / "policy.onnx")

    def start(self, number: int) -> None:
        start = self.about["starts"][number]
        blocks = zip(start["tokens"][:-1], start["actions"], strict=True)
        past = [np.array([*tokens, action], np.int32) for tokens, action in blocks]
        self.past = self.recent(past)
        self.tokens = np.array(start["tokens"][-1], np.int32)
        self.lstm = tuple(np.array([start[k]], np.float32) for k in "hc")

    def recent(self, past: list[np.ndarray]) -> list[np.ndarray]:
        return past[max(len(past) + 1 - self.about["context"], 0) :]

    def look(self) -> tuple[np.ndarray, ...]:
        """Frame, probabilities of actions, value."""
        h, c = self.lstm
        found = self.policy.run(None, {"tokens": self.tokens[None], "h": h, "c": c})
        self.lstm = found[3], found[4]
        return found[0], found[1], found[2]

    def step(self, action: int, noise: np.ndarray) -> tuple[np.ndarray, ...]:
        """What world_model.onnx gives."""
        if len(self.past) + 1 > self.about["max_blocks"]:
            self.past = self.recent(self.past)
        self.past.append(np.append(self.tokens, action).astype(np.int32))
        temperature = np.array(self.about["temperature"], np.float32)
        blocks = np.stack(self.past)
        inputs = {"blocks": blocks, "noise": noise, "temperature": temperature}
        found = self.world_model.run(None, inputs)
        self.tokens = found[0]
        return tuple(found)


def session(path: Path) -> onnxruntime.InferenceSession:
    data = path.read_bytes()
    packed = data[:2] == b"\x1f\x8b"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = gzip.decompress(data) if packed else data
    return onnxruntime.InferenceSession(content, options)


class Noisy:
    """A sampler that takes other numbers every step."""

    def take(self, noise: np.ndarray) -> None:
        self.sample = NoiseSampler(torch.from_numpy(noise))

    def __call__(self, logits: Tensor) -> Tensor:
        return self.sample(logits)


def largest(found: np.ndarray, wanted: Tensor) -> float:
    assert found.shape == tuple(wanted.shape)
    return float(np.abs(found - wanted.numpy()).max())


@torch.no_grad()
def play_both(
    agent: Agent, files: Exported, steps: int, number: int = 0, afresh: bool = False
) -> int:
    """Step the library and the files alike; how often the memory was full.

    afresh: what the library remembers is computed anew every step.
    """
    noisy, rng, full = Noisy(), np.random.default_rng(number), 0
    files.start(number)
    start = files.about["starts"][number]
    dream = WorldModelEnv.of(agent, noisy)
    actions = torch.tensor([start["actions"]], dtype=torch.int64)
    dream.start(torch.tensor([start["tokens"]]), actions)
    lstm = tuple(torch.tensor([start[k]]) for k in "hc")
    for _ in range(steps):
        frame, probs, value = files.look()
        logits, values, lstm = agent.actor_critic(dream.frames, lstm)
        assert largest(frame, dream.frames) < 1e-5
        assert largest(probs, logits.softmax(-1)) < 1e-5
        assert largest(value, values) < 1e-5
        action = int(rng.integers(agent.num_actions))
        noise = rng.random(len(files.tokens) + 2, dtype=np.float32)
        tokens, *told = files.step(action, noise)
        if afresh:
            dream.restore(dream.tokens, dream.past, dream.frames)
        noisy.take(noise)
        _, rewards, ends, info = dream.step(torch.tensor([action]))
        full += info["refreshed"]
        assert len(files.past) == len(dream.past)
        assert tokens.tolist() == dream.tokens[0].tolist()
        output = info["logits"]()
        expected = output.observations[0].softmax(-1)
        expected = expected.gather(1, dream.tokens[0, :, None])[:, 0]
        assert told[1] == rewards.item() and told[2] == ends.item()
        for found, wanted in (
            (told[0], expected),
            (told[3], output.rewards[0].softmax(-1)),
            (told[4], output.ends[0].softmax(-1)[1]),
        ):
            assert largest(found, wanted) < 1e-5
    return full


@cache
def small_agent(case: str) -> Agent:
    torch.manual_seed(0)
    mode, overrides = CASES[case]
    return make_agent(mode, "env.game=Catch", CONTEXT, *overrides)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {}


def exported(folders: dict[str, Path], case: str, tmp_path_factory) -> Path:
    """The folder of a small agent, made once."""
    if case not in folders:
        folder = tmp_path_factory.mktemp(case)
        small_agent(case).save(folder / "agent.safetensors")
        write.export(folder / "agent.safetensors", folder / "web")
        folders[case] = folder / "web"
    return folders[case]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_files_dream_as_the_library_does(case, folders, tmp_path_factory):
    folder, agent = exported(folders, case, tmp_path_factory), small_agent(case)
    files = Exported(folder)
    assert files.about["max_blocks"] == BLOCKS
    # Tokens of a block that sees itself whole differ once they are all known
    full = play_both(agent, files, 60, afresh=case == "block_causal")
    assert full >= 60 // BLOCKS - 1


@pytest.mark.slow
def test_a_dream_without_a_past(folders, tmp_path_factory):
    for case in ("grouped", "paper"):
        files = Exported(exported(folders, case, tmp_path_factory))
        for start in files.about["starts"]:
            start.update(tokens=start["tokens"][-1:], actions=[])
        play_both(small_agent(case), files, 6, number=1)


@pytest.mark.slow
def test_tracing_leaves_the_library_as_it_was(folders, tmp_path_factory):
    """Nothing of a trace stays behind, as in a cache of positions."""
    exported(folders, "paper", tmp_path_factory)
    agent = small_agent("paper")
    before = [p.clone() for p in agent.parameters()]
    dream = WorldModelEnv.of(agent)
    dream.reset(torch.rand(1, 3, 64, 64))
    for _ in range(2 * BLOCKS):
        frames, *_ = dream.step(torch.tensor([1]))
    assert type(frames) is Tensor
    assert all(p.requires_grad for p in agent.parameters())
    assert all(map(torch.equal, before, agent.parameters()))


@pytest.mark.slow
def test_what_stands_beside_the_graphs(folders, tmp_path_factory):
    folder, agent = exported(folders, "paper", tmp_path_factory), small_agent("paper")
    assert sorted(path.name for path in folder.iterdir()) == sorted(write.NAMES)
    about = write.read_card(folder)
    assert (about["format"], about["name"], about["game"]) == (1, "agent", "Catch")
    assert about["actions"] == agent.actions and about["grid"] ** 2 == 4
    assert about["buttons"]["LEFT"] == ["LEFT"] and "ArrowLeft" in about["keys"]["LEFT"]
    assert len(about["starts"]) == card.STARTS and about["score"] is None
    for start in about["starts"]:
        assert len(start["actions"]) == len(start["tokens"]) - 1 < about["context"]
        assert len(start["h"]) == len(start["c"]) == about["lstm_dim"]
    assert 0 < len(set(about["palette"])) == len(about["palette"]) <= card.PALETTE
    assert max(about["palette"]) < about["codes"]
    assert (folder / "picture.png").read_bytes()[1:4] == b"PNG"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> dict[str, Path]:
    """freeway_hour, exact and compact."""
    folder = tmp_path_factory.mktemp("freeway_hour")
    for name, compact in (("exact", False), ("compact", True)):
        write.export("freeway_hour", folder / name, compact)
    return {"exact": folder / "exact", "compact": folder / "compact"}


@pytest.mark.slow
def test_a_shipped_agent_dreams_as_in_the_library(shipped):
    agent, files = load_agent("freeway_hour"), Exported(shipped["exact"])
    assert play_both(agent, files, 100) > 20
    assert files.about["score"].startswith("26.62")


@pytest.mark.slow
def test_a_shipped_agents_weights_are_stored_exactly(shipped):
    """Half the bytes; behind their Casts the numbers of the agent's file."""
    state = load_agent("freeway_hour").state_dict()
    for name in ("world_model", "policy"):
        model = onnx.load(shipped["exact"] / f"{name}.onnx")
        names = {node.input[0]: node.output[0] for node in model.graph.node}
        stored = {i.name: i for i in model.graph.initializer}
        large = [i for i in stored.values() if np.prod(i.dims) >= storage.FEW]
        kinds = TensorProto.FLOAT, TensorProto.FLOAT16
        floats = [i for i in large if i.data_type in kinds]
        assert {i.data_type for i in floats} == {TensorProto.FLOAT16}
        found = {names[i.name]: numpy_helper.to_array(i) for i in floats}
        same = [k for k in found if k in state]
        assert len(same) > 10
        for key in same:
            assert np.array_equal(found[key].astype(np.float32), state[key].numpy())


@pytest.mark.slow
def test_a_compact_agent_is_small_and_nearly_the_same(shipped):
    exact, compact = Exported(shipped["exact"]), Exported(shipped["compact"])
    sizes = [path.stat().st_size for path in shipped["compact"].iterdir()]
    assert sum(sizes) < 3_000_000
    exact.start(0), compact.start(0)
    rng = np.random.default_rng(0)
    for _ in range(30):
        (frame, probs, _), (other, rounded, _) = exact.look(), compact.look()
        assert np.array_equal(frame, other)
        assert np.abs(probs - rounded).max() < 0.1
        noise = rng.random(66, dtype=np.float32)
        action = int(rng.integers(3))
        for found, same in zip(
            exact.step(action, noise), compact.step(action, noise), strict=True
        ):
            assert np.array_equal(found, same)


# How weights are kept


def one_weight(weight: np.ndarray, name: str = "a.weight") -> onnx.ModelProto:
    """A model that gives its weight."""
    node = onnx.helper.make_node("Identity", [name], ["out"])
    out = onnx.helper.make_tensor_value_info("out", TensorProto.FLOAT, weight.shape)
    kept = numpy_helper.from_array(weight.astype(np.float32), name)
    graph = onnx.helper.make_graph([node], "g", [], [out], [kept])
    opset = [onnx.helper.make_opsetid("", trace.OPSET)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)


def output(model: onnx.ModelProto) -> np.ndarray:
    run = onnxruntime.InferenceSession(model.SerializeToString())
    return run.run(None, {})[0]


@pytest.mark.parametrize("factor", [1, 1 / 3, 1e6], ids=["fits", "finer", "too large"])
def test_only_what_fits_is_halved(factor):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((40, 50)).astype(np.float16).astype(np.float32)
    model = one_weight(weight * np.float32(factor))
    before = model.ByteSize()
    storage.halve(model)
    assert np.array_equal(output(model), weight * np.float32(factor))
    assert (model.ByteSize() < 0.6 * before) == (factor == 1)


def test_rounded_weights_are_within_half_a_level():
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((128, 64)).astype(np.float32)
    weight[3] = 0
    model = one_weight(weight)
    storage.round_weights(model, "a.")
    largest = np.abs(weight).max(axis=1, keepdims=True)
    error = np.abs(output(model) - weight)
    assert error.max() > 0
    assert (error <= largest / storage.LEVELS / 2 + 1e-6).all()
    assert not error[3].any()
    assert [i.data_type for i in model.graph.initializer] == [
        TensorProto.INT8,
        TensorProto.FLOAT,
    ]


@pytest.mark.parametrize(("name", "rows"), [("b.weight", 128), ("a.weight", 8)])
def test_other_and_small_weights_are_not_rounded(name, rows):
    weight = np.random.default_rng(0).standard_normal((rows, 64)).astype(np.float32)
    model = one_weight(weight, name)
    storage.round_weights(model, "a.")
    assert np.array_equal(output(model), weight)


def test_noise_decides():
    logits = torch.tensor([0.1, 0.2, 0.7]).log().expand(5, 3)
    noise = torch.tensor([0.0, 0.0999, 0.1001, 0.3001, 0.9999999])
    assert NoiseSampler(noise)(logits).tolist() == [0, 0, 1, 2, 2]
    sample = NoiseSampler(torch.tensor([0.05, 0.95, 0.15]))
    assert sample(logits[:2]).tolist() == [0, 2]
    assert sample(logits[:1]).tolist() == [1]


# The command


@pytest.fixture
def agent_file(tmp_path) -> Path:
    small_agent("grouped").save(tmp_path / "agent.safetensors")
    return tmp_path / "agent.safetensors"


@pytest.fixture
def traces_nothing(monkeypatch) -> None:
    """Refusals come before the work."""

    def work(*_):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(card, "find_beginnings", work)


def test_iris_export_says_what_it_wrote(agent_file, monkeypatch, capsys):
    model = one_weight(np.ones(3))
    for name in ("dream_step", "policy"):
        monkeypatch.setattr(trace, name, lambda _: model)
    out = agent_file.parent / "new" / "web"
    assert cli.main(["export", str(agent_file), "--onnx", str(out)]) == 0
    told = capsys.readouterr().out.splitlines()
    size = (out / "policy.onnx").stat().st_size
    assert f"{out / 'policy.onnx'}: {size:,} bytes" in told
    assert len(told) == len(list(out.iterdir())) == 4
    assert cli.main(["export", str(agent_file), "--onnx", str(out), "--compact"]) == 0
    assert (out / "policy.onnx").read_bytes()[:2] == b"\x1f\x8b"


@pytest.mark.usefixtures("traces_nothing")
def test_iris_export_refuses(agent_file, tmp_path, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "policy.onnx").mkdir(parents=True)
    for source, folder, told in (
        ("nobody", "web", "nobody"),
        (str(agent_file), "file", "cannot write into"),
        (str(agent_file), "file/web", "Choose another with --onnx"),
        (str(agent_file), "taken", "policy.onnx is a folder"),
    ):
        assert cli.main(["export", source, "--onnx", str(tmp_path / folder)]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "web").exists()
    assert list((tmp_path / "taken").iterdir()) == [tmp_path / "taken" / "policy.onnx"]
    with pytest.raises(SystemExit):
        cli.main(["export", str(agent_file)])


@pytest.mark.usefixtures("traces_nothing")
@pytest.mark.parametrize("mode", ["autoregressive", "parallel"])
def test_a_memory_that_is_too_short(mode, tmp_path, capsys):
    blocks = BLOCKS - (mode == "parallel")
    agent = make_agent(mode, "env.game=Catch", f"world_model.max_blocks={blocks}")
    agent.save(tmp_path / "agent.safetensors")
    folder = tmp_path / "web"
    source = str(tmp_path / "agent.safetensors")
    assert cli.main(["export", source, "--onnx", str(folder)]) == cli.BAD_INPUT
    assert f"max_blocks must be {blocks + 1} or more" in capsys.readouterr().err
    assert not folder.exists()


def test_without_the_extra(agent_file):
    folder = agent_file.parent / "web"
    code = (
        "import sys, iris_core.cli as c\n"
        "sys.modules['onnx'] = None\n"  # as if it were not there
        f"sys.exit(c.main(['export', {str(agent_file)!r}, '--onnx', {str(folder)!r}]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == cli.BAD_INPUT
    assert "pip install 'iris-core[export]'" in done.stderr
    assert not folder.exists()
