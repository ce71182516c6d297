"""`iris figures`: every figure and table into files, from what is in data and results.

With 50,000 replicates of the aggregates' bootstrap this took 81 seconds of one core.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from iris_core.agent import Agent
from iris_core.config.setting import ConfigError
from iris_core.data.episode import Episode
from iris_core.data.replay_buffer import Replay
from iris_core.envs.atari_100k import REFERENCE
from iris_core.tools.figures import agents, aggregates, games
from iris_core.tools.figures.baselines import draw_baselines
from iris_core.tools.figures.own_runs import draw_learning_curves, draw_own_runs
from iris_core.tools.figures.paper_sizes import draw_paper_sizes
from iris_core.tools.figures.style import save
from iris_core.tools.figures.tables import RENDER, draw_table, score_table
from iris_core.tools.scores import run_records
from iris_core.tools.scores import statistics as stats
from iris_core.tools.scores.scores import (
    BEYOND,
    COLUMNS,
    PAPER,
    find_data,
    load_scores,
    split_complete,
)
from iris_core.tools.scores.statistics import PRINT_REPLICATES, Estimates

Draw = Callable[[], Figure]

OURS = "IRIS"
PAPER_SIZES = "paper-sizes"  # the folder of runs with the paper's networks
AGENT_FIGURES: tuple[tuple[str, str, Callable[..., Figure], Sequence[Any]], ...] = (
    ("freeway", "reconstructions", agents.draw_reconstructions, [range(100, 580, 60)]),
    ("freeway", "dreams", agents.draw_dreams, [200]),
    ("freeway", "rewards_and_ends", agents.draw_rewards_and_ends, [60, 120]),
    ("catch", "reconstructions", agents.draw_reconstructions, [range(0, 28, 4)]),
    ("catch", "dreams", agents.draw_dreams, [10]),
    ("catch", "rewards_and_ends", agents.draw_rewards_and_ends, [0, 28]),
)  # whose, the figure, and of which steps of its recorded play
TOKENISED = range(100, 460, 60)  # steps of Freeway, for tokenizers to be compared
TIES = (
    "\nIn PrivateEye most runs of CURL and SPR tie with IRIS at 100; counted as wins"
    " these give 0.792 (CURL) and 0.610 (SPR)."
)


@dataclass(frozen=True)
class ScoreFigures:
    """The figures of one set of algorithms, and what they are drawn from.

    replicates: of the aggregates' bootstrap; profiles, probabilities and games take the
    paper's 2,000 and 1,000, or fewer where this is less. cache: what is estimated once
    and shared with other sets, by algorithm.
    """

    scores: pd.DataFrame
    algorithms: tuple[str, ...]
    replicates: int = PRINT_REPLICATES
    cache: dict[str, Estimates] = field(default_factory=dict)

    @cached_property
    def complete(self) -> list[str]:
        """Algorithms that have all games."""
        return split_complete(self.scores, self.algorithms)[0]

    @cached_property
    def remark(self) -> str:
        """Why others are not drawn where all games are needed."""
        partial = split_complete(self.scores, self.algorithms)[1]
        return aggregates.note_missing_games(self.scores, partial)

    @cached_property
    def estimates(self) -> Estimates:
        """Aggregates and mean scores by game."""
        for name in self.complete:
            if name not in self.cache:
                found = stats.estimate(self.scores, [name], self.replicates)
                self.cache[name] = found
        mine = [self.cache[name] for name in self.complete]
        tables = ([each.aggregates for each in mine], [each.games for each in mine])
        return Estimates(*map(pd.concat, tables))

    @property
    def fewer(self) -> int:
        """Replicates where each costs more, or fewer do."""
        return min(self.replicates, stats.PROFILE_REPLICATES)

    def aggregates(self) -> Figure:
        return aggregates.draw_aggregates(self.estimates, self.complete, self.remark)

    def profiles(self) -> Figure:
        profiles = stats.performance_profiles(self.scores, self.complete, self.fewer)
        return aggregates.draw_profiles(profiles, remark=self.remark)

    def improvement(self) -> Figure:
        others = [name for name in self.complete if name != OURS]
        few = min(self.replicates, stats.IMPROVEMENT_REPLICATES)
        table = stats.probabilities_of_improvement(self.scores, OURS, others, few)
        ties = TIES if {"CURL", "SPR"} & set(others) else ""
        return aggregates.draw_improvement(table, OURS, ties + self.remark)

    def mean_and_median(self) -> Figure:
        return aggregates.draw_mean_and_median(self.estimates, OURS)

    def games(self) -> Figure:
        others = [name for name in self.algorithms if name != OURS]
        return games.draw_games(self.scores, self.estimates, OURS, others)

    def game_panels(self) -> Figure:
        return games.draw_game_panels(
            self.scores, self.algorithms, self.fewer, self.estimates
        )

    def differences(self) -> Figure:
        """From the three others that do best by IQM and have several runs a game."""
        found = self.estimates.aggregates.xs("IQM", level="name").drop(OURS)
        best = found.dropna().sort_values("value").index[-3:]
        tables = {
            name: stats.differences(self.scores, OURS, name, self.fewer)
            for name in best[::-1]
        }
        return games.draw_differences(tables, OURS)

    def table(self, folder: Path, name: str) -> Figure:
        """The picture; the other formats are written into the folder."""
        table = score_table(self.scores, self.estimates, self.complete)
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, render in RENDER.items():
            (folder / f"{name}{suffix}").write_text(render(table), encoding="utf-8")
        return draw_table(table, self.remark)

    def by_name(self, folder: Path, suffix: str = "") -> dict[str, Draw]:
        """All of them, by file name; the table's other formats go into the folder."""
        table = f"table{suffix}"
        figures: dict[str, Draw] = {
            f"aggregates{suffix}": self.aggregates,
            f"performance_profiles{suffix}": self.profiles,
            f"probability_of_improvement{suffix}": self.improvement,
            f"games{suffix}": self.games,
            f"game_panels{suffix}": self.game_panels,
            f"differences{suffix}": self.differences,
            table: partial(self.table, folder, table),
        }
        if not suffix:
            figures["mean_and_median"] = self.mean_and_median
        return figures


