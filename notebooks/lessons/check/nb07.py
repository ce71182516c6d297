"""Checks of notebook 07."""

from __future__ import annotations

from collections.abc import Callable

from iris_core.config.schema import UpdatesConfig
from lessons.exercise import Wrong, choose, exercise


@exercise
def updates_in(answer: Callable[[int, UpdatesConfig], int]) -> None:
    """Exercise 7.1: the schedule with its first epoch and its end."""
    cases = [  # start after, stop after, steps, first epoch's steps, epoch, expected
        (5, 0, 200, 0, 5, 0, "it starts in the epoch after start_after_epoch"),
        (5, 0, 200, 0, 6, 200, "the epoch after start_after_epoch is the first"),
        (5, 0, 200, 0, 600, 200, "stop_after_epoch=0 means that it never stops"),
        (0, 0, 100, 1000, 1, 1000, "its first epoch has first_epoch_steps"),
        (0, 0, 100, 1000, 2, 100, "only the first epoch has first_epoch_steps"),
        (25, 0, 100, 1000, 26, 1000, "its first epoch need not be the run's first"),
        (25, 0, 100, 1000, 1, 0, "the run's first epoch is not yet its first"),
        (2, 0, 50, 20, 3, 50, "first_epoch_steps counts only if it is more"),
        (0, 1, 200, 300, 1, 300, "epoch stop_after_epoch itself still trains"),
        (0, 1, 200, 300, 2, 0, "it is frozen after stop_after_epoch"),
        (0, 4, 10, 0, 4, 10, "epoch stop_after_epoch itself still trains"),
    ]
    for start, stop, steps, first, epoch, expected, why in cases:
        settings = UpdatesConfig(
            start_after_epoch=start,
            stop_after_epoch=stop,
            steps_per_epoch=steps,
            first_epoch_steps=first,
        )
        got = answer(epoch, settings)
        if got != expected:
            raise Wrong(
                f"start_after_epoch={start}, stop_after_epoch={stop}, "
                f"steps_per_epoch={steps}, first_epoch_steps={first}: epoch {epoch} "
                f"gives {got}, expected {expected} ({why})"
            )


@exercise
def steps_played(answer: Callable[[int, int, int, int], int]) -> None:
    """Exercise 7.2: environment steps of a whole run."""
    cases = [  # warm start, epochs, steps an epoch, games, expected
        (0, 500, 200, 1, 100_000, "500 epochs of 200 steps"),
        (10_000, 4, 500, 4, 12_000, "the warm start is played once, not every epoch"),
        (0, 2, 500, 3, 1002, "an epoch makes 167 calls of 3 steps: 166 are too few"),
        (10, 2, 4, 3, 24, "12 steps of warm start, then 2 epochs of 6: round each"),
        (8, 3, 8, 8, 32, "8 steps by 8 games are one call, not two"),
        (0, 1, 1, 16, 16, "one call of 16 games plays 16 steps"),
    ]
    for warm, epochs, steps, games, expected, why in cases:
        got = answer(warm, epochs, steps, games)
        if got != expected:
            raise Wrong(
                f"warm_start_steps={warm}, epochs={epochs}, steps_per_epoch={steps}, "
                f"num_envs={games}: got {got}, expected {expected} ({why})"
            )


@exercise
def why_the_memory_may_go(answer: str) -> None:
    """Exercise 7.3: why the LSTM's memory may be lost between two epochs."""
    replies = {
        "a": "small or not, it goes into every action's logits: in the middle of a "
        "collecting stretch, losing it changes what is played",
        "c": "weights are what learning changes; the memory is made of the frames "
        "that were seen, and agent.safetensors does not hold it",
        "d": "a game of Catch has 28 steps, and an epoch plays 30 in each of two "
        "games: after an epoch both are under way ('games under way' mattered)",
    }
    choose(answer, "b", replies)
