"""Random players with habits, for the warm start."""

import numpy as np
import pytest

from iris_core.training.habits import STEPS, Habits

PLAYERS, ACTIONS = 3, 4
NOBODY = np.zeros(PLAYERS, dtype=bool)


def make_habits(seed=0):
    return Habits(PLAYERS, ACTIONS, np.random.default_rng(seed))


def play(habits, steps, pays=lambda actions: 0.0 * actions):
    """All actions drawn, (steps, PLAYERS)."""
    taken = []
    for _ in range(steps):
        taken.append(habits.draw(NOBODY))
        habits.note(pays(taken[-1]))
    return np.array(taken)


def test_a_habit_lasts_and_then_another_comes():
    habits, changes, steps = make_habits(), 0, 2000
    expected = PLAYERS * steps / STEPS  # if never the same came again
    habits.draw(NOBODY)
    for _ in range(steps):
        before = habits.now.copy()
        habits.draw(NOBODY)
        changes += (before != habits.now).sum()
    assert 0.5 < changes / expected < 1.3


def test_an_episode_begins_with_another_habit():
    habits = make_habits()
    habits.draw(NOBODY)
    tried = []
    for _ in range(40):
        habits.draw(np.array([False, True, False]))
        tried.append(habits.now.copy())
    others, the_second = np.array(tried)[:, [0, 2]], np.array(tried)[:, 1]
    assert len(set(the_second.tolist())) > 10
    assert len(np.unique(others, axis=0)) <= 3


def test_actions_follow_the_shares():
    habits = make_habits()
    habits.draw(NOBODY)
    habits.shares[:] = [0.7, 0.0, 0.3, 0.0]
    habits.now[:] = 0
    taken = np.concatenate([habits.draw(NOBODY)[habits.now == 0] for _ in range(500)])
    shares = np.bincount(taken, minlength=ACTIONS) / len(taken)
    assert shares[[0, 2]] == pytest.approx([0.7, 0.3], abs=0.06)


def test_what_paid_is_taken_up_again():
    habits = make_habits()
    early = (play(habits, 1000, lambda a: a == 2) == 2).mean()
    play(habits, 6000, lambda a: a == 2)
    late = (play(habits, 3000, lambda a: a == 2) == 2).mean()
    assert late > 0.4 > early  # a quarter, if it did not matter
    best = habits.shares[[habits.one_that_paid() for _ in range(20)]]
    assert (best[:, 2] > 0.5).all()
    never_paid = make_habits()
    assert (play(never_paid, 10000) == 2).mean() < 0.35


def test_it_counts_what_each_habit_paid():
    habits = make_habits()
    habits.draw(NOBODY)
    habits.now[:] = [0, 1, 1]
    habits.note(np.array([1.0, 2.0, -5.0]))
    habits.note(np.array([1.0, 0.0, 0.0]))
    assert habits.steps[:2].tolist() == [2, 4]
    assert habits.gained[:2].tolist() == [2, -3]


@pytest.mark.parametrize("steps", [0, 700])
def test_it_goes_on_from_its_state(steps):
    habits = make_habits()
    play(habits, steps, lambda a: a == 1)
    again = make_habits()
    again.load_state_dict(habits.state_dict())
    again.rng.bit_generator.state = habits.rng.bit_generator.state
    assert (play(again, 700) == play(habits, 700)).all()
    assert (again.gained == habits.gained).all()
