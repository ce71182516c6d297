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
from contextlib import suppress
from dataclasses import Field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_core.config.departures import departures
from iris_core.config.setting import ConfigError, shown, walk
from iris_core.runtime.command_line import (
    BAD_INPUT,
    INTERRUPTED,
    a_path,
    a_seed,
    a_temperature,
    add_agent,
    add_overrides,
    at_least_one,
    draw_into_files,
    fault,
    lacks_memory,
    prepare_streams,
)
from iris_core.tools.command import add_tools, record_score, where_to_record

if TYPE_CHECKING:
    from iris_core.agent import Agent
    from iris_core.runtime.run_folder import Run
    from iris_core.training.state import TrainingState

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
  iris play freeway_hour                        the dream of an agent of data/agents
  iris export freeway_hour --onnx web           that dream, for a page without Python
  iris export freeway_hour pong --page web      a page that plays them, for any host
  iris settings preset=tutorial --changed       where a preset leaves the paper
  iris figures                                  the paper's figures and tables
  iris sweep games=Pong,Boxing seeds=3          six runs, side by side with Ray
"""

DIVERGED = " NAME.updates.learning_rate=LOWER"
SMALLER = (
    "That is more memory than there is: make the networks (channels, embed_dim,"
    " vocab_size, num_layers) or the batches smaller, or take fewer environments."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (by default the shell's); returns the exit code."""
    prepare_streams()
    draw_into_files()
    parser = build_parser()
    args, extra = parser.parse_known_args(argv)
    if args.command is None:
        if extra:
            parser.error(f"unrecognized arguments: {' '.join(extra)}")
        parser.print_help()
        return 0
    place_extra(args, extra)
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
    except OSError as error:  # a full disk, a file that may not be read
        print(f"iris {args.command}: {fault(error)}", file=sys.stderr)
        return BAD_INPUT
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        print(f"iris {args.command}: {error}\n{SMALLER}", file=sys.stderr)
        return BAD_INPUT