def own_figures(scores: pd.DataFrame, path: Path | None, few: int) -> dict[str, Draw]:
    """What is drawn from this project's runs."""
    folder = run_records.results_folder() if path is None else path
    figures: dict[str, Draw] = {
        "own_runs": lambda: draw_own_runs(scores, run_records.own_runs(path), few),
        "own_learning_curves": lambda: draw_learning_curves(
            run_records.learning_curves(path), few
        ),
    }
    for name in run_records.sweep_names(folder):
        figures[f"own_controls_{name}"] = partial(draw_sweep, folder, name)
    if (sizes := folder / PAPER_SIZES).is_dir():
        figures["own_paper_sizes"] = partial(draw_paper_sizes, scores, sizes)
    return figures


def draw_sweep(folder: Path, name: str) -> Figure:
    """The runs NAME-GAME-seedN.json of a folder beside their baselines."""
    return draw_baselines(run_records.final_tests(folder, name))


def agent_figures(data: Path) -> dict[str, Draw]:
    """What is drawn of the trained agents in data/agents, those that are there."""
    figures: dict[str, Draw] = {
        f"{figure}_{name}": partial(draw_agent, data, name, draw, *settings)
        for name, figure, draw, settings in AGENT_FIGURES
        if has_play(data, name)
    }
    sequential = agent_file(data, "freeway_sequential")
    if has_play(data, "freeway") and sequential.is_file():
        files = (sequential, agent_file(data, "freeway"))
        figures["tokens_per_frame"] = lambda: agents.draw_tokens_per_frame(
            [*map(Agent.load, files)], first_episode(data, "freeway"), TOKENISED
        )
    return figures


def draw_agent(
    data: Path, name: str, draw: Callable[..., Figure], *settings: object
) -> Figure:
    """A figure of one agent and the first episode of its recorded play."""
    agent, episode = Agent.load(agent_file(data, name)), first_episode(data, name)
    return draw(agent, episode, *settings)


def agent_file(data: Path, name: str) -> Path:
    return data / "agents" / f"{name}.safetensors"


def has_play(data: Path, name: str) -> bool:
    """Whether there is an agent, and its play."""
    play = data / "episodes" / f"{name}_agent"
    return agent_file(data, name).is_file() and play.is_dir()


def first_episode(data: Path, name: str) -> Episode:
    """The first episode of an agent's recorded play."""
    return next(iter(Replay.load(data / "episodes" / f"{name}_agent")))


