"""The command `iris`: train, resume, evaluate, and look things up.

Heavy imports wait inside the commands, so that `iris --help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import Field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_core.config.schema import ConfigError, departures, shown, walk
from iris_core.play.options import add_play_options, add_record_options

if TYPE_CHECKING:
    from iris_core.models.agent import Agent
    from iris_core.training.runs import Run
    from iris_core.training.trainer import Trainer

BAD_INPUT = 2
INTERRUPTED = 130  # what a shell expects after Ctrl-C: 128 + SIGINT

EXAMPLES = """\
examples:
  iris train                                    Freeway on a CPU, about ten minutes
  iris train preset=tutorial env.game=Breakout  the same for another game
  iris train preset=hour                        Pong, an hour of one core
  iris train preset=surprise                    Freeway, an hour of one core
  iris train preset=paper env.game=Pong device=cuda
  iris train preset=smoke --cfg job             print the settings, do not run
  iris resume outputs/2026-01-31/12-00-00
  iris eval outputs/2026-01-31/12-00-00 --episodes 100 --envs 8
  iris play outputs/2026-01-31/12-00-00         its dream, in a browser
  iris settings preset=tutorial --changed       where a preset leaves the paper
  iris figures                                  the paper's figures and tables
  iris sweep games=Pong,Boxing seeds=3          six runs, side by side with Ray
