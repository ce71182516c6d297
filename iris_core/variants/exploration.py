"""Random play for the warm start (settings `collection.warm_start_*`; the paper has
none). Uniform random play gets nowhere in some games: it never crosses Freeway's road.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iris_core.config.departures import Config

BIAS_STEPS = 250  # mean steps that a player keeps its bias
CONCENTRATION = 0.5  # of the Dirichlet they are drawn from: a few actions stand out
NEW_SHARE = 0.4  # chance of a new bias, not one that was tried
BEST_SHARE = 10  # one in so many of those tried is worth trying again


class StickyRandomPolicy:
    """N players that repeat their last action, or draw one uniformly.

    repeat: the chance to repeat it.
    """

    def __init__(
        self, num_players: int, num_actions: int, repeat: float, seed: int
    ) -> None:
        self.num_actions = num_actions
        self.repeat = repeat
        self.rng = np.random.default_rng(seed)
        self.actions = self.rng.integers(num_actions, size=num_players)

    def act(self, begins: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Each player's next action, (N,); begins (N,): where an episode begins."""
        again = self.rng.random(len(self.actions)) < self.repeat
        self.actions = np.where(again, self.actions, self.draw(begins))
        return self.actions

    def draw(self, begins: NDArray[np.bool_]) -> NDArray[np.int64]:
        """An action of each player that does not repeat its last, (N,)."""
        return self.rng.integers(self.num_actions, size=len(self.actions))

    def observe(self, rewards: NDArray[Any]) -> None:
        """What the last actions earned, (N,)."""

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "actions": self.actions.tolist(),
            "rng": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.actions = np.array(state["actions"])
        self.rng.bit_generator.state = state["rng"]


class BiasedRandomPolicy(StickyRandomPolicy):
    """Each player favours some actions for a while, then others: a new bias, or one of
    those that have earned most a step."""

    def __init__(
        self, num_players: int, num_actions: int, repeat: float, seed: int
    ) -> None:
        super().__init__(num_players, num_actions, repeat, seed)
        self.biases = np.empty((0, num_actions))  # (K, A), chances of each action
        self.steps = np.empty(0)  # (K,) under each
        self.earned = np.empty(0)  # (K,) reward under each
        self.current = np.full(num_players, -1)  # (N,) the bias of each player

    def draw(self, begins: NDArray[np.bool_]) -> NDArray[np.int64]:
        players = len(self.current)
        change = begins | (self.current < 0)
        change |= self.rng.random(players) < 1 / BIAS_STEPS
        for player in np.flatnonzero(change):
            old = len(self.steps) > 0 and self.rng.random() > NEW_SHARE
            self.current[player] = self.draw_best() if old else self.draw_new()
        cumulative = self.biases[self.current].cumsum(axis=1)  # (N, A)
        return (cumulative > self.rng.random((players, 1))).argmax(axis=1)

    def observe(self, rewards: NDArray[Any]) -> None:
        np.add.at(self.steps, self.current, 1)
        np.add.at(self.earned, self.current, rewards)

    def draw_best(self) -> int:
        """One of the tenth of the biases with the most reward a step."""
        per_step = self.earned / self.steps.clip(min=1)
        order = np.argsort(-per_step, kind="stable")
        return int(self.rng.choice(order[: -(-len(order) // BEST_SHARE)]))

    def draw_new(self) -> int:
        drawn = self.rng.dirichlet(np.full(self.num_actions, CONCENTRATION))
        self.biases = np.vstack([self.biases, drawn])
        self.steps = np.append(self.steps, 0.0)
        self.earned = np.append(self.earned, 0.0)
        return len(self.steps) - 1

    def state_dict(self) -> dict[str, Any]:
        names = ("biases", "steps", "earned", "current")
        biases = {name: getattr(self, name).tolist() for name in names}
        return {**super().state_dict(), "biases": biases}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for name, values in state["biases"].items():
            like = getattr(self, name)
            setattr(self, name, np.array(values).reshape(-1, *like.shape[1:]))


def make_random_policy(config: Config, num_actions: int) -> StickyRandomPolicy:
    """Who plays in a run's warm start."""
    collection = config.collection
    kind = BiasedRandomPolicy if collection.warm_start_habits else StickyRandomPolicy
    repeat = collection.warm_start_repeat
    return kind(config.env.num_envs, num_actions, repeat, config.seed)
