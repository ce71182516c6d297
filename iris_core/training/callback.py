"""What may happen beside training: the events that a trainer tells its callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iris_core.evaluation.final_test import Row
from iris_core.training.state import TrainingState


@dataclass
class Result:
    """How a run ended. returns: float64 (episodes,), of its final test; table: beside
    what it is compared with."""

    interrupted: bool = False
    returns: np.ndarray | None = None
    table: Sequence[Row] = ()


class Callback:
    """Does nothing; a subclass overrides the events that it is about.

    A callback may read the state and set `state.stop_requested`; one that changes
    nothing else and draws no shared random number leaves training as it would be.
    """

    def on_train_start(self, state: TrainingState) -> None:
        """Before the first step, also of a run that is resumed."""

    def on_step(self, state: TrainingState) -> None:
        """After each step of a phase: of all environments, or an update."""

    def on_phase_end(self, state: TrainingState) -> None:
        """After the last step of a phase; the progress is at the next one."""

    def on_epoch_end(self, state: TrainingState, metrics: dict[str, float]) -> None:
        """After an epoch's phases; a callback may add to its metrics."""

    def on_checkpoint(self, state: TrainingState) -> None:
        """When the state should be saved: after the warm start, between epochs, and
        after Ctrl-C."""

    def on_train_end(self, state: TrainingState, result: Result) -> None:
        """After the last epoch; a callback may fill in the result."""

    def on_exit(self, state: TrainingState) -> None:
        """At last, however the run ended."""
