"""Starts of dreams can be chosen again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons.build import dream_quality, starts
from lessons.build.controlled import sees
from lessons.build.dream_quality import Quality
from lessons.build.starts import Candidate, spread, unlike, write_rows
from lessons.data import DATA, load_agent
from PIL import Image

from iris_core.data.frames import to_pixels
from iris_core.imagination.start import Start
from iris_core.tools.play.starts import Recorded, load_starts, replay_start, starts_path


@pytest.fixture
def agent_path(tmp_path: Path) -> Path:
    """Catch's agent and its card, where nothing else is."""
    (tmp_path / "agents").mkdir()
    for kind in ("safetensors", "md"):
        shutil.copy(DATA / "agents" / f"catch.{kind}", tmp_path / "agents")
    return tmp_path / "agents" / "catch.safetensors"


def test_writes_starts_a_picture_and_figures(
    agent_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PLAYS": 2, "LONG": 20, "TRIED": 5, "AGAIN": 1}.items():
        monkeypatch.setattr(starts, name, value)
    for name, value in {"STEPS": 5, "DREAMS": 2}.items():
        monkeypatch.setattr(dream_quality, name, value)
    starts.write(agent_path)
    found, agent = load_starts(agent_path), load_agent("catch")
    assert found is not None
    assert 1 <= len(found.starts) <= 5
    assert found.present == {"agent": 1, "human": 1, "game": 1}
    assert not found.flashes
    assert 3 <= len(found.palette) <= 48
    first = replay_start(agent, found.starts[0])
    frame = to_pixels(agent.tokenizer.decode(first.tokens[:, -1]))[0]
    assert sees("Catch", frame)
    with Image.open(starts_path(agent_path).with_suffix(".png")) as picture:
        assert np.abs(np.array(picture).astype(int) - frame).max() <= 1
    assert (
        "| flashing | 0% of these dreams |" in agent_path.with_suffix(".md").read_text()
    )


def test_a_card_has_the_figures_once(agent_path: Path) -> None:
    card = agent_path.with_suffix(".md")
    for share in (0.5, 0.25):
        write_rows(card, Quality(share, share, 1, 1, 0, 0))
    rows = card.read_text().splitlines()
    (row,) = [row for row in rows if row.startswith("| dreams |")]
    assert "25% (agent)" in row
    assert rows[-1] == "| licence | MIT |"
    write_rows(agent_path.with_name("none.md"), Quality(1, 1, 1, 1, 0, 0))
    assert not agent_path.with_name("none.md").exists()


def candidate(*tokens: int) -> Candidate:
    frame = torch.tensor([[tokens]])
    none = torch.zeros(1, 1)
    return Candidate(Recorded(0, []), Start(frame, none[:, :0], (none, none)), 0)


def test_starts_that_are_alike_are_left_out() -> None:
    one, near, far = (
        candidate(0, 0, 0, 0, 0),
        candidate(0, 0, 1, 1, 1),
        candidate(1, 1, 1, 1, 0),
    )
    assert unlike([one, near, far]) == [one, far]


def test_some_are_tried_from_all_over() -> None:
    many = [candidate(i) for i in range(10)]
    assert spread(many, 4) == [many[i] for i in (0, 3, 6, 9)]
    assert spread(many[:2], 4) == many[:2]
