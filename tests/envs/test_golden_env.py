"""The Atari preprocessing against the published implementation, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iris_core.envs import make_atari

GOLDEN = Path(__file__).parents[1] / "golden" / "env"


@pytest.mark.parametrize(
    ("file", "mode"), [("breakout_life1", "train"), ("breakout_life0", "test")]
)
def test_300_steps_of_breakout_equal_the_published_code(file: str, mode: str) -> None:
    golden = dict(np.load(GOLDEN / f"{file}.npz"))
    env = make_atari("Breakout", mode)  # type: ignore[arg-type]
    resets = iter(range(len(golden["reset_obs"])))

    def reset(seed: int | None = None) -> None:
        i = next(resets)
        obs, info = env.reset(seed=seed, options={"noops": 5})
        np.testing.assert_array_equal(obs, golden["reset_obs"][i])
        assert info["raw_frames"] == golden["reset_raw_elapsed"][i]
        assert step == golden["reset_before_step"][i]

    step = 0
    reset(seed=0)
    for step, action in enumerate(golden["actions"], start=1):
        obs, reward, terminated, truncated, info = env.step(action)
        np.testing.assert_array_equal(obs, golden["frames"][step - 1])
        assert reward == golden["rewards"][step - 1]
        assert (terminated or truncated) == golden["dones"][step - 1]
        assert info["lives"] == golden["lives"][step - 1]
        assert info["raw_frames"] == golden["raw_elapsed"][step - 1]
        if terminated or truncated:
            reset()
    assert next(resets, None) is None