def all_figures(
    folder: Path,
    scores: Path | None = None,
    own: Path | None = None,
    algorithms: Sequence[str] = (),
    replicates: int = PRINT_REPLICATES,
) -> dict[str, Draw]:
    """Every figure by its file name, drawn when it is called.

    Args:
        folder: for the table's other formats.
        scores: a file of scores to show beside the published ones.
        own: this project's runs; by default results/runs.
        algorithms: names to draw, in this order, with IRIS among them; "own" stands for
            the own runs. By default the paper's, and in files of their own (_beyond)
            the later ones.
        replicates: of the aggregates' bootstrap.

    Raises:
        ConfigError: a file or name that cannot be used.
    """
    published, mine = scores_to_show(scores, own)
    there = set(published["algorithm"])
    groups = [tuple(n for n in (*g, *mine) if n in there) for g in (PAPER, BEYOND)]
    known = published
    if "own" in algorithms:
        runs = run_records.own_runs(own)
        known = run_records.add_own_runs(published, runs)
        if others := sorted(set(runs["game"]) - set(REFERENCE)):
            told = ", ".join(others)
            print(f"note: only own_runs draws {told}: no human scores", file=sys.stderr)
    if algorithms:
        groups = [resolve_names(algorithms, known)]
    shared: dict[str, Estimates] = {}
    figures: dict[str, Draw] = {}
    for group, suffix in zip(groups if there else (), ("", "_beyond"), strict=False):
        one = ScoreFigures(known, group, replicates, shared)
        figures |= one.by_name(folder, suffix)
    few = min(replicates, stats.PROFILE_REPLICATES)
    if own or find_data():
        figures |= own_figures(published, own, few)
    return figures | agent_figures(find_data() or Path())


def resolve_names(algorithms: Sequence[str], known: pd.DataFrame) -> tuple[str, ...]:
    """The names to draw; ConfigError if IRIS is not among them or one is unknown."""
    names: list[str] = []
    for name in algorithms:
        names += run_records.own_names(known) if name == "own" else [name]
    if OURS not in names:
        raise ConfigError(
            f"{OURS} is not in {','.join(algorithms)}; the figures compare others"
            " with it, so add it"
        )
    split_complete(known, names)  # unknown names are refused here
    return tuple(names)


def scores_to_show(
    scores: Path | None, own: Path | None
) -> tuple[pd.DataFrame, list[str]]:
    """The published scores and a file's, and the names it adds. Outside a clone there
    are the file's alone, or none if own runs are to be drawn."""
    if find_data() is not None:
        return add_scores(load_scores(), scores)
    if scores is None and own is not None:
        return pd.DataFrame(columns=COLUMNS), []
    table = load_scores(scores, partial=True)
    names = list(table["algorithm"].unique())
    if OURS not in names:
        raise ConfigError(
            f"{scores} has no {OURS}, with which the figures compare. Run this inside a"
            " clone of the repository, or add its scores, of data/scores/runs.csv"
        )
    return table, [name for name in names if name not in PAPER + BEYOND]


def add_scores(
    published: pd.DataFrame, scores: Path | None
) -> tuple[pd.DataFrame, list[str]]:
    """The published scores with a file's below them, and the names it adds."""
    if scores is None:
        return published, []
    added = load_scores(scores, partial=True)
    mine = list(added["algorithm"].unique())
    if taken := [name for name in mine if name in set(published["algorithm"])]:
        raise ConfigError(
            f"{scores}: {', '.join(taken)} is among the published scores; give yours"
            " another name (that of a .json is its file's)"
        )
    return pd.concat([published, added], ignore_index=True), mine


def write_figures(
    folder: str | Path, figures: dict[str, Draw], only: Sequence[str] = ()
) -> Iterator[str]:
    """Draw figures and write them as PDF and PNG; yields each name when it is written.

    only: names to write; all if empty. ConfigError for an unknown one.
    """
    if unknown := [name for name in only if name not in figures]:
        raise ConfigError(
            f"no figure {', '.join(unknown)}; there are: {', '.join(figures)}"
        )
    with tqdm(only or figures, unit="figure", leave=False) as bar:
        for name in bar:
            bar.set_description(name)
            save(figures[name](), Path(folder), name)
            yield name
