"""Random players with habits, for the warm start.

A random player who favours nothing gets nowhere; one who mostly goes up crosses a road.
Each environment has a habit for a while, then another: a new one, or more often one of
those that have paid best so far.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 250  # that a habit lasts, on average
SPREAD = 0.5  # of a new habit's shares (Dirichlet): below 1 a few actions stand out
NEW = 0.4  # chance of a new habit
BEST = 10  # one of so many habits is worth taking up again


class Habits:
    """K habits tried so far, shares of A actions each, and which N players have now."""

    def __init__(self, num_players: int, num_actions: int, rng: np.random.Generator):
        self.rng = rng
        self.shares = np.empty((0, num_actions))  # (K, A)
        self.steps = np.empty(0)  # (K,) under each
        self.gained = np.empty(0)  # (K,) reward under each
        self.now = np.full(num_players, -1)  # (N,) index of each player's habit

    def draw(self, begins: NDArray[np.bool_]) -> NDArray[np.int64]:
        """An action of each player, (N,); habits change by chance, and where an episode
        begins (N,)."""
        players = len(self.now)
        change = begins | (self.now < 0) | (self.rng.random(players) < 1 / STEPS)
        for player in np.flatnonzero(change):
            known = len(self.steps) > 0 and self.rng.random() > NEW
            self.now[player] = self.one_that_paid() if known else self.a_new_one()
        rising = self.shares[self.now].cumsum(axis=1)
        return (rising > self.rng.random((players, 1))).argmax(axis=1)

    def note(self, rewards: NDArray[Any]) -> None:
        """What the last step paid, (N,)."""
        np.add.at(self.steps, self.now, 1)
        np.add.at(self.gained, self.now, rewards)

    def one_that_paid(self) -> int:
        """One of the tenth of the habits with the most reward a step."""
        paid = self.gained / self.steps.clip(min=1)
        order = np.argsort(-paid, kind="stable")
        return int(self.rng.choice(order[: -(-len(order) // BEST)]))

    def a_new_one(self) -> int:
        drawn = self.rng.dirichlet(np.full(self.shares.shape[1], SPREAD))
        self.shares = np.vstack([self.shares, drawn])
        self.steps = np.append(self.steps, 0.0)
        self.gained = np.append(self.gained, 0.0)
        return len(self.steps) - 1

    def state_dict(self) -> dict[str, Any]:
        names = ("shares", "steps", "gained", "now")
        return {name: getattr(self, name).tolist() for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        for name, values in state.items():
            like = getattr(self, name)
            setattr(self, name, np.array(values).reshape(-1, *like.shape[1:]))
