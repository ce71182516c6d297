"""Solutions of notebook 07's exercises."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from iris_core.config.schema import UpdatesConfig


def updates_in(epoch: int, settings: UpdatesConfig) -> int:
    """7.1. Not before its start, not after its end, more in its first epoch."""
    if epoch <= settings.start_after_epoch:
        return 0
    if 0 < settings.stop_after_epoch < epoch:
        return 0
    if epoch == settings.start_after_epoch + 1:
        return max(settings.steps_per_epoch, settings.first_epoch_steps)
    return settings.steps_per_epoch


def steps_played(
    warm_start_steps: int, epochs: int, steps_per_epoch: int, num_envs: int
) -> int:
    """7.2. Every stretch is rounded up to whole calls of all games."""
    warm_calls = -(-warm_start_steps // num_envs)
    calls = -(-steps_per_epoch // num_envs)
    return num_envs * (warm_calls + epochs * calls)


# 7.3. `Collector.begin` makes it anew from the replay at every stretch's start. In the
# middle of a stretch it would matter, so a checkpoint holds it.
why_the_memory_may_go = "b"


def climb(logits: Sequence[float], temperature: float) -> float:
    """7.4. NOOP, UP, DOWN: a step down undoes a step up."""
    _, up, down = (torch.tensor(logits) / temperature).softmax(0).tolist()
    return up - down


# 7.4. At 1 a fresh policy's ups and downs cancel, so no reward is ever seen; a low
# temperature makes a habit of its small lean. (It has to lean the right way.)
why_so_cold = "b"