"""

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (by default the shell's); returns the exit code."""
    parser, commands = build_parser()
    args, extra = parser.parse_known_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    place_extra(args, extra, commands[args.command])
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except ConfigError as error:
        print(f"iris {args.command}: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `iris settings | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


Parsers = dict[str, argparse.ArgumentParser]


def build_parser() -> tuple[argparse.ArgumentParser, Parsers]:
    """The parser of `iris`, and those of its commands by name."""
    parser = argparse.ArgumentParser(
        prog="iris",
        description="IRIS: an agent that learns inside its own world model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    parsers: Parsers = {}

    def add(
        run: Callable[[argparse.Namespace], int], name: str, about: str
    ) -> argparse.ArgumentParser:
        parsers[name] = commands.add_parser(name, help=about, description=about)
        parsers[name].set_defaults(run=run)
        return parsers[name]

    command = add(train, "train", "train an agent")
    add_overrides(command)
    command.add_argument(
        "--cfg", choices=["job"], help="print the resolved settings and do not run"
    )

    command = add(resume, "resume", "continue a run that stopped, exactly")
    command.add_argument("folder", metavar="RUN", help="its run folder")
    add_device_option(command)

    command = add(sweep, "sweep", "train many runs with Ray: games and seeds")
    command.epilog = "\n".join(SWEEP_HELP)
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    add_overrides(command)
    command.add_argument(
        "--plan", action="store_true", help="print the runs and their cost, and stop"
    )

    command = add(evaluate, "eval", "play test episodes with a trained agent")
    command.add_argument(
        "source",
        metavar="RUN|AGENT",
        help="a run folder, an agent's .safetensors file, a published .pt file, or the"
        " game of a published agent",
    )
    add_eval_options(command)

    command = add(settings, "settings", "list every setting, its value and meaning")
    add_overrides(command)
    command.add_argument(
        "--changed", action="store_true", help="only departures from the paper"
    )

    add(games, "games", "list the games")

    command = add(figures, "figures", "draw the paper's figures and tables, and ours")
    add_figure_options(command)

    command = add(play_agent, "play", "watch an agent, or play its game or its dream")
    add_play_options(command, at_least_one)

    command = add(record_agent, "record", "play episodes and keep them as files")
    add_record_options(command, at_least_one)

    about = "measure how fast the components are on this machine"
    parsers["bench"] = commands.add_parser("bench", help=about, add_help=False)
    parsers["bench"].set_defaults(run=bench)  # it reads its own arguments
    return parser, parsers


def add_overrides(command: argparse.ArgumentParser) -> None:
    """Settings such as preset=paper env.game=Pong."""
    command.add_argument(
        "overrides",
        nargs="*",
        metavar="name=value",
        help="preset=smoke, tutorial (if not given), hour, surprise or paper, and"
        " settings by their dotted names; `iris settings` lists them",
    )


def add_eval_options(command: argparse.ArgumentParser) -> None:
    """How `iris eval` plays."""
    command.add_argument("--episodes", type=at_least_one, default=100, metavar="N")
    command.add_argument(
        "--envs", type=at_least_one, default=8, metavar="N", help="played side by side"
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--temperature",
        type=float,
        help="of the policy's sampling; by default evaluation.temperature",
    )
    command.add_argument(
        "--noops",
        type=at_least_one,
        metavar="N",
        help="up to N no-ops before each episode, so that starts differ; by default"
        " env.test_noop_max (1 in the paper: they are all alike)",
    )
    add_device_option(command)
    command.add_argument(
        "--out", type=Path, metavar="FILE", help="write the JSON here, not to stdout"
    )
    command.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="the table of own runs that the score is added to, which `iris figures`"
        " draws; by default results/runs/scores.csv",
    )
    command.add_argument("--no-record", action="store_true", help="add it to none")


def add_device_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", help="auto, cpu, cuda, mps; by default the run's")


def add_figure_options(command: argparse.ArgumentParser) -> None:
    """What `iris figures` draws, from what, and where it puts it."""
    command.add_argument(
        "names", nargs="*", metavar="FIGURE", help="figures to draw; by default all"
    )
    command.add_argument(
        "--out", type=Path, metavar="FOLDER", help="by default results/figures"
    )
    command.add_argument(
        "--scores", type=Path, metavar="FILE", help="a .csv or .json of scores to add"
    )
    command.add_argument(
        "--own", type=Path, metavar="PATH", help="own runs; by default results/runs"
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


def at_least_one(text: str) -> int:
    """An argparse type: a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def place_extra(
    args: argparse.Namespace, extra: list[str], command: argparse.ArgumentParser
) -> None:
    """Take the settings that argparse leaves over when an option came before them."""
    if args.command == "bench":
        args.arguments = extra
        return
    if extra and (not hasattr(args, "overrides") or extra[0].startswith("-")):
        command.error(f"unrecognized arguments: {' '.join(extra)}")
    if extra:
        args.overrides += extra


def train(args: argparse.Namespace) -> int:
    """iris train [overrides] [--cfg job]"""
    from iris_core.config import config_to_yaml, load_config

    config = load_config(overrides=args.overrides)
    if args.cfg:
        print(config_to_yaml(config), end="")
        return 0
    from iris_core.training.runs import Run
    from iris_core.training.trainer import Trainer

    run = Run.create(config)
    try:
        trainer = Trainer(config, run)
    except ConfigError:  # an unknown game, no such device: leave no folder behind
        run.discard()
        raise
    print(f"run folder: {run.path}")
    return finish(trainer, run)


def resume(args: argparse.Namespace) -> int:
    """iris resume RUN [--device DEVICE]"""
    from iris_core.training.runs import Run

    run = Run.open(args.folder)
    run.config.device = args.device or run.config.device
    from iris_core.training.trainer import Trainer

    return finish(Trainer.resume(run), run)


def finish(trainer: Trainer, run: Run) -> int:
    """Train to the end, or until Ctrl-C, and say how to continue; the exit code."""
    from iris_core.training.component import DivergedError

    command = f"iris resume {shlex.quote(str(run.path))}"
    try:
        result = trainer.run()
    except DivergedError as error:
        print(f"iris: {error}\nTo go on from there: {command}", file=sys.stderr)
        return BAD_INPUT
    if result.interrupted:
        print(f"\nInterrupted and saved. To continue: {command}")
        return INTERRUPTED
    return 0


def sweep(args: argparse.Namespace) -> int:
    """iris sweep [options] [overrides] [--plan]"""
    from iris_core.sweep.plan import read_sweep
    from iris_core.sweep.run import run_sweep

    wanted = read_sweep(args.overrides)
    try:
        failed = run_sweep(wanted, only_plan=args.plan)
    except KeyboardInterrupt:
        print("\nStopped; the runs are saved. The same command goes on with them.")
        return INTERRUPTED
    return BAD_INPUT if failed else 0


def evaluate(args: argparse.Namespace) -> int:
    """iris eval RUN|AGENT [--episodes N] [--envs N] [--seed S] [--out FILE] ..."""
    from iris_core.training.checkpoint import find_agent

    agent = find_agent(args.source)
    if args.out is not None:
        check_writable(args.out)
    table, told = where_to_record(agent, args)
    report = play(agent, args)
    text = json.dumps(report, indent=2) + "\n"
    if args.out is None:
        print(text, end="")
    else:
        args.out.write_text(text, encoding="utf-8")
    low, high = report["interval_95"]
    line = f"{agent.game}: mean return {report['mean']:.2f} [{low:.2f}, {high:.2f}]"
    if report["human_normalised"] is not None:
        line += f", human-normalised {report['human_normalised']:.3f}"
    print(line, file=sys.stderr)
    if table is not None:
        told = record(agent, report, table)
    print(told, file=sys.stderr)
    return 0


def where_to_record(agent: Agent, args: argparse.Namespace) -> tuple[Path | None, str]:
    """The table that a score goes to; or None, and why.

    ConfigError if a table was asked for and the score does not belong in one.
    """
    from iris_core.tools.scores.run_records import results_folder, runs_of_csv

    if args.no_record:
        return None, "Not recorded, as asked."
    why = ""
    if agent.card is None:
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
        runs_of_csv(table)  # refuse a bad one before the work for it is done
    return table, ""


def record(agent: Agent, report: dict[str, Any], table: Path) -> str:
    """Add a score to a table of own runs; says what was done."""
    from iris_core.tools.scores.run_records import append_run, run_of_agent

    run = run_of_agent(agent, report["returns"])
    if append_run(run, table):
        return f"Recorded in {table}"
    return f"{table} has this score already"


def play(agent: Agent, args: argparse.Namespace) -> dict[str, Any]:
    """Test episodes of an agent, and what they say about it, ready for JSON."""
    from iris_core.config import check
    from iris_core.device import resolve_device
    from iris_core.envs.atari_100k import human_normalised
    from iris_core.evaluate import evaluate as play_episodes
    from iris_core.evaluate import standard_error

    config = agent.config
    config.seed, config.device = args.seed, args.device or config.device
    test = config.evaluation
    if args.temperature is not None:
        test.temperature = args.temperature
    if args.noops is not None:
        config.env.test_noop_max = args.noops
    check(config)
    played = play_episodes(
        agent.to(resolve_device(config.device)),
        episodes=args.episodes,
        num_envs=args.envs,
        seed=args.seed,
        temperature=test.temperature,
        epsilon=test.epsilon,
    )
    mean = float(played.returns.mean())
    reach = 1.96 * standard_error(played.returns)
    return {
        "agent": args.source,
        "game": agent.game,
        "episodes": args.episodes,
        "num_envs": args.envs,
        "seed": args.seed,
        "temperature": test.temperature,
        "epsilon": test.epsilon,
        "noops": config.env.test_noop_max,
        "mean": mean,
        "interval_95": [mean - reach, mean + reach],  # of the mean, as if normal
        "human_normalised": human_normalised(agent.game, mean),
        "returns": played.returns.tolist(),
        "lengths": played.lengths.tolist(),
    }


def figures(args: argparse.Namespace) -> int:
    """iris figures [FIGURE ...] [--out FOLDER] [--scores FILE] [--replicates N] ..."""
    from iris_core.tools.figures.write import all_figures, write_figures
    from iris_core.tools.scores.run_records import results_folder

    folder = args.out or results_folder().parent / "figures"
    algorithms = [name.strip() for name in args.algorithms.split(",") if name.strip()]
    found = all_figures(folder, args.scores, args.own, algorithms, args.replicates)
    for name in write_figures(folder, found, args.names):
        print(folder / f"{name}.pdf")
    return 0


def play_agent(args: argparse.Namespace) -> int:
    """iris play RUN|AGENT [--mode MODE] [--out FILE | --serve] ..."""
    from iris_core.play import command

    return command.play(args)


def record_agent(args: argparse.Namespace) -> int:
    """iris record RUN|AGENT [--mode MODE] [--episodes N] [--out FOLDER] ..."""
    from iris_core.play import command

    return command.record(args)


def check_writable(path: Path) -> None:
    """Refuse a result file before the work for it is done."""
    try:
        path.open("a").close()
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def settings(args: argparse.Namespace) -> int:
    """iris settings [overrides] [--changed]"""
    from iris_core.config import load_config

    config = load_config(overrides=args.overrides)
    paper = {name: value for name, value, _, _ in departures(config)}
    print("* departs from the paper, whose value is given\n")
    for name, value, field in walk(config):
        if name in paper:
            print(f"* {name} = {shown(value)}  (paper: {shown(paper[name])})")
        elif not args.changed:
            print(f"  {name} = {shown(value)}")
        else:
            continue
        print(textwrap.indent(textwrap.fill(meaning(field), 80), " " * 6))
    return 0


def meaning(field: Field[Any]) -> str:
    """What a setting means, and what it may be where that is limited."""
    from iris_core.config.check import valid_range

    about, meta = str(field.metadata["about"]), field.metadata
    limited = meta["low"] is not None or meta["high"] is not None or meta["choices"]
    return f"{about} [{valid_range(field)}]" if limited else about


def games(args: argparse.Namespace) -> int:
    """iris games"""
    from iris_core.envs import ATARI_100K, list_games

    others = [game for game in list_games() if game not in ATARI_100K]
    for title, names in (
        ("the 26 of the paper (Atari 100k)", sorted(ATARI_100K)),
        ("the toy game", ["Catch"]),
        ("the others of the Arcade Learning Environment", others),
    ):
        print(f"{title}:")
        print(
            textwrap.fill(
                ", ".join(names), 80, initial_indent="  ", subsequent_indent="  "
            )
        )
    return 0


def bench(args: argparse.Namespace) -> int:
    """iris bench [arguments]"""
    if args.arguments[:1] == ["play"]:
        from iris_core.widgets import bench as frames

        return frames.main(args.arguments[1:])
    from iris_core import bench as benchmarks

    return benchmarks.main(args.arguments) or 0


if __name__ == "__main__":
    sys.exit(main())
