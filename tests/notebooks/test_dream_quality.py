"""Which dreams are good: detectors, kinds of play, flashes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from lessons.build import dream_quality
from lessons.build.controlled import is_present, sees
from lessons.build.dream_quality import (
    Games,
    Keys,
    Run,
    flashes,
    is_good,
    luminance,
    play,
)
from lessons.data import load_agent, load_replay

from iris_core.agent import Agent
from iris_core.data.frames import to_frames, to_pixels
from iris_core.envs import make_env
from iris_core.imagination.start import start_after

# Where the emulator's own picture (210, 160, 3) has the object, in which colour, and of
# how many pixels when nothing hides it: the detectors look at small frames only.
REALLY = {
    "freeway_hour": (slice(14, 196), slice(40, 60), (252, 252, 84), 30),
    "kungfumaster": (slice(90, 160), slice(0, 160), (214, 214, 214), 90),
    "pong": (slice(34, 194), slice(136, 148), (92, 186, 92), 1),
    "breakout": (slice(188, 196), slice(8, 152), (200, 72, 72), 1),
    "crazyclimber": (slice(60, 200), slice(20, 130), (111, 210, 111), 40),
    "hero": (slice(10, 150), slice(8, 160), (84, 138, 210), 20),
}
STEPS = 600
# Hero's tokenizer sometimes leaves the hero out, or draws something else in its place.
LOST_BY_TOKENIZER = {"hero": 0.08}


def real_frames(agent: Agent, name: str) -> Iterator[np.ndarray]:
    """The frames of games in which the object is there: the agent plays one, and then
    somebody at random."""
    rows, columns, colour, area = REALLY[name]
    env, keys = make_env(agent.config.env, "test"), Keys(agent.num_actions, 1, 0)
    state = agent.new_state(1)
    pixels, _ = env.reset(seed=0)
    for step in range(STEPS):
        if step < STEPS / 2:
            action, state = agent.act(to_frames(pixels[None]), state)
        else:
            action = keys.act(torch.empty(0))
        pixels, _, terminated, truncated, _ = env.step(int(action))
        screen = np.asarray(env.render())[rows, columns]
        if (screen == colour).all(-1).sum() >= area:
            yield pixels
        if terminated or truncated or step == STEPS // 2:
            pixels, _ = env.reset()


@pytest.mark.parametrize("name", REALLY)
def test_the_detector_sees_what_is_there(name: str) -> None:
    agent = load_agent(name)
    frames = np.stack(list(real_frames(agent, name)))
    assert len(frames) > STEPS / 4
    with torch.no_grad():
        shown = to_pixels(agent.tokenizer.reconstruct(to_frames(frames)))
    assert share(agent.game, frames) >= 0.98
    assert share(agent.game, shown) >= 0.98 - LOST_BY_TOKENIZER.get(name, 0)


def share(game: str, frames: np.ndarray) -> float:
    return float(np.mean([sees(game, frame) for frame in frames]))


@pytest.mark.parametrize(
    ("game", "replay"),
    [
        ("Freeway", "freeway_agent"),
        ("Freeway", "freeway_random"),
        ("Catch", "catch_agent"),
        ("Catch", "catch_random"),
        ("Pong", "pong_random"),
        ("Breakout", "breakout_random"),
    ],
)
def test_it_sees_it_in_recorded_play(game: str, replay: str) -> None:
    found = load_replay(replay)
    episodes = [found[number].frames for number in found.ids]
    frames = np.concatenate(episodes).transpose(0, 2, 3, 1)
    assert share(game, frames) >= 0.98


def test_a_knife_thrower_is_no_second_fighter() -> None:
    walked_in = 110  # steps
    episodes = [each.frames[walked_in:] for each in load_replay("kungfumaster_agent")]
    frames = np.concatenate(episodes).transpose(0, 2, 3, 1)
    assert share("KungFuMaster", frames) >= 0.99


def test_none_and_two_are_not_one() -> None:
    road = np.full((64, 64, 3), 142, np.uint8)
    chicken = road.copy()
    chicken[30:32, 18] = 252, 252, 84
    two = chicken.copy()
    two[40:42, 18] = 252, 252, 84
    striped = road.copy()
    striped[4:60, 18] = 252, 252, 84
    assert [sees("Freeway", x) for x in (road, chicken, two, striped)] == [
        False,
        True,
        False,
        False,
    ]
    assert is_present("Freeway", np.stack([chicken, road, chicken]))
    assert not is_present("Freeway", np.stack([chicken, road, two]))


def test_the_frame_with_an_end_does_not_count() -> None:
    road = np.full((64, 64, 3), 142, np.uint8)
    chicken = road.copy()
    chicken[30:32, 18] = 252, 252, 84
    frames, tokens = np.stack([road, chicken]), np.zeros((5, 1))
    assert is_good("Freeway", Run(frames[[0, 0, 1, 1, 0]], tokens, over=True))
    assert not is_good("Freeway", Run(frames[[1, 1, 0, 0, 1]], tokens, over=True))
    assert not is_good("Freeway", Run(frames[[1, 1, 1, 0, 0]], tokens, over=False))


def test_keys_are_held_for_a_while() -> None:
    keys = Keys(num_actions=50, players=4, seed=0)
    taken = np.stack([keys.act(torch.empty(0)).numpy() for _ in range(400)])
    for row in taken.T:
        change = np.flatnonzero(np.diff(row))
        held = np.diff(change)
        assert held.min() >= 3
        assert held.min() < 6 and held.max() > 12  # two equal draws may come together
    assert len(np.unique(taken)) > 40


def test_a_play_ends_with_the_game() -> None:
    agent = load_agent("catch")
    starts = [
        start_after(agent, seed, [0] * before) for seed, before in ((0, 2), (1, 5))
    ]
    runs = play(Games(agent, starts), Keys(3, 2, 0), seed=0)  # type: ignore[list-item]
    steps = make_env(agent.config.env, "test").steps  # type: ignore[attr-defined]
    assert [len(run.frames) for run in runs] == [steps - 2 + 1, steps - 5 + 1]
    assert all(run.over and len(run.tokens) == len(run.frames) for run in runs)


def blinking(levels: list[int], area: float = 1.0) -> np.ndarray:
    """Frames of these greys, in a share of the picture."""
    frames = np.zeros((len(levels), 10, 10, 3), np.uint8)
    frames[:, : round(10 * area)] = np.array(levels)[:, None, None, None]
    return frames


@pytest.mark.parametrize(
    ("frames", "hazard"),
    [
        (blinking([0, 255] * 10), True),
        (blinking([0, 255, 0, 255, 0, 255, 0]), False),  # three flashes
        (blinking([0, 255, 0, 255, 0, 255, 0, 255, 0]), True),  # four
        (blinking([0, 255, 255, 255, 255] * 10), False),  # three in every second
        (blinking([0, 255] * 10, area=0.2), False),
        (blinking([0, 60] * 10), False),  # too faint
        (blinking([240, 255] * 10), False),  # both are bright
        (blinking(list(range(0, 250, 10))), False),
    ],
)
def test_flashes(frames: np.ndarray, hazard: bool) -> None:
    assert flashes(frames) is hazard


def test_luminance_is_that_of_srgb() -> None:
    colours = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [188, 188, 188]])
    assert luminance(colours) == pytest.approx([0, 1, 0.2126, 0.5029], abs=1e-3)


def test_tells_of_agents(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dream_quality, "STEPS", 4)
    dream_quality.main(["catch", "--dreams", "2"])
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[-1] == "flashing"
    assert row.split()[0] == "catch"
    assert row.split()[1] == "100%"