def build_parser() -> argparse.ArgumentParser:
    """The parser of `iris`, with those of its commands."""
    parser = argparse.ArgumentParser(
        prog="iris",
        description="IRIS: an agent that learns inside its own world model.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="command")

    def add(
        run: Callable[[argparse.Namespace], int],
        name: str,
        about: str,
        add_help: bool = True,
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=about, description=about, add_help=add_help
        )
        command.set_defaults(run=run, parser=command)
        return command

    command = add(train, "train", "train an agent")
    add_overrides(command)
    command.add_argument(
        "--cfg", choices=["job"], help="print the resolved settings and do not run"
    )

    command = add(resume, "resume", "continue a run that stopped, exactly")
    command.add_argument("folder", metavar="RUN", help="its run folder")
    command.add_argument(
        "overrides",
        nargs="*",
        metavar="name=value",
        help="settings to go on with, e.g. tokenizer.updates.learning_rate=1e-4",
    )
    add_device_option(command)

    command = add(evaluate, "eval", "play test episodes with a trained agent")
    add_agent(command)
    add_eval_options(command)

    command = add(settings, "settings", "list every setting, its value and meaning")
    add_overrides(command)
    command.add_argument(
        "--changed", action="store_true", help="only departures from the paper"
    )

    add(games, "games", "list the games")

    add_tools(add)
    return parser


def add_eval_options(command: argparse.ArgumentParser) -> None:
    """How `iris eval` plays."""
    command.add_argument("--episodes", type=at_least_one, default=100, metavar="N")
    command.add_argument(
        "--envs", type=at_least_one, default=8, metavar="N", help="played side by side"
    )
    command.add_argument("--seed", type=a_seed, default=0)
    command.add_argument(
        "--temperature",
        type=a_temperature,
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
        "--out", type=a_path, metavar="FILE", help="write the JSON here, not to stdout"
    )
    command.add_argument(
        "--record",
        type=a_path,
        metavar="FILE",
        help="the table of own runs that the score is added to, which `iris figures`"
        " draws; by default results/runs/scores.csv",
    )
    command.add_argument("--no-record", action="store_true", help="add it to none")


def add_device_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", help="auto, cpu, cuda, mps; by default the run's")


def place_extra(args: argparse.Namespace, extra: list[str]) -> None:
    """Take the settings that argparse leaves over when an option came before them."""
    if hasattr(args, "arguments"):  # the command reads its own
        args.arguments = extra
        return
    if extra and (not hasattr(args, "overrides") or extra[0].startswith("-")):
        args.parser.error(f"unrecognized arguments: {' '.join(extra)}")
    if extra:
        args.overrides += extra


def train(args: argparse.Namespace) -> int:
    """iris train [overrides] [--cfg job]"""
    from iris_core.config import config_to_yaml, load_config

    config = load_config(overrides=args.overrides)
    if args.cfg:
        print(config_to_yaml(config), end="")
        return 0
    from iris_core.training.train import start

    with start(config) as state:
        print(f"run folder: {state.run.path}")
        return finish(state)


def resume(args: argparse.Namespace) -> int:
    """iris resume RUN [overrides] [--device DEVICE]"""
    from iris_core.config import config_to_yaml
    from iris_core.config.load import change_config
    from iris_core.runtime.files import write_atomic
    from iris_core.runtime.run_folder import Run
    from iris_core.training import checkpoint

    run = Run.open(args.folder)
    if args.overrides:
        run = replace(run, config=change_config(run.config, args.overrides))
    kept = config_to_yaml(run.config)
    run.config.device = args.device or run.config.device
    with run.writing():
        state = checkpoint.resume(run)
        if args.overrides:
            write_atomic(run.path / "config.yaml", kept)
        return finish(state)


def finish(state: TrainingState) -> int:
    """Train to the end, or until Ctrl-C, and say how to continue; the exit code."""
    from iris_core.training.component import DivergedError
    from iris_core.training.train import train_state

    command = f"iris resume {shlex.quote(str(state.run.path))}"
    try:
        result = train_state(state)
    except DivergedError as error:
        print(f"iris: {error}\n{way_on(state.run, DIVERGED)}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        with suppress(OSError):  # where nobody reads it either
            print(f"iris: {fault(error)}.\n{way_on(state.run)}", file=sys.stderr)
        return BAD_INPUT
    if result.interrupted:
        print(f"\nInterrupted and saved. To continue: {command}")
        return INTERRUPTED
    return 0


def way_on(run: Run, how: str = "") -> str:
    """How to go on with a run that stopped, if anything was saved; how: with what."""
    from iris_core.training.checkpoint import FILE

    if not (run.checkpoints / FILE).is_file():
        return "Nothing was saved yet: start again with iris train."
    command = f"iris resume {shlex.quote(str(run.path))}{how}"
    return f"What was saved before is whole. When that is mended, go on with: {command}"


def evaluate(args: argparse.Namespace) -> int:
    """iris eval RUN|AGENT [--episodes N] [--envs N] [--seed S] [--out FILE] ..."""
    from iris_core.pretrained import load_agent

    agent = load_agent(args.source, game=args.game)
    if args.out is not None:
        check_writable(args.out)
    table, message = where_to_record(agent, args)
    report = test_report(agent, args)
    text = json.dumps(report, indent=2) + "\n"
    if args.out is None:
        print(text, end="")
    else:
        args.out.write_text(text, encoding="utf-8")
    print(summary(report), file=sys.stderr)
    if table is not None:
        message = record_score(agent, report, table)
    print(message, file=sys.stderr)
    return 0


def test_report(agent: Agent, args: argparse.Namespace) -> dict[str, Any]:
    """Test episodes of an agent, and what they say about it, ready for JSON."""
    from iris_core.config import check
    from iris_core.envs.atari_100k import human_normalised
    from iris_core.evaluation import test_play
    from iris_core.runtime.device import resolve_device

    config = agent.config
    config.seed, config.device = args.seed, args.device or config.device
    test = config.evaluation
    if args.temperature is not None:
        test.temperature = args.temperature
    if args.noops is not None:
        config.env.test_noop_max = args.noops
    check(config)
    played = test_play.evaluate(
        agent.to(resolve_device(config.device)),
        episodes=args.episodes,
        num_envs=args.envs,
        seed=args.seed,
    )
    mean = float(played.returns.mean())
    reach = 1.96 * test_play.standard_error(played.returns)
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


def summary(report: dict[str, Any]) -> str:
    """The mean of a report, with its interval, in a line."""
    low, high = report["interval_95"]
    line = f"{report['game']}: mean return {report['mean']:.2f} [{low:.2f}, {high:.2f}]"
    if report["human_normalised"] is not None:
        line += f", human-normalised {report['human_normalised']:.3f}"
    return line


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
    from iris_core.envs import ATARI_100K, TOY_GAMES, list_games

    others = [game for game in list_games() if game not in ATARI_100K]
    for title, names in (
        ("the 26 of the paper (Atari 100k)", sorted(ATARI_100K)),
        ("the toy games", list(TOY_GAMES)),
        ("the others of the Arcade Learning Environment", others),
    ):
        print(f"{title}:")
        print(textwrap.indent(textwrap.fill(", ".join(names), 78), "  "))
    return 0


if __name__ == "__main__":
    sys.exit(main())
