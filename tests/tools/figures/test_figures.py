"""Figures: drawn whole, styled once, written as files; tables rank; the command."""

import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from iris_core import cli
from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.data.episode import Episode
from iris_core.data.replay_buffer import Replay
from iris_core.envs.atari_100k import REFERENCE
from iris_core.tools.figures import agents, tables
from iris_core.tools.figures.aggregates import draw_aggregates
from iris_core.tools.figures.baselines import beats_blind, draw_baselines, z_score
from iris_core.tools.figures.games import draw_game_panels, draw_games, short
from iris_core.tools.figures.own_runs import (
    draw_learning_curves,
    draw_own_runs,
    own_labels,
)
from iris_core.tools.figures.paper_sizes import draw_paper_sizes
from iris_core.tools.figures.style import LOOKS, looks, save
from iris_core.tools.figures.write import ScoreFigures, all_figures, write_figures
from iris_core.tools.scores import scores as score_files
from iris_core.tools.scores.run_records import (
    MeanReturn,
    OwnRun,
    add_own_runs,
    final_tests,
    iris_means,
    learning_curves,
    own_names,
    own_runs,
    results_folder,
)
from iris_core.tools.scores.scores import PAPER, data_folder, load_scores
from iris_core.tools.scores.statistics import estimate

FEW = 20  # replicates


@pytest.fixture(scope="module")
def evidence(scores: pd.DataFrame) -> ScoreFigures:
    return ScoreFigures(scores, PAPER, FEW)


@pytest.fixture(scope="module")
def catch() -> Agent:
    return Agent.load(data_folder() / "agents" / "catch.safetensors")


@pytest.fixture(scope="module")
def played() -> Episode:
    return next(iter(Replay.load(data_folder() / "episodes" / "catch_agent")))


def texts(figure: Figure) -> str:
    """Everything that is written in a figure."""
    return "\n".join(t.get_text() for t in figure.findobj(matplotlib.text.Text))


