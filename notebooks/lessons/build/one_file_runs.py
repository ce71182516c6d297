"""Learning runs of my_iris.py, one a seed, kept in results/my_iris.

    python -m lessons.build.one_file_runs FOLDER SEED ...   # run these, one by one
    python -m lessons.build.one_file_runs FOLDER            # curves and table of all

A run leaves the lines that it printed (seedN.txt), its figures (seedN.json) and a film
of its dream (seedN.gif).
"""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import my_iris
import pandas as pd
import torch
from torch import Tensor

from iris_core.config.paper import EnvConfig
from iris_core.envs import make_env
from iris_core.envs.catch import (
    PADDLE_COLOUR,
    PADDLE_SPEED,
    PADDLE_WIDTH,
    CoarseCatchEnv,
)
from iris_core.tools.benchmarks.timing import cpu_model

PANELS = {
    "changed tokens": "changed tokens foreseen (share)",
    "dreamed return": "reward of a dream of a few steps (mean)",
    "return": "balls caught in the game (share)",
}
DREAMS = 256  # that obedience is measured in
STEPS = 5  # of each
README = """\
# Learning runs of my_iris.py

`python notebooks/my_iris.py --seed N`, with the settings of the file as they are; from
the folder notebooks, `python -m lessons.build.one_file_runs ../results/my_iris N`
repeats a run and keeps it here. The minutes are those of one core
({cpu}), without the test.

{table}

*Obeyed*: of the dreamed steps that begin with an intact paddle, the share in which it
moves as a random action says; the first {steps} steps of {dreams} dreams.

![Changed tokens foreseen, rewards of dreams, and balls caught in the game, against
minutes](curves.png)

A point in the middle is the mean over the {batch} dreams of an epoch's last update.
They start at any of the game's {game} steps and are {horizon} steps long, so many stop
before the ball is down: perfect play has a mean of {perfect:.1f} there, and 1 in the
game.

The game and, on its right, the dream that follows its first two frames and its actions
(seed 0):

![Six games, and the same in the dream](seed0.gif)
"""
LINE = re.compile(r"\s*(\d+) s  epoch (\d+)  (.*)")


def run(seed: int, folder: Path) -> dict[str, Any]:
    """Train, test and film one agent; what it came to."""
    torch.set_num_threads(1)
    s = my_iris.Settings(seed=seed)
    began = time.process_time()
    with (folder / f"seed{seed}.txt").open("w") as lines, redirect_stdout(lines):
        agent = my_iris.train(s)
    trained = time.process_time() - began
    env = make_env(EnvConfig(game=s.game), "test")
    env.reset(seed=10_000 + seed)  # as my_iris.py itself tests
    tokenizer, _, policy = agent
    caught = [float(my_iris.play(env, tokenizer, policy)[2].sum()) for _ in range(200)]
    my_iris.film(s, env, *agent, folder / f"seed{seed}.gif")
    figures = {
        "seed": seed,
        "test_episodes": len(caught),
        "caught": sum(caught) / len(caught),
        "actions_obeyed": obeyed(s, agent),
        "cpu_minutes": round(trained / 60, 2),
        "cpu": cpu_model(),
    }
    (folder / f"seed{seed}.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


@torch.no_grad()
def obeyed(s: my_iris.Settings, agent: tuple[Any, ...]) -> float:
    """The share of dreamed steps in which the paddle goes where random actions send it,
    of those that begin with a whole paddle."""
    tokenizer, world_model, policy = agent
    env = make_env(EnvConfig(game=s.game), "test")
    env.reset(seed=30_000 + s.seed)
    episodes = [my_iris.play(env, tokenizer, policy) for _ in range(100)]
    batch = my_iris.segments(episodes, s, DREAMS, s.context, last=True)
    dream = my_iris.Dream(tokenizer, world_model)
    frames = dream.reset(tokenizer.encode(batch.frames), batch.actions[:, :-1])
    right = whole = 0
    for _ in range(STEPS):
        before, is_whole = paddle(frames)
        actions = torch.randint(3, (DREAMS,))
        frames, _, _ = dream.step(actions)
        move = torch.tensor([0, -PADDLE_SPEED, PADDLE_SPEED])[actions]
        told = (before + move).clamp(0, 64 - PADDLE_WIDTH)
        after, still_whole = paddle(frames)
        right += int(((after == told) & still_whole & is_whole).sum())
        whole += int(is_whole.sum())
    return right / whole


def paddle(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Its left edge in pixels, (B,), and whether it is there as one whole."""
    colour = torch.tensor(PADDLE_COLOUR)[:, None] / 255
    is_paddle = (frames[:, :, -1] - colour).abs().amax(1) < 0.2  # (B, 64)
    left = is_paddle.long().argmax(1)
    inside = torch.arange(64) - left[:, None]
    whole = ((inside >= 0) & (inside < PADDLE_WIDTH)) == is_paddle
    return left, whole.all(1)


def read(lines: Path) -> pd.DataFrame:
    """What a run printed: a row an epoch, columns of figures, and minutes."""
    rows = []
    for seconds, epoch, rest in LINE.findall(lines.read_text()):
        found = re.findall(r"([a-z ]+) (-?[\d.]+)", rest)
        told = {name.strip(): float(value) for name, value in found}
        rows.append({"minutes": int(seconds) / 60, "epoch": int(epoch), **told})
    return pd.DataFrame(rows)


def draw(folder: Path) -> Path:
    """The curves of all runs in a folder, against minutes of one core."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
    for file in sorted(folder.glob("seed*.txt")):
        curves = read(file)
        for ax, (name, title) in zip(axes, PANELS.items(), strict=True):
            ax.plot(curves["minutes"], curves[name], label=file.stem)
            ax.set(title=title, xlabel="minutes of one core", ylim=(0, 1.02))
    axes[-1].legend()
    figure.savefig(folder / "curves.png", dpi=110)
    return folder / "curves.png"


def write_readme(folder: Path) -> Path:
    """The table of all runs in a folder."""
    runs = [json.loads(file.read_text()) for file in sorted(folder.glob("seed*.json"))]
    rows = ["| seed | balls caught | test episodes | obeyed | minutes |"]
    rows.append("| --- | ---: | ---: | ---: | ---: |")
    rows += [
        f"| {run['seed']} | {run['caught']:.1%} | {run['test_episodes']} |"
        f" {run['actions_obeyed']:.0%} | {run['cpu_minutes']:.1f} |"
        for run in runs
    ]
    settings = my_iris.Settings()
    told = {
        "cpu": runs[0]["cpu"],
        "steps": STEPS,
        "dreams": DREAMS,
        "batch": settings.policy_batch,
        "horizon": settings.horizon,
        "game": CoarseCatchEnv.steps,
        "perfect": settings.horizon / CoarseCatchEnv.steps,
    }
    readme = folder / "README.md"
    readme.write_text(README.format(table="\n".join(rows), **told))
    return readme


def main() -> None:
    folder, seeds = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        print(json.dumps(run(int(seed), folder)))
    if not seeds:
        print(draw(folder), write_readme(folder))


if __name__ == "__main__":
    main()
