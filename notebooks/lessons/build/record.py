"""`python -m lessons.build.record [NAME ...]`: play the replays of data/episodes again.

Two kinds: sticky random play, as the tutorial's warm start has it (uniform random play
hardly moves in most games), and play of the agents in data/agents.
"""

from __future__ import annotations

import sys

import torch

from iris_core.config import load_config
from iris_core.data.replay_buffer import Replay
from iris_core.envs.vector import make_vector
from iris_core.training.collector import Collector
from iris_core.variants.exploration import make_random_policy
from lessons.data import DATA, load_agent

STICKY = {"Breakout": 600, "Catch": 560, "Freeway": 600, "Pong": 500}  # steps
TRAINED = {  # an agent's game, and steps
    "breakout": ("Breakout", 600),
    "catch": ("Catch", 280),
    "crazyclimber": ("CrazyClimber", 600),
    "freeway": ("Freeway", 600),
    "freeway_hour": ("Freeway", 600),
    "hero": ("Hero", 600),
    "kungfumaster": ("KungFuMaster", 600),
    "pong": ("Pong", 600),
}


def play(game: str, steps: int, agent_name: str | None = None) -> Replay:
    """Steps of one environment at the paper's training settings."""
    torch.manual_seed(0)
    config = load_config("tutorial", [f"env.game={game}", "env.num_envs=1"])
    replay = Replay()
    collector = Collector(make_vector(config.env, "train", 1), replay, seed=0)
    if agent_name is None:
        num_actions = int(collector.envs.single_action_space.n)  # type: ignore[attr-defined]
        policy = make_random_policy(config, num_actions)
        for _ in range(steps):
            collector.warm_step(policy)
        return replay
    agent = load_agent(agent_name)
    collector.begin(agent)
    for _ in range(steps):
        collector.policy_step(agent, config.collection)
    return replay


def main(names: list[str]) -> None:
    wanted: dict[str, tuple[str, int, str | None]] = {
        f"{game.lower()}_random": (game, n, None) for game, n in STICKY.items()
    }
    for agent_name, (game, steps) in TRAINED.items():
        wanted[f"{agent_name}_agent"] = (game, steps, agent_name)
    for name in names or wanted:
        play(*wanted[name]).save(DATA / "episodes" / name)
        print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
