"""Training an agent from settings, in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from iris_core.config import Config, load_config
from iris_core.runtime.run_folder import Run
from iris_core.training.callback import Callback, Result
from iris_core.training.callbacks import default_callbacks
from iris_core.training.logger import log_in
from iris_core.training.state import TrainingState
from iris_core.training.trainer import Trainer


@dataclass(frozen=True)
class TrainedRun:
    """How a run ended, and its folder.

    `play`, `evaluate` and `load_agent` take the folder's path, `run.path`.
    """

    run: Run
    result: Result


def train(
    preset: str = "tutorial",
    overrides: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> TrainedRun:
    """Train an agent as `iris train` does; it shows how far it is.

        trained = iris_core.train("tutorial", ["env.game=Breakout"])
        trained.result.returns.mean()  # of the final test
        iris_core.play(trained.run.path)

    An interrupt (Ctrl-C, or a notebook's stop button) saves the run and returns; then
    `result.interrupted` is true, and `iris resume` goes on with it.

    Args:
        preset: smoke (seconds), tutorial (ten minutes on a CPU), hour, surprise, paper.
        overrides: settings by their dotted names; `iris settings` lists them.
        callbacks: told of every event before the run's own.

    Raises:
        ConfigError: an unknown setting, a bad value, no such device or game.
        DivergedError: a loss or a weight is not finite; the last checkpoint, if there
            is one, is as it was.
    """
    with start(load_config(preset, overrides)) as state:
        return TrainedRun(state.run, train_state(state, callbacks))


@contextmanager
def start(config: Config) -> Iterator[TrainingState]:
    """A run that can begin, as its only writer; if it cannot, no run folder is left
    behind."""
    run = Run.create(config)
    with run.writing():
        try:
            state = TrainingState(config, run)
            try_what_it_needs(state)
        except BaseException:  # an unknown game, no such device, Ctrl-C
            run.discard()
            raise
        yield state


def try_what_it_needs(state: TrainingState) -> None:
    """ConfigError for what would else be missed later: W&B's key, LPIPS's weights."""
    if state.config.wandb.mode != "disabled":
        log_in(state.config)
    tokenizer = state.config.tokenizer
    if tokenizer.loss.perceptual > 0 and tokenizer.updates.steps_per_epoch > 0:
        state.agent.tokenizer.perceptual_network(state.device)


def train_state(state: TrainingState, callbacks: Sequence[Callback] = ()) -> Result:
    """Train to the end, or until Ctrl-C, with tests, logs and checkpoints."""
    try_what_it_needs(state)
    return Trainer(state, [*callbacks, *default_callbacks()]).run()
