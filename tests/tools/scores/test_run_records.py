"""This project's own runs: their records, their scale, their curves."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from iris_core.agent import Agent, TrainingRecord
from iris_core.config import ConfigError, load_config
from iris_core.runtime.table import to_csv
from iris_core.tools.scores import scores
from iris_core.tools.scores.run_records import (
    FinalTest,
    MeanReturn,
    OwnRun,
    add_own_runs,
    append_run,
    iris_means,
    learning_curves,
    own_names,
    own_runs,
    run_of_agent,
    run_table,
)
from iris_core.tools.scores.scores import (
    games_of,
)

RUN = OwnRun("Freeway", 0, "tutorial", 12_000, 9.2, "cpu", "abc", 20, 22.5)


def test_own_runs_are_appended_and_read(tmp_path: Path) -> None:
    file = tmp_path / "new" / "scores.csv"
    assert append_run(RUN, file)
    assert append_run(RUN._replace(seed=1, score=21, game="Catch", commit=""), file)
    table = own_runs(file)
    assert list(table.columns) == list(OwnRun._fields)
    assert OwnRun(*table.iloc[0]) == RUN
    assert table["seed"].tolist() == [0, 1] and table["commit"].tolist() == ["abc", ""]
    assert own_runs(file.parent).equals(table)
    file.write_text("game,score\nPong,3\n")
    for action in (lambda: own_runs(file), lambda: append_run(RUN, file)):
        with pytest.raises(ConfigError, match="no column seed"):
            action()


def test_no_row_is_added_twice_and_none_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    rows = [RUN, RUN._replace(score=1 / 3), RUN._replace(seed=1, minutes=10.25)]
    for row in rows:
        assert append_run(row, file) and not append_run(row, file)
    assert file.read_text().count("\n") == 4
    file.write_text(file.read_text().rstrip("\n"))  # as an editor may leave it
    assert append_run(RUN._replace(seed=2), file)
    assert own_runs(file)["seed"].tolist() == [0, 1, 2]
    lines = file.read_text().splitlines()
    file.write_text("\n".join(["remark," + lines[0], *("," + x for x in lines[1:])]))
    assert append_run(RUN._replace(seed=3), file)  # other columns, in another order
    assert own_runs(file)["seed"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="cannot write"):
        append_run(RUN, "/proc/x/scores.csv")


def test_a_run_tested_again_is_no_other_seed(tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    longer = RUN._replace(episodes=100, score=21)
    for row in (RUN, longer, RUN._replace(score=23), RUN._replace(device="cuda")):
        append_run(row, file)
    assert [OwnRun(*row) for row in own_runs(file).itertuples(index=False)] == [
        longer,
        RUN._replace(device="cuda"),
    ]
    append_run(longer._replace(steps=11_000, score=20), file)  # of its best agent
    assert own_runs(file)["score"].tolist() == [20, 22.5]


def test_the_row_of_an_agent() -> None:
    agent = Agent(load_config("smoke"), ["NOOP", "LEFT", "RIGHT"])
    with pytest.raises(ConfigError, match="does not say how it was trained"):
        run_of_agent(agent, [1.0])
    agent.training_record = TrainingRecord("smoke", 4, 180, 0.5, 0.4, "cpu", "abc")
    assert run_of_agent(agent, [1.0, 0.0]) == OwnRun(
        "Catch", 4, "smoke", 180, 0.5, "cpu", "abc", 2, 0.5
    )


def results(**changes: object) -> str:
    content = {
        "game": "Freeway",
        "seed": 0,
        "env_steps": 12_000,
        "training_minutes": 9.2,
        "device": "cpu",
        "returns": [22.0, 23.0],
    }
    return json.dumps(content | changes)


def test_results_of_run_folders(tmp_path: Path) -> None:
    (tmp_path / "tutorial-short-freeway-seed0.json").write_text(results())
    (tmp_path / "other.json").write_text(results(seed=1, preset="paper"))
    (tmp_path / "tutorial-freeway-seed0-metrics.csv").write_text("epoch\n1\n")
    table = own_runs(tmp_path)
    assert set(table["preset"]) == {"tutorial-short", "paper"}
    assert set(table["score"]) == {22.5}
    again = RUN._replace(preset="paper", seed=1, commit="", score=20)
    append_run(again, tmp_path / "scores.csv")  # a longer test of the second
    assert sorted(own_runs(tmp_path)["score"]) == [20, 22.5]
    (tmp_path / "bad.json").write_text(results(returns=[]))
    with pytest.raises(ConfigError, match=r"bad.json is not the results.json of a run"):
        own_runs(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": math.nan}, "line 2: score is"),
        ({"steps": "many"}, "line 2: steps is 'many'"),
        ({"game": ""}, "line 2: game is empty"),
    ],
)
def test_own_rows_are_checked(tmp_path: Path, change: dict, message: str) -> None:
    file = tmp_path / "scores.csv"
    bad = RUN._replace(**change)
    with pytest.raises(ConfigError, match=message.partition(": ")[2]):
        append_run(bad, file)
    file.write_text(to_csv(OwnRun._fields, [bad._asdict()]))
    with pytest.raises(ConfigError, match=message):
        own_runs(file)
    assert append_run(RUN, file)  # another's mistake does not lock the table
    assert not append_run(RUN, file)
    with pytest.raises(ConfigError, match="no runs at"):
        own_runs(tmp_path / "nothing")


def test_their_names_state_their_scale(scores: pd.DataFrame) -> None:
    rows = [
        RUN,
        RUN._replace(seed=1, steps=13_000, minutes=14.8),
        RUN._replace(game="Catch"),
    ]
    together = add_own_runs(scores, pd.DataFrame(rows))
    (name,) = own_names(together)
    assert (
        name == "own, tutorial: 12,000\N{EN DASH}13,000 steps, 9\N{EN DASH}15 min, cpu"
    )
    assert games_of(together, name) == ["Freeway"]
    assert len(together) == len(scores) + 2 and own_names(scores) == []


def test_the_projects_own_runs_and_curves() -> None:
    table = own_runs()
    assert {"Freeway", "Breakout"} <= set(table["game"])
    curves = learning_curves()
    assert curves["seed"].nunique() >= 3 and curves["score"].notna().all()


def test_curves_need_their_columns(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no \\*-metrics.csv"):
        learning_curves(tmp_path)
    file = tmp_path / "tutorial-mspacman-seed3-metrics.csv"
    file.write_text("epoch,env_steps,minutes\n1,10,1\n")
    with pytest.raises(ConfigError, match="no column test/return"):
        learning_curves(tmp_path)
    file.write_text("env_steps,minutes,test/return\n10,1,\n20,2,5\n")
    assert learning_curves(tmp_path).iloc[0].tolist() == [
        "tutorial",
        "MsPacman",
        3,
        20,
        2,
        5,
    ]
    results = tmp_path / "tutorial-mspacman-seed3.json"
    results.write_text('{"preset": "tutorial with training.epochs=3"}')
    assert set(learning_curves(tmp_path)["preset"]) == {
        "tutorial with training.epochs=3"
    }
    file.rename(tmp_path / "mine-metrics.csv")
    with pytest.raises(ConfigError, match="wanted a name like"):
        learning_curves(tmp_path)


def test_a_table_without_the_published_scores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in an installed library, outside a clone: a sweep goes on to its end."""
    test = FinalTest(RUN, 9.0, MeanReturn(22.5, 0.5), None, None, None)
    assert f"| {iris_means()['Freeway']:.2f} | 29.6 |" in run_table([test])
    iris_means.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scores, "__file__", str(tmp_path / "a/b/c/d.py"))
    assert "|  | 29.6 |" in run_table([test])
    iris_means.cache_clear()
