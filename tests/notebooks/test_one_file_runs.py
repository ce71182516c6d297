"""The learning runs of my_iris.py that results/my_iris keeps."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from lessons.build import one_file_runs as runs

from iris_core.envs.catch import CoarseCatchEnv

KEPT = Path(__file__).resolve().parents[2] / "results" / "my_iris"


def test_three_seeds_of_three_learned_the_game():
    """Nine balls of ten; README says so, and that it takes about ten minutes."""
    kept = [json.loads(file.read_text()) for file in KEPT.glob("seed*.json")]
    assert sorted(run["seed"] for run in kept) == [0, 1, 2]
    for run in kept:
        assert run["test_episodes"] == 200 and run["caught"] >= 0.9
        assert run["cpu_minutes"] < 12
        curves = runs.read(KEPT / f"seed{run['seed']}.txt")
        assert curves["epoch"].tolist() == list(range(len(curves)))
        assert curves["minutes"].iloc[-1] == pytest.approx(run["cpu_minutes"], abs=0.5)
        assert curves["return"].iloc[:5].mean() < 0.4 < curves["return"].iloc[-1]


def test_the_table_is_of_these_runs(tmp_path):
    folder = Path(shutil.copytree(KEPT, tmp_path / "my_iris"))
    written = runs.write_readme(folder).read_text()
    assert written == (KEPT / "README.md").read_text()
    for picture in ("curves.png", "seed0.gif"):
        assert picture in written and (folder / picture).stat().st_size > 10_000
    (folder / "curves.png").unlink()
    assert runs.draw(folder).stat().st_size > 10_000


def test_where_a_drawn_paddle_is():
    env = CoarseCatchEnv()
    pixels = [env.reset(seed=seed)[0] for seed in range(3)]
    frames = torch.stack([torch.as_tensor(p).permute(2, 0, 1) / 255 for p in pixels])
    lefts = [env.reset(seed=seed) and env.get_state()["paddle_x"] for seed in range(3)]
    left, whole = runs.paddle(frames)
    assert left.tolist() == lefts and whole.all()
    frames[0, :, -1, lefts[0] + 5] = 0  # a hole
    assert runs.paddle(frames)[1].tolist() == [False, True, True]
