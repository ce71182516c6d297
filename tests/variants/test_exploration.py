"""Random play for the warm start, with a bias and without."""

import numpy as np
import pytest

from iris_core.variants.exploration import (
    BIAS_STEPS,
    BiasedRandomPolicy,
    StickyRandomPolicy,
)

PLAYERS, ACTIONS = 3, 4
NOBODY = np.zeros(PLAYERS, dtype=bool)


def make_policy(seed=0):
    return BiasedRandomPolicy(PLAYERS, ACTIONS, repeat=0.0, seed=seed)


def play(policy, steps, pays=lambda actions: 0.0 * actions):
    """All actions drawn, (steps, PLAYERS)."""
    taken = []
    for _ in range(steps):
        taken.append(policy.draw(NOBODY))
        policy.observe(pays(taken[-1]))
    return np.array(taken)


def test_a_bias_lasts_and_then_another_comes():
    policy, changes, steps = make_policy(), 0, 2000
    expected = PLAYERS * steps / BIAS_STEPS  # if never the same came again
    policy.draw(NOBODY)
    for _ in range(steps):
        before = policy.current.copy()
        policy.draw(NOBODY)
        changes += (before != policy.current).sum()
    assert 0.5 < changes / expected < 1.3


def test_an_episode_begins_with_another_bias():
    policy = make_policy()
    policy.draw(NOBODY)
    tried = []
    for _ in range(40):
        policy.draw(np.array([False, True, False]))
        tried.append(policy.current.copy())
    others, the_second = np.array(tried)[:, [0, 2]], np.array(tried)[:, 1]
    assert len(set(the_second.tolist())) > 10
    assert len(np.unique(others, axis=0)) <= 3


def test_actions_follow_the_bias():
    policy = make_policy()
    policy.draw(NOBODY)
    policy.biases[:] = [0.7, 0.0, 0.3, 0.0]
    policy.current[:] = 0
    taken = np.concatenate(
        [policy.draw(NOBODY)[policy.current == 0] for _ in range(500)]
    )
    shares = np.bincount(taken, minlength=ACTIONS) / len(taken)
    assert shares[[0, 2]] == pytest.approx([0.7, 0.3], abs=0.06)


def test_what_earned_most_is_tried_again():
    policy = make_policy()
    early = (play(policy, 1000, lambda a: a == 2) == 2).mean()
    play(policy, 6000, lambda a: a == 2)
    late = (play(policy, 3000, lambda a: a == 2) == 2).mean()
    assert late > 0.4 > early  # a quarter, if it did not matter
    best = policy.biases[[policy.draw_best() for _ in range(20)]]
    assert (best[:, 2] > 0.5).all()
    never_earned = make_policy()
    assert (play(never_earned, 10000) == 2).mean() < 0.35


def test_what_each_bias_earned_is_counted():
    policy = make_policy()
    policy.draw(NOBODY)
    policy.current[:] = [0, 1, 1]
    policy.observe(np.array([1.0, 2.0, -5.0]))
    policy.observe(np.array([1.0, 0.0, 0.0]))
    assert policy.steps[:2].tolist() == [2, 4]
    assert policy.earned[:2].tolist() == [2, -3]


@pytest.mark.parametrize("steps", [0, 700])
def test_it_goes_on_from_its_state(steps):
    policy = make_policy()
    play(policy, steps, lambda a: a == 1)
    again = make_policy()
    again.load_state_dict(policy.state_dict())
    assert (play(again, 700) == play(policy, 700)).all()
    assert (again.earned == policy.earned).all()


def test_sticky_play_repeats_its_last_action():
    policy = StickyRandomPolicy(1, 3, repeat=0.95, seed=4)
    actions = np.concatenate([policy.act(NOBODY[:1]) for _ in range(4000)])
    repeated = (actions[1:] == actions[:-1]).mean()
    assert repeated == pytest.approx(0.95 + 0.05 / 3, abs=0.01)


def test_a_biased_player_favours_some_actions():
    policy = BiasedRandomPolicy(1, 3, repeat=0.0, seed=4)
    most = []
    for _ in range(60):  # episodes of 28 steps
        taken = [policy.act(np.array([step == 0])) for step in range(28)]
        policy.observe(np.array([0.0]))
        most.append(np.bincount(np.concatenate(taken), minlength=3).max() / 28)
    assert (np.array(most) > 0.7).sum() > 15  # evenly drawn it would be none
