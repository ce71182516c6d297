"""The commands around training: sweep, figures, play, record, export, bench; and the
table of scores that `iris eval` adds to.

Heavy imports wait inside the commands, as in `iris_core.cli`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_core.config.setting import ConfigError
from iris_core.runtime.command_line import (
    BAD_INPUT,
    INTERRUPTED,
    a_path,
    add_overrides,
    at_least_one,
)
from iris_core.tools.export.options import add_export_options
from iris_core.tools.play.options import add_play_options, add_record_options

if TYPE_CHECKING:
    from iris_core.agent import Agent

SWEEP_HELP = [
    "settings of the sweep; any of iris train may follow:",
    "  games=all            the 26; laptop: 12 of them; or names: Pong,Boxing",
    "  seeds=1              how many, from 0; or which: [3,4]",
    "  name=NAME            of its folder outputs/sweeps/NAME; by default PRESET-GAMES",
    "  resources.cpu=1      cores of a run",
    "  resources.gpu=0      GPUs of a run: 0.5 puts two runs on one",
    "  retries=3            how often a lost or failed run is started again",
    "  address=ADDRESS      of a Ray cluster (auto: the one around); by default this"
    " machine",
    "  results=FOLDER       for scores.csv, table.md and what figures read",
    "The same command goes on with a sweep that was stopped.",
]


def add_tools(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Their parsers. add: makes one from a function, a name and what it is about."""
    command = add(sweep, "sweep", "train many runs with Ray: games and seeds")
    command.epilog = "\n".join(SWEEP_HELP)
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    add_overrides(command)
    command.add_argument(
        "--plan", action="store_true", help="print the runs and their cost, and stop"
    )
    command = add(figures, "figures", "draw the paper's figures and tables, and ours")
    add_figure_options(command)
    command = add(play, "play", "watch an agent, or play its game or its dream")
    add_play_options(command)
    command = add(record, "record", "play episodes and keep them as files")
    add_record_options(command)
    command = add(export, "export", "write an agent and its dream for a browser: ONNX")
    add_export_options(command)
    about = "measure how fast the components are on this machine"
    add(bench, "bench", about, add_help=False).set_defaults(arguments=[])


def add_figure_options(command: argparse.ArgumentParser) -> None:
    """What `iris figures` draws, from what, and where it puts it."""
    command.add_argument(
        "names", nargs="*", metavar="FIGURE", help="figures to draw; by default all"
    )
    command.add_argument(
        "--out", type=a_path, metavar="FOLDER", help="by default results/figures"
    )
    command.add_argument(
        "--scores", type=a_path, metavar="FILE", help="a .csv or .json of scores to add"
    )
    command.add_argument(
        "--own", type=a_path, metavar="PATH", help="own runs; by default results/runs"
    )
    command.add_argument(
        "--algorithms",
        default="",
        metavar="A,B,...",
        help="draw these, IRIS among them, and own for own runs; by default the"
        " paper's, and later ones in files of their own",
    )
    command.add_argument(
        "--replicates",
        type=at_least_one,
        default=50_000,
        metavar="N",
        help="of the bootstrap, 50,000 for print",
    )


def sweep(args: argparse.Namespace) -> int:
    """iris sweep [options] [overrides] [--plan]"""
    from iris_core.tools.sweep.plan import read_sweep
    from iris_core.tools.sweep.run import run_sweep

    wanted = read_sweep(args.overrides)
    try:
        failed = run_sweep(wanted, only_plan=args.plan)
    except KeyboardInterrupt:
        print("\nStopped; the runs are saved. The same command goes on with them.")
        return INTERRUPTED
    return BAD_INPUT if failed else 0


def figures(args: argparse.Namespace) -> int:
    """iris figures [FIGURE ...] [--out FOLDER] [--scores FILE] [--replicates N] ..."""
    from tqdm.auto import tqdm

    from iris_core.tools.figures.write import all_figures, write_figures
    from iris_core.tools.scores.scores import find_data

    folder = args.out or (find_data() or Path("data")).parent / "results" / "figures"
    algorithms = [name.strip() for name in args.algorithms.split(",") if name.strip()]
    found = all_figures(folder, args.scores, args.own, algorithms, args.replicates)
    for name in write_figures(folder, found, args.names):
        tqdm.write(str(folder / f"{name}.pdf"))
    return 0


def play(args: argparse.Namespace) -> int:
    """iris play RUN|AGENT [--mode MODE] [--out FILE | --serve] ..."""
    from iris_core.tools.play import command

    return command.play(args)


def record(args: argparse.Namespace) -> int:
    """iris record RUN|AGENT [--mode MODE] [--episodes N] [--out FOLDER] ..."""
    from iris_core.tools.play import command

    return command.record(args)


def export(args: argparse.Namespace) -> int:
    """iris export RUN|AGENT ... --onnx FOLDER [--compact] | --page FOLDER"""
    from iris_core.tools.export.write import export as write_files

    if args.page:
        from iris_core.tools.export.page import how_to_publish, write_page

        write_page(args.page, [args.source, *args.more], args.game)
        print(how_to_publish(args.page))
        return 0
    if args.more:
        raise ConfigError("--onnx takes one agent; --page takes several.")
    sizes = write_files(args.source, args.onnx, args.compact, args.game)
    for name, size in sizes.items():
        print(f"{args.onnx / name}: {size:,} bytes")
    return 0


def bench(args: argparse.Namespace) -> int:
    """iris bench [arguments], which it reads itself"""
    if args.arguments[:1] == ["play"]:
        from iris_core.tools.benchmarks import player_fps

        return player_fps.main(args.arguments[1:])
    from iris_core.tools.benchmarks import command

    return command.main(args.arguments)


# The scores of `iris eval`


def where_to_record(agent: Agent, args: argparse.Namespace) -> tuple[Path | None, str]:
    """The table that a score goes to; or None, and why.

    ConfigError if a table was asked for and the score does not belong in one.
    """
    from iris_core.tools.scores.run_records import results_folder, rows_to_add_to

    if args.no_record:
        return None, "Not recorded, as asked."
    why = ""
    if agent.training_record is None:
        why = "its file does not say how the agent was trained"
    elif args.temperature not in (None, agent.config.evaluation.temperature):
        why = "its settings name another test temperature"
    elif args.noops not in (None, agent.config.env.test_noop_max):
        why = "its settings name other test starts"
    if why and args.record:
        raise ConfigError(f"{args.source} can't be recorded: {why}. Leave out --record")
    if why:
        return None, f"Not recorded: {why}."
    try:
        table = args.record or results_folder() / "scores.csv"
    except ConfigError:  # an installed copy of the library, outside its repository
        return None, "Not recorded: give a table with --record FILE."
    if table.exists():
        rows_to_add_to(table)  # refuse a bad one before the work for it is done
    return table, ""


def record_score(agent: Agent, report: dict[str, Any], table: Path) -> str:
    """Add a score to a table of own runs; says what was done."""
    from iris_core.tools.scores.run_records import append_run, run_of_agent

    if append_run(run_of_agent(agent, report["returns"]), table):
        return f"Recorded in {table}"
    return f"{table} has this score already"