def nothing_is_cut_off(figure: Figure) -> bool:
    """All that is drawn lies on the page (a hundredth of an inch aside)."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return (
        box.x0 > -0.01
        and box.y0 > -0.01
        and box.x1 < width + 0.01
        and box.y1 < height + 0.01
    )


NAMES = ["aggregates", "performance_profiles", "probability_of_improvement", "games"]
NAMES += ["game_panels", "differences", "table", "mean_and_median"]


@pytest.mark.parametrize("name", NAMES)
def test_figures_of_scores(name: str, evidence: ScoreFigures, tmp_path: Path) -> None:
    figures = evidence.by_name(tmp_path)
    assert list(figures) != [] and set(figures) == set(NAMES)
    figure = figures[name]()
    assert nothing_is_cut_off(figure)
    small = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text()]
    assert min(text.get_fontsize() for text in small) >= 6  # readable in print
    assert figure.get_figwidth() <= 8


def test_the_papers_numbers_stand_in_the_figures(evidence: ScoreFigures) -> None:
    shown = texts(evidence.aggregates())
    assert all(number in shown for number in ("1.046", "0.289", "0.501", "0.512"))
    assert "0.596" in texts(evidence.improvement())
    shown = texts(evidence.mean_and_median())
    assert "Boxing, Krull, Breakout, Assault are 58% of the mean" in shown
    assert "BattleZone and UpNDown" in shown


def test_every_algorithm_has_a_look_of_its_own(scores: pd.DataFrame) -> None:
    names = [*scores["algorithm"].unique(), "Mine", "own, smoke: 1", "own, paper: 2"]
    found = looks(names)
    assert set(LOOKS) <= set(found)
    drawn = [(look.colour, look.marker, look.hollow) for look in found.values()]
    assert len(set(drawn)) == len(drawn)
    assert len({look.marker for look in found.values()}) == len(drawn)


def test_readers_own_settings_do_not_leak(evidence: ScoreFigures) -> None:
    with matplotlib.rc_context({"font.size": 30}):
        before = dict(matplotlib.rcParams)
        figure = evidence.improvement()
        assert dict(matplotlib.rcParams) == before
    assert max(t.get_fontsize() for t in figure.findobj(matplotlib.text.Text)) < 12


def test_own_runs_are_added_by_one_call(scores: pd.DataFrame) -> None:
    together = add_own_runs(scores, own_runs())
    names = own_names(together)
    of_all = ScoreFigures(together, (*PAPER, *names), FEW)
    shown = " ".join(texts(of_all.aggregates()).split())
    assert names[0] in of_all.complete  # the 26 games of twenty minutes each
    assert "One score a game, so no interval: own 1." in shown
    assert f"own 1{names[0].removeprefix('own')}." in shown
    for name in names[1:]:
        assert f"Not drawn, for want of games: {name}" in shown
    for name in names:
        assert name.removeprefix("own") in " ".join(texts(of_all.games()).split())
    assert nothing_is_cut_off(of_all.games())
    figure = draw_own_runs(scores, own_runs(), replicates=FEW)
    assert nothing_is_cut_off(figure)
    assert "Published runs played 100,000 steps" in texts(figure)


def test_own_runs_of_other_games_show_their_returns(scores: pd.DataFrame) -> None:
    row = OwnRun("Tennis", 0, "tutorial", 100, 1.0, "cpu", "x", 2, -20.0)
    tennis = pd.DataFrame([row])
    for published in (scores, scores.head(0)):  # in a clone, or outside
        figure = draw_own_runs(published, tennis, FEW)
        assert "Tennis" in texts(figure) and "own 1" in texts(figure)
        assert "IRIS" not in texts(figure) and nothing_is_cut_off(figure)
    pong = pd.DataFrame([row, row._replace(game="Pong")])
    titles = [ax.get_title() for ax in draw_own_runs(scores, pong, FEW).axes[:2]]
    assert titles == ["Pong", "Tennis"]
    with pytest.raises(ConfigError, match="no own runs"):
        draw_own_runs(scores, tennis.head(0))


def test_own_runs_of_all_games_state_their_scale(
    scores: pd.DataFrame, tmp_path: Path
) -> None:
    changed = "tutorial with training.epochs=9 actor_critic.event_share=0.1"
    rows = [
        OwnRun(game, seed, preset, 17_500, 20.0, "cpu", "", 20, reference.human / 2)
        for game, reference in REFERENCE.items()
        for preset, seed in (("tutorial", 0), (changed, 0), (changed, 1))
    ]
    together = add_own_runs(scores, pd.DataFrame(rows))
    evidence = ScoreFigures(together, (*PAPER, *own_names(together)), FEW)
    figures = evidence.by_name(tmp_path)
    del figures["mean_and_median"]  # of IRIS alone
    for name, draw in figures.items():
        figure = draw()
        shown = " ".join(texts(figure).split())
        assert f"{changed}: 17,500 steps, 20 min, cpu." in shown, name
        assert "Published runs played 100,000 steps" in shown
        assert nothing_is_cut_off(figure), name
    for suffix in tables.RENDER:
        text = (tmp_path / f"table{suffix}").read_text()
        assert "own 2, tutorial with" in text and "17,500 steps" in text


def test_curves_of_several_seeds_have_an_interval(tmp_path: Path) -> None:
    for seed in range(3):
        lines = [f"{100 * epoch},{epoch},{epoch + seed}" for epoch in range(1, 4)]
        text = "\n".join(["env_steps,minutes,test/return", *lines])
        (tmp_path / f"tutorial-catch-seed{seed}-metrics.csv").write_text(text)
    one = tmp_path / "tutorial-mspacman-seed0-metrics.csv"
    one.write_text("env_steps,minutes,test/return\n100,1,300\n")
    figure = draw_learning_curves(learning_curves(tmp_path), FEW)
    catch, pacman = (ax for ax in figure.axes if ax.get_title(loc="left"))
    assert catch.get_title(loc="left") == "Catch, 3 seeds\nown 1, 3 min"
    (band,) = catch.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() >= 1 and heights.max() <= 5  # within the seeds
    mean = max(catch.lines, key=lambda line: line.get_linewidth())
    assert mean.get_ydata().tolist() == [2, 3, 4]
    assert len(pacman.collections) == 0 and "human" in texts(figure)
    assert "own 1: tutorial." in texts(figure)


def test_a_preset_has_one_number_in_both_figures() -> None:
    beside = looks(own_names(add_own_runs(load_scores(), own_runs())))
    numbers = {name.split(": ")[0]: look.label for name, look in beside.items()}
    in_curves = own_labels(learning_curves())
    assert numbers.items() <= {f"own, {p}": n for p, n in in_curves.items()}.items()


def test_own_learning_curves() -> None:
    curves = learning_curves()
    figure = draw_learning_curves(curves, FEW)
    assert nothing_is_cut_off(figure) and "3 seeds" in texts(figure)
    alone = curves[curves["seed"] == 0].assign(game="Catch")
    assert "human" not in texts(draw_learning_curves(alone, FEW))


def test_runs_with_the_papers_networks(scores: pd.DataFrame, tmp_path: Path) -> None:
    figure = draw_paper_sizes(scores, results_folder() / "paper-sizes")
    assert nothing_is_cut_off(figure)
    shown = texts(figure)
    assert "IRIS 83.7" in shown and "human 14.6" in shown
    assert "16,000 of 100,000 steps (16%)" in shown
    assert "1,400 of 115,000 world-" in shown and "(1.2%)" in shown
    with pytest.raises(ConfigError, match="no GAME-seedN-config.yaml"):
        draw_paper_sizes(scores, tmp_path)


def test_own_runs_beside_their_controls() -> None:
    tests = final_tests(results_folder(), "laptop")
    figure = draw_baselines(tests)
    assert nothing_is_cut_off(figure) and "Alien" in texts(figure)
    assert "seed" not in texts(figure)  # there is one
    far = [t for t in tests if t.run.game == "PrivateEye"]
    assert "8.6" in texts(draw_baselines(far))  # of the way to IRIS: at the edge
    tests = final_tests(results_folder(), "tutorial")
    shown = texts(draw_baselines(tests))
    assert "Freeway, seed 2" in shown and "score in Catch" in shown
    alone = [test for test in tests if test.run.game == "Catch"]
    figure = draw_baselines(alone)
    assert nothing_is_cut_off(figure) and "IRIS" not in texts(figure)
    bare = [alone[0]._replace(random=None)]
    assert "Not tested beside random play: Catch, seed" in " ".join(
        texts(draw_baselines([*alone, *bare])).split()
    )
    with pytest.raises(ConfigError, match="no run was tested beside random play"):
        draw_baselines(bare)


def test_an_agent_beats_blind_play_by_two_standard_errors() -> None:
    assert z_score(MeanReturn(12, 0.6), MeanReturn(10, 0.8)) == 2
    assert z_score(MeanReturn(2, 0), MeanReturn(1, 0)) == float("inf")
    assert z_score(MeanReturn(1, 0), MeanReturn(1, 0)) == 0
    known = final_tests(results_folder(), "laptop")[0]
    assert known.blind is not None
    better = known._replace(agent=MeanReturn(known.blind.mean + 100, 10))
    assert beats_blind(better) and not beats_blind(better._replace(agent=known.blind))
    assert not beats_blind(better._replace(blind=None))


def test_one_run_and_another_algorithm(scores: pd.DataFrame) -> None:
    mine = scores[scores["algorithm"] == "IRIS"].assign(algorithm="Mine")
    both = pd.concat([scores, mine])
    names = ["MuZero", "IRIS", "Mine"]
    estimates = estimate(both, names, FEW)
    figure = draw_aggregates(estimates, names)
    assert "no interval: MuZero" in texts(figure)
    assert nothing_is_cut_off(draw_games(both, estimates, "IRIS", ["MuZero", "Mine"]))
    one = both[both["game"] == "Pong"]
    assert nothing_is_cut_off(draw_game_panels(one, names, FEW))


def test_short_numbers() -> None:
    assert [short(v) for v in (0, 2.5, -20, 1500, 20000)] == [
        "0",
        "2.5",
        "\N{MINUS SIGN}20",
        "1.5k",
        "20k",
    ]


# Tables


def test_ranks() -> None:
    cells = tables.ranked([1.04, 3, 3.01, 2], 1)
    assert [c.rank for c in cells] == ["", "best", "best", "second"]
    cells = tables.ranked([0.5, 0.4], 3, less_is_better=True)
    assert [c.rank for c in cells] == ["second", "best"]
    assert [c.text for c in tables.ranked([7], 0)] == ["7"]


@pytest.fixture(scope="module")
def table(evidence: ScoreFigures) -> tables.ScoreTable:
    return tables.score_table(evidence.scores, evidence.estimates, PAPER)


def test_table_in_three_languages(table: tables.ScoreTable) -> None:
    assert len(table.games) == 26 and len(table.aggregates) == 5
    text = tables.to_markdown(table)
    assert "| Boxing | 0.1 | 12.1 | 7.8 | 0.9 | 9.0 | *35.7* | **70.1** |" in text
    assert "| Superhuman games | 0 | N/A | 1 | 2 | 3 | *6* | **10** |" in text
    text = tables.to_latex(table)
    assert r"DrQ($\epsilon$)" in text and r"$-$20.7" in text
    assert r"Mean & 0.000 & 1.000 & 0.332 & 0.261 & 0.465 & \underline{0.616}" in text
    assert text.count(r"\\") == 32 and text.count("{") == text.count("}")
    text = tables.to_html(table)
    assert text.count("<tr>") == 32 == text.count("</tr>")
    assert "<b>0.501</b>" in text and "<u>0.337</u>" in text


# Agents


def test_frames_of_agents(catch: Agent, played: Episode) -> None:
    for figure in (
        agents.draw_reconstructions(catch, played, range(0, 28, 9)),
        agents.draw_dreams(catch, played, 10, dreams=2, horizon=8),
        agents.draw_rewards_and_ends(catch, played, 0, 28),
        agents.draw_tokens_per_frame([catch, catch], played, [3, 20]),
    ):
        assert nothing_is_cut_off(figure)
        assert "This project's agent for Catch" in texts(figure)


def test_dreams_are_repeatable(catch: Agent, played: Episode) -> None:
    first, again = (agents.dream_from(catch, played, 10, 2, 6, seed=3) for _ in "ab")
    assert (first.actions == again.actions).all()
    assert first.frames.shape == (2, 6, 3, 64, 64)
    assert (first.frames[0, 0] == first.frames[1, 0]).all()  # one start


def test_predictions_depend_on_the_past_alone(catch: Agent, played: Episode) -> None:
    rewards, ends = agents.predict(catch, played)
    assert rewards.shape == (28, 3) and ends.shape == (28,)
    assert np.allclose(rewards.sum(1), 1, atol=1e-5)
    cut, cut_ends = agents.predict(catch, played.head(15))
    assert np.allclose(cut, rewards[:15], atol=1e-5)
    assert np.allclose(cut_ends, ends[:15], atol=1e-5)
    assert ends[-1] > 0.5 > ends[:20].max()  # Catch ends with its 28th step


# Files


def test_saved_twice_the_bytes_are_the_same(
    evidence: ScoreFigures, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        paths = save(evidence.improvement(), tmp_path / folder, "x")
        assert [path.suffix for path in paths] == [".pdf", ".png"]
    for name in ("x.pdf", "x.png"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()
    with Image.open(tmp_path / "a" / "x.png") as image:
        assert image.width == 1375  # 5.5 inches at 250 dots


def test_command_writes_the_named_figures(tmp_path: Path, capsys) -> None:
    arguments = ["table", "own_runs", "--replicates", "20", "--out", str(tmp_path)]
    assert cli.main(["figures", *arguments]) == 0
    written = {path.name for path in tmp_path.iterdir()}
    tables_written = {f"table{suffix}" for suffix in tables.RENDER}
    assert written == tables_written | {
        f"{name}.{kind}" for name in ("table", "own_runs") for kind in ("pdf", "png")
    }
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "table.pdf"),
        str(tmp_path / "own_runs.pdf"),
    ]


def test_a_file_of_scores_is_added(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = [f"Mine,{game},0,5" for game in REFERENCE]
    file.write_text("\n".join(["algorithm,game,run,score", *rows]))
    figures = all_figures(tmp_path, scores=file, replicates=FEW)
    assert "Mine" in texts(figures["aggregates"]())
    figures = all_figures(tmp_path, algorithms=["IRIS", "SPR", "own"], replicates=FEW)
    assert not any(name.endswith("_beyond") for name in figures)
    assert ", tutorial: 17,500" in texts(figures["games"]())
    assert len(set(all_figures(tmp_path))) >= 17
    assert {"own_controls_laptop", "own_controls_tutorial"} <= set(figures)
    assert list(write_figures(tmp_path, figures, ["own_learning_curves"])) == [
        "own_learning_curves"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tabel"], "no figure tabel; there are: aggregates"),
        (["--algorithms", "IRIS,SPRR"], r"no scores of 'SPRR'"),
        (["--algorithms", "SPR"], "IRIS is not in SPR"),
        (["--scores", "nowhere.csv"], "cannot read nowhere.csv"),
        (["--own", "nowhere", "own_runs"], "no runs at nowhere"),
        (["--out", "/proc/x", "own_learning_curves"], "cannot write to"),
    ],
)
def test_command_refuses(arguments: list[str], message: str, capsys) -> None:
    assert cli.main(["figures", "--replicates", "5", *arguments]) == cli.BAD_INPUT
    told = capsys.readouterr().err
    assert message in told and "Traceback" not in told


def test_outside_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """As in an installed library: from a file of scores, or of own runs alone."""
    own = tmp_path / "own"
    own.mkdir()
    for file in results_folder().glob("tutorial-catch-seed0*"):
        shutil.copy(file, own)
    shutil.copy(data_folder() / "scores" / "runs.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(score_files, "__file__", str(tmp_path / "a/b/c/d.py"))
    iris_means.cache_clear()
    command = ["figures", "--replicates", "5"]
    assert cli.main(command) == cli.BAD_INPUT
    assert "--scores FILE, --own PATH" in capsys.readouterr().err
    assert cli.main([*command, "--scores", "runs.csv", "aggregates"]) == 0
    assert Path("results/figures/aggregates.pdf").is_file()
    assert cli.main([*command, "--own", "own", "--out", "figs"]) == 0
    drawn = {"own_runs", "own_learning_curves", "own_controls_tutorial"}
    assert {path.stem for path in Path("figs").iterdir()} == drawn
    Path("mine.csv").write_text("algorithm,game,run,score\nMine,Pong,0,5\n")
    assert cli.main([*command, "--scores", "mine.csv"]) == cli.BAD_INPUT
    assert "mine.csv has no IRIS" in capsys.readouterr().err
    iris_means.cache_clear()


def test_published_names_cannot_be_taken(tmp_path: Path, capsys) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("algorithm,game,run,score\nIRIS,Pong,0,5\n")
    assert cli.main(["figures", "--scores", str(file)]) == cli.BAD_INPUT
    assert "IRIS is among the published scores" in capsys.readouterr().err
