"""`iris figures`: every figure and table into files, from what is in data and results.

With 50,000 replicates of the aggregates' bootstrap this took 81 seconds of one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from iris_core.config.schema import ConfigError
from iris_core.figures.agents import (
    draw_dreams,
    draw_reconstructions,
    draw_rewards_and_ends,
    draw_tokens_per_frame,
)
from iris_core.figures.aggregates import (
    about_partial,
    draw_aggregates,
    draw_improvement,
    draw_mean_and_median,
    draw_profiles,
)
from iris_core.figures.controls import draw_controls
from iris_core.figures.games import draw_differences, draw_game_panels, draw_games
from iris_core.figures.own import draw_learning_curves, draw_own_runs
from iris_core.figures.shortened import draw_shortened
from iris_core.figures.style import save
from iris_core.figures.tables import RENDER, draw_table, score_table
from iris_core.models.agent import Agent
from iris_core.replay import Episode, Replay
from iris_core.tools.scores.run_records import (
    add_own_runs,
    final_tests,
    learning_curves,
    own_names,
    own_runs,
    results_folder,
    sweeps,
)
from iris_core.tools.scores.scores import (
    BEYOND,
    PAPER,
    data_folder,
    load_scores,
    split_complete,
)
from iris_core.tools.scores.statistics import (
    IMPROVEMENT_REPLICATES,
    PRINT_REPLICATES,
    PROFILE_REPLICATES,
    Estimates,
    differences,
    estimate,
    performance_profiles,
    probabilities_of_improvement,
)

OURS = "IRIS"
PAPER_SIZES = "paper-sizes"  # the folder of runs with the paper's networks
TIES = (
    "\nIn PrivateEye most runs of CURL and SPR tie with IRIS at 100; counted as wins"
    " these give 0.792 (CURL) and 0.610 (SPR)."
)


@dataclass(frozen=True)
class Evidence:
    """Scores, and whose: what the figures of one set of algorithms are drawn from.

    replicates: of the aggregates' bootstrap; profiles, probabilities and games take the
    paper's 2,000 and 1,000, or fewer where this is less. found: what is estimated once
    and shared with other sets, by algorithm.
    """

    scores: pd.DataFrame
    algorithms: tuple[str, ...]
    replicates: int = PRINT_REPLICATES
    found: dict[str, Estimates] = field(default_factory=dict)

    @cached_property
    def whole(self) -> list[str]:
        """Algorithms that have all games."""
        return split_complete(self.scores, self.algorithms)[0]

    @cached_property
    def remark(self) -> str:
        """Why others are not drawn where all games are needed."""
        return about_partial(
            self.scores, split_complete(self.scores, self.algorithms)[1]
        )

    @cached_property
    def estimates(self) -> Estimates:
        """Aggregates and mean scores by game."""
        for name in self.whole:
            if name not in self.found:
                self.found[name] = estimate(self.scores, [name], self.replicates)
        mine = [self.found[name] for name in self.whole]
        return Estimates(
            pd.concat([each.aggregates for each in mine]),
            pd.concat([each.games for each in mine]),
        )

    @property
    def others(self) -> list[str]:
        """All but IRIS, which is compared with them."""
        return [name for name in self.algorithms if name != OURS]

    @property
    def few(self) -> int:
        """Replicates where each costs more, or fewer do."""
        return min(self.replicates, PROFILE_REPLICATES)

    # Figures

    def aggregates(self) -> Figure:
        return draw_aggregates(self.estimates, self.whole, self.remark)

    def profiles(self) -> Figure:
        profiles = performance_profiles(self.scores, self.whole, replicates=self.few)
        return draw_profiles(profiles, remark=self.remark)

    def improvement(self) -> Figure:
        others = [name for name in self.whole if name != OURS]
        replicates = min(self.replicates, IMPROVEMENT_REPLICATES)
        table = probabilities_of_improvement(self.scores, OURS, others, replicates)
        ties = TIES if {"CURL", "SPR"} & set(others) else ""
        return draw_improvement(table, OURS, ties + self.remark)

    def mean_and_median(self) -> Figure:
        return draw_mean_and_median(self.estimates, OURS)

    def games(self) -> Figure:
        return draw_games(self.scores, self.estimates, OURS, self.others)

    def game_panels(self) -> Figure:
        return draw_game_panels(self.scores, self.algorithms, self.few, self.estimates)

    def differences(self) -> Figure:
        """From the three others that do best by IQM and have several runs a game."""
        found = self.estimates.aggregates.xs("IQM", level="name").drop(OURS)
        best = found.dropna().sort_values("value").index[-3:]
        tables = {n: differences(self.scores, OURS, n, self.few) for n in best[::-1]}
        return draw_differences(tables, OURS)

    def table(self, folder: Path, name: str) -> Figure:
        """The picture; the other formats are written into the folder."""
        table = score_table(self.scores, self.estimates, self.whole)
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, render in RENDER.items():
            (folder / f"{name}{suffix}").write_text(render(table), encoding="utf-8")
        return draw_table(table, self.remark)


Draw = Callable[[], Figure]


def of_scores(evidence: Evidence, folder: Path, suffix: str = "") -> dict[str, Draw]:
    """What is drawn from published scores, by file name."""
    table = f"table{suffix}"
    figures: dict[str, Draw] = {
        f"aggregates{suffix}": evidence.aggregates,
        f"performance_profiles{suffix}": evidence.profiles,
        f"probability_of_improvement{suffix}": evidence.improvement,
        f"games{suffix}": evidence.games,
        f"game_panels{suffix}": evidence.game_panels,
        f"differences{suffix}": evidence.differences,
        table: partial(evidence.table, folder, table),
    }
    if not suffix:
        figures["mean_and_median"] = evidence.mean_and_median
    return figures


def of_own_runs(scores: pd.DataFrame, own: Path | None, few: int) -> dict[str, Draw]:
    """What is drawn from this project's runs."""
    folder = results_folder() if own is None else own
    figures: dict[str, Draw] = {
        "own_runs": lambda: draw_own_runs(scores, own_runs(own), replicates=few),
        "own_learning_curves": lambda: draw_learning_curves(learning_curves(own), few),
    }
    for name in sweeps(folder):
        figures[f"own_controls_{name}"] = partial(draw_own_controls, folder, name)
    if (folder / PAPER_SIZES).is_dir():
        shortened = partial(draw_shortened, scores, folder / PAPER_SIZES)
        figures["own_paper_sizes"] = shortened
    return figures


