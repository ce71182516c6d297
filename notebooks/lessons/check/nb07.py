"""Checks of notebook 07."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from iris_core.config.schema import UpdatesConfig
from lessons.exercise import Wrong, as_array, choose, exercise, expect


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


@exercise
def climb(answer: Callable[[Sequence[float], float], float]) -> None:
    """Exercise 7.4: rows gained in a step, P(UP) - P(DOWN), at a temperature."""
    cases = [
        ([0.0, 0.02, 0.01], 0.01),
        ([0.0, 0.02, 0.01], 1.0),
        ([0.0, -1.0, 1.0], 0.5),
        ([1000.0, 1000.0, 0.0], 1.0),
    ]
    for logits, temperature in cases:
        case = f"logits {logits} (NOOP, UP, DOWN) at temperature {temperature:g}"
        p = softmax(np.array(logits) / temperature)
        wanted, got = p[1] - p[2], as_array(answer(logits, temperature))
        plain = softmax(np.array(logits))
        flat = softmax(np.array(logits) * temperature)
        slips = {
            "the temperature changes nothing there; divide the logits by it": (
                plain[1] - plain[2]
            ),
            "a low temperature must sharpen; divide by it, do not multiply": (
                flat[1] - flat[2]
            ),
            "that is P(UP) alone; a step down undoes a step up": p[1],
            "that is P(UP) - P(NOOP); NOOP moves nothing, DOWN does": p[1] - p[0],
        }
        for slip, value in slips.items():
            if np.isclose(got, value, rtol=1e-3).all() and not np.isclose(
                value, wanted
            ):
                raise Wrong(f"{case}: got {value:.4g}, expected {wanted:.4g}; {slip}")
        if np.isnan(got).any():
            raise Wrong(f"{case}: got nan; subtract the largest logit before exp")
        expect(got, wanted, case)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


@exercise
def why_so_cold(answer: str) -> None:
    """Exercise 7.4: why Freeway explores at a low temperature."""
    replies = {
        "a": "a fresh policy knows at no temperature what pays: it has seen nothing",
        "c": "this is the temperature of the actions in the real game; the tokens of a"
        " dream have one of their own",
        "d": "the emulator is as deterministic at 1, and the games differ all the same:"
        " actions are sampled",
    }
    choose(answer, "b", replies)
