"""Plausible wrong answers to the exercises of notebook 07: name, answer, and what the
check must say."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from solutions import nb07 as solution


def late(epoch, s):
    return s.steps_per_epoch if epoch > s.start_after_epoch + 1 else 0


def first_of_the_run(epoch, s):
    if epoch <= s.start_after_epoch or 0 < s.stop_after_epoch < epoch:
        return 0
    return max(s.steps_per_epoch, s.first_epoch_steps * (epoch == 1))


def never_frozen(epoch, s):
    if epoch <= s.start_after_epoch:
        return 0
    return max(
        s.steps_per_epoch, s.first_epoch_steps * (epoch == s.start_after_epoch + 1)
    )


def frozen_at_once(epoch, s):
    return 0 if epoch > s.stop_after_epoch else solution.updates_in(epoch, s)


def no_maximum(epoch, s):
    if epoch == s.start_after_epoch + 1 and s.first_epoch_steps:
        return s.first_epoch_steps
    return solution.updates_in(epoch, s)


def rounded_down(warm, epochs, steps, games):
    return games * (warm // games + epochs * (steps // games))


def rounded_in_all(warm, epochs, steps, games):
    return games * -(-(warm + epochs * steps) // games)


def not_rounded(warm, epochs, steps, games):
    return warm + epochs * steps


def warm_every_epoch(warm, epochs, steps, games):
    return epochs * solution.steps_played(warm, 1, steps, games)


def one_call_more(warm, epochs, steps, games):
    return games * (-(-warm // games) + epochs * (steps // games + 1))


def chances(logits, temperature):
    return (torch.tensor(logits) / temperature).softmax(0).tolist()


def overflows(logits, temperature):
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(np.array(logits) / temperature)
        return (powers[1] - powers[2]) / powers.sum()


WRONG: list[tuple[str, Any, str]] = [
    ("updates_in", late, "epoch 6 gives 0, expected 200"),
    ("updates_in", first_of_the_run, "epoch 26 gives 100, expected 1000"),
    ("updates_in", never_frozen, "frozen after"),
    ("updates_in", frozen_at_once, "gives 0, expected 200"),
    ("updates_in", no_maximum, "only if it is more"),
    ("updates_in", lambda epoch, s: 1 / 0, "ZeroDivisionError"),
    ("steps_played", rounded_down, "166 are too few"),
    ("steps_played", rounded_in_all, "round each"),
    ("steps_played", not_rounded, "got 1000, expected 1002"),
    ("steps_played", warm_every_epoch, "played once"),
    ("steps_played", one_call_more, "expected 100000"),
    ("why_the_memory_may_go", "a", "logits"),
    ("why_the_memory_may_go", "C", "weights are what learning changes"),
    ("why_the_memory_may_go", "d", "28 steps"),
    ("why_the_memory_may_go", "e", "choose one of"),
    ("why_the_memory_may_go", 2, "got 2"),
    ("climb", lambda x, t: solution.climb(x, 1.0), "changes nothing"),
    ("climb", lambda x, t: solution.climb(x, 1 / t), "do not multiply"),
    ("climb", lambda x, t: chances(x, t)[1], "P(UP) alone"),
    ("climb", lambda x, t: chances(x, t)[1] - chances(x, t)[0], "DOWN does"),
    ("climb", overflows, "largest logit"),
    ("why_so_cold", "a", "fresh policy"),
    ("why_so_cold", "c", "of the actions"),
    ("why_so_cold", "D", "actions are sampled"),
]