def draw_own_controls(folder: Path, name: str) -> Figure:
    """The runs NAME-GAME-seedN.json of a folder beside their controls."""
    return draw_controls(final_tests(folder, name))


def of_agents(data: Path) -> dict[str, Draw]:
    """What is drawn of the trained agents in data/agents, those that are there."""
    figures: dict[str, Draw] = {}
    if has(data, "freeway"):
        figures |= of_agent(data, "freeway", range(100, 580, 60), 200, (60, 120))
    if has(data, "catch"):
        figures |= of_agent(data, "catch", range(0, 28, 4), 10, (0, 28))
    if has(data, "freeway") and agent_file(data, "freeway_sequential").is_file():
        figures["tokens_per_frame"] = lambda: draw_tokens_per_frame(
            [load_agent(data, "freeway_sequential"), load_agent(data, "freeway")],
            load_episode(data, "freeway"),
            range(100, 460, 60),
        )
    return figures


def of_agent(
    data: Path, name: str, steps: range, start: int, piece: tuple[int, int]
) -> dict[str, Draw]:
    """What is drawn of one agent and an episode of its play: frames at `steps`, dreams
    from `start`, rewards and ends along a piece (its start and length)."""

    def reconstructions() -> Figure:
        return draw_reconstructions(
            load_agent(data, name), load_episode(data, name), steps
        )

    def dreams() -> Figure:
        return draw_dreams(load_agent(data, name), load_episode(data, name), start)

    def rewards_and_ends() -> Figure:
        return draw_rewards_and_ends(
            load_agent(data, name), load_episode(data, name), *piece
        )

    return {
        f"reconstructions_{name}": reconstructions,
        f"dreams_{name}": dreams,
        f"rewards_and_ends_{name}": rewards_and_ends,
    }


def agent_file(data: Path, name: str) -> Path:
    return data / "agents" / f"{name}.safetensors"


def has(data: Path, name: str) -> bool:
    """Whether there is an agent, and its play."""
    return (
        agent_file(data, name).is_file()
        and (data / "episodes" / f"{name}_agent").is_dir()
    )


def load_agent(data: Path, name: str) -> Agent:
    return Agent.load(agent_file(data, name))


def load_episode(data: Path, name: str) -> Episode:
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
    published, mine = with_mine(load_scores(), scores)
    names = [(*PAPER, *mine), (*BEYOND, *mine)]
    known = published
    if "own" in algorithms:
        known = add_own_runs(published, own_runs(own))
    if algorithms:
        named = [own_names(known) if n == "own" else [n] for n in algorithms]
        names = [tuple(name for group in named for name in group)]
        if OURS not in names[0]:
            raise ConfigError(
                f"{OURS} is not in {','.join(algorithms)}; the figures compare others"
                " with it, so add it"
            )
        split_complete(known, names[0])  # unknown names are refused here
    shared: dict[str, Estimates] = {}
    figures: dict[str, Draw] = {}
    for group, suffix in zip(names, ("", "_beyond"), strict=False):
        evidence = Evidence(known, group, replicates, shared)
        figures |= of_scores(evidence, folder, suffix)
    figures |= of_own_runs(published, own, min(replicates, PROFILE_REPLICATES))
    return figures | of_agents(data_folder())


def with_mine(
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
    for name in only or figures:
        save(figures[name](), Path(folder), name)
        yield name
