"""Start moments: files, replaying, and the menu of dreams."""

from __future__ import annotations

import base64
import io
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playing import make_agent

from iris_core.agent import Agent
from iris_core.config import ConfigError
from iris_core.data.frames import to_frames, to_pixels
from iris_core.envs import make_env
from iris_core.imagination.start import Walk
from iris_core.pretrained import AGENTS
from iris_core.tools.play import starts as module
from iris_core.tools.play.starts import (
    UNTAUGHT,
    Recorded,
    list_dreams,
    load_starts,
    min_present,
    replay_start,
    starts_path,
    title_of,
)

STORED = sorted(file.stem for file in (AGENTS.parent / "starts").glob("*.json"))
GOOD = {
    "starts": [{"seed": 3, "actions": [1, 2]}],
    "palette": [7, 5],
    "present": {"agent": 0.9, "human": 0.5, "game": 1},
    "flashes": False,
}


def write(folder: Path, content: object, name: str = "catch") -> Path:
    """An agent's path, beside whose folder its starts are."""
    agent = folder / "agents" / f"{name}.safetensors"
    starts_path(agent).parent.mkdir(exist_ok=True)
    starts_path(agent).write_text(json.dumps(content))
    return agent


def test_reads_what_is_there(tmp_path: Path) -> None:
    found = load_starts(write(tmp_path, GOOD))
    assert found is not None
    assert found.starts == [Recorded(3, [1, 2])]
    assert found.palette == [7, 5]
    assert found.present == {"agent": 0.9, "human": 0.5, "game": 1}
    assert not found.flashes


def test_there_may_be_none(tmp_path: Path) -> None:
    assert load_starts(tmp_path / "agents" / "catch.safetensors") is None


@pytest.mark.parametrize(
    "change",
    [
        {"starts": []},
        {"starts": [{"seed": 3}]},
        {"starts": [{"seed": -1, "actions": []}]},
        {"starts": [{"seed": 0, "actions": ["UP"]}]},
        {"starts": 5},
        {"palette": [True]},
        {"palette": None},
        {"present": {"agent": 1, "human": 1}},
        {"present": {"agent": 1, "human": 1, "game": 2}},
        {"flashes": "no"},
    ],
)
def test_a_damaged_file_is_said_to_be(tmp_path: Path, change: dict) -> None:
    with pytest.raises(ConfigError, match=r"catch\.json .*damaged"):
        load_starts(write(tmp_path, GOOD | change))


@pytest.mark.parametrize("text", ["", "[1]", "{", "null"])
def test_so_is_a_text_that_holds_something_else(tmp_path: Path, text: str) -> None:
    agent = write(tmp_path, GOOD)
    starts_path(agent).write_text(text)
    with pytest.raises(ConfigError, match=r"catch\.json"):
        load_starts(agent)


def test_replaying_leads_to_the_same_moment() -> None:
    agent = make_agent()
    walk = Walk(agent, make_env(agent.config.env, "test"), seed=4)
    for action in (1, 2, 2, 0, 1):
        walk.look()
        assert walk.step(action)
    first = walk.start()
    start = replay_start(agent, Recorded(4, [1, 2, 2, 0, 1]))
    assert start.game == first.game
    assert torch.equal(start.tokens, torch.stack(walk.tokens[-2:], dim=1))
    assert start.actions.tolist() == [[1]]
    for mine, theirs in zip(start.lstm_state, first.lstm_state, strict=True):
        assert torch.equal(mine, theirs)


def test_the_agents_state_is_that_of_all_frames_before() -> None:
    agent, actions = make_agent(), [1, 2, 2, 0, 1]
    env, state = make_env(agent.config.env, "test"), agent.new_state(1)
    pixels, _ = env.reset(seed=4)
    for action in actions:
        _, state = agent.act(to_frames(pixels[None]), state)
        pixels, *_ = env.step(action)
    start = replay_start(agent, Recorded(4, actions))
    for mine, theirs in zip(start.lstm_state, state, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(
    ("actions", "why"), [([0, 3], "unknown actions"), ([0] * 200, "game's end")]
)
def test_a_start_of_another_game_is_refused(actions: list[int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        replay_start(make_agent(), Recorded(0, actions))


def test_the_menu_has_the_best_dreams_first() -> None:
    dreams = list_dreams()
    assert [dream["name"] for dream in dreams]
    present = [min_present(dream["present"]) for dream in dreams]
    assert all(better >= worse for better, worse in pairwise(present))
    for dream in dreams:
        kind, _, png = dream["picture"].partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(png))).size == (64, 64)


def test_the_menu_has_only_who_can_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGENTS", tmp_path / "agents")
    (tmp_path / "agents").mkdir()
    rows = {"catch": "1.00", "catch_idle": UNTAUGHT, "catch_new": None}
    for name, score in rows.items():
        agent = write(tmp_path, GOOD, name)
        agent.touch()
        starts_path(agent).with_suffix(".png").write_bytes(b"PNG")
        if score:
            card = f"| | |\n| --- | --- |\n| game | Catch |\n| score | {score} |\n"
            agent.with_suffix(".md").write_text(card)
    (dream,) = list_dreams()
    assert dream["name"] == "catch"
    assert dream["title"] == "Catch"
    starts_path(tmp_path / "agents" / "catch.safetensors").with_suffix(".png").unlink()
    with pytest.raises(ConfigError, match=r"cannot read .*catch\.png"):
        list_dreams()


@pytest.mark.parametrize(
    ("name", "game", "title"),
    [
        ("kungfumaster", "KungFuMaster", "Kung Fu Master"),
        ("freeway_hour", "Freeway", "Freeway, hour"),
    ],
)
def test_titles(name: str, game: str, title: str) -> None:
    assert title_of(name, game) == title


@pytest.mark.parametrize("name", STORED)
def test_stored_starts_can_be_played(name: str) -> None:
    path = AGENTS / f"{name}.safetensors"
    agent, starts = Agent.load(path), load_starts(path)
    assert starts is not None
    assert len(starts.starts) >= 5
    assert max(starts.palette) < agent.config.tokenizer.vocab_size
    start = replay_start(agent, starts.starts[0])
    frame = to_pixels(agent.tokenizer.decode(start.tokens[:, -1]))[0]
    with Image.open(starts_path(path).with_suffix(".png")) as picture:
        difference = np.abs(np.array(picture).astype(int) - frame)
    assert difference.max() <= 1
