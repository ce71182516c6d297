"""`python -m lessons.build.ship RUN NAME`: a run's agent into data/agents, with a card.

Weights are kept as 16-bit floats, half the size; loading makes them 32-bit again. The
card's scores are of the file as it is shipped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from iris_core.agent import Agent
from iris_core.config.departures import Config
from iris_core.evaluation.final_test import BASELINES
from iris_core.evaluation.test_play import evaluate, standard_error
from iris_core.runtime.files import read_json
from iris_core.runtime.run_folder import Run
from lessons.data import DATA

SEED = 30_000  # of the card's test episodes: none that chose the agent

CARD = """\
# {name}

| | |
| --- | --- |
| game | {game} |
| settings | preset {preset} |
| seed | {seed} |
| environment steps | {steps:,} |
| minutes of training | {minutes:.1f} ({cpu:.1f} of one core) on {device} |
| commit | {commit} |
| score | {score} |
| beside it | {baselines} |
| licence | MIT |
"""


def ship(run: Run, name: str, episodes: int) -> None:
    """Write NAME.safetensors and NAME.md. episodes: of the card's test; 0 for an agent
    whose policy was not trained."""
    path = DATA / "agents" / f"{name}.safetensors"
    agent = Agent.load(run.agent).half()
    agent.config.outputs = Config().outputs  # where the run lay is nobody's business
    agent.save(path)
    results = read_json(run.path / "results.json")
    versions = read_json(run.path / "versions.json")
    score, table = "not trained to play", {r["name"]: r for r in results["table"]}
    if episodes:
        returns = evaluate(Agent.load(path), episodes=episodes, seed=SEED).returns
        error = standard_error(returns)
        noops = agent.config.env.test_noop_max
        starts = f", up to {noops} no-ops before each" if noops > 1 else ""
        score = f"{returns.mean():.2f} ± {error:.2f} ({episodes} test episodes{starts})"
    fixed = [
        f"{row['mean']:.2f} ({name})"
        for name, row in table.items()
        if name.startswith(BASELINES)
    ]
    card = CARD.format(
        name=name,
        game=results["game"],
        preset=results["preset"],
        seed=results["seed"],
        steps=results["env_steps"],
        minutes=results["training_minutes"],
        cpu=results.get("training_cpu_minutes", float("nan")),
        device=results["device"],
        commit=versions["commit"],
        score=score,
        baselines=", ".join(fixed) or "not measured",
    )
    path.with_suffix(".md").write_text(card)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--episodes", type=int, default=100)
    options = parser.parse_args()
    ship(Run.open(options.run), options.name, options.episodes)
