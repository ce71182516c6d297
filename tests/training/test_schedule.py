"""What happens when: updates of an epoch, the learning rate."""

import pytest

from iris_core.config import Config, load_config
from iris_core.config.departures import UpdatesConfig
from iris_core.training.schedule import (
    annealed,
    learning_rate,
    phases,
    share_done,
    updates_in,
)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"start_after_epoch": 0}, [7, 7, 7, 7, 7]),
        ({"start_after_epoch": 2}, [0, 0, 7, 7, 7]),
        ({"start_after_epoch": 1, "first_epoch_steps": 9}, [0, 9, 7, 7, 7]),
        ({"start_after_epoch": 1, "first_epoch_steps": 3}, [0, 7, 7, 7, 7]),
        ({"start_after_epoch": 1, "stop_after_epoch": 3}, [0, 7, 7, 0, 0]),
        ({"start_after_epoch": 2, "stop_after_epoch": 2}, [0, 0, 0, 0, 0]),
    ],
)
def test_the_updates_of_an_epoch(schedule, expected):
    updates = UpdatesConfig(steps_per_epoch=7, **schedule)
    assert [updates_in(updates, epoch) for epoch in range(1, 6)] == expected


def test_the_papers_schedule():
    """Epochs of first training, as appendix A gives them: after 5, 25 and 50."""
    config = Config()
    for name, epoch in (("tokenizer", 5), ("world_model", 25), ("actor_critic", 50)):
        updates = getattr(config, name).updates
        assert updates_in(updates, epoch) == 0
        assert updates_in(updates, epoch + 1) == updates_in(updates, 600) == 200


def test_the_phases_of_an_epoch():
    config = load_config("smoke", ["collection.warm_start_steps=61"])
    assert [tuple(phase) for phase in phases(config, 1)] == [
        ("warm_start", 31),  # of two environments
        ("collect", 30),
        ("tokenizer", 4),
        ("world_model", 4),
        ("actor_critic", 0),
    ]
    assert phases(config, 2)[0].name == "collect"
    assert phases(config, 3)[0].name == "tokenizer"
    config.training.cpu_minutes = 1.0  # every epoch collects then
    assert phases(config, 3)[0].name == "collect"


def rates(**settings):
    updates = UpdatesConfig(learning_rate=0.1, **settings)
    return [learning_rate(updates, update, left=1.0) for update in range(1, 7)]


def test_the_learning_rate_rises():
    assert rates(warmup_steps=4) == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])
    assert rates() == [0.1] * 6


def test_the_learning_rate_falls():
    expected = [0.0375, 0.05, 0.025, 0.005, 0.005, 0.005]
    assert rates(warmup_steps=2, decay_over=4) == pytest.approx(expected)


def test_a_share_is_never_more_than_all():
    config = load_config("smoke", ["training.epochs=4"])
    assert [share_done(config, epochs, 0.0) for epochs in (0, 2, 4, 9)] == [
        0,
        0.5,
        1,
        1,
    ]


def test_annealing_towards_the_end_of_a_run():
    assert [annealed(0.5, done) for done in (0, 0.5, 0.75, 1)] == [1, 1, 0.5, 0]
    assert [annealed(1.0, done) for done in (0, 0.99, 1)] == [1, 1, 1]
    assert learning_rate(UpdatesConfig(learning_rate=0.1), 1, left=0.5) == 0.05
