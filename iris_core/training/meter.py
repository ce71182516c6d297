"""Means of what an epoch's steps report, kept on the device until asked for."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class Meter:
    """Sums and counts by name, "stretch/figure"; nothing waits for the device."""

    def __init__(self) -> None:
        self.sums: dict[str, float | Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, stretch: str, figures: Mapping[str, float | Tensor]) -> None:
        """Note one step's figures: numbers or scalar tensors."""
        for name, value in figures.items():
            self.add_one(f"{stretch}/{name}", value)

    def add_one(self, name: str, value: float | Tensor, count: int = 1) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + value
        self.counts[name] = self.counts.get(name, 0) + count

    def seconds(self, stretch: str, seconds: float, steps: int) -> None:
        """Note how long a stretch took; its mean is seconds a step."""
        if steps > 0:
            self.add_one(f"{stretch}/seconds_per_step", seconds, steps)

    def means(self) -> dict[str, float]:
        """The mean of every figure so far."""
        return {n: float(total) / self.counts[n] for n, total in self.sums.items()}

    def state_dict(self) -> dict[str, tuple[float, int]]:
        return {n: (float(total), self.counts[n]) for n, total in self.sums.items()}

    def load_state_dict(self, state: dict[str, tuple[float, int]]) -> None:
        self.sums = {name: total for name, (total, _) in state.items()}
        self.counts = {name: count for name, (_, count) in state.items()}
