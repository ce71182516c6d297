"""What the torture shares: processes that begin in milliseconds, forked from one that
is warm, and the harm that befalls them."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from running import make_state, train

from iris_core.training.callback import Callback

IMPORTED = (
    *("torch._dynamo", "torch.utils.tensorboard", "matplotlib.font_manager"),
    *("iris_core.cli", "iris_core.training.train", "iris_core.plotting.learning_curve"),
    *("iris_core.tools.play.command", "iris_core.tools.sweep.run"),
    "iris_core.tools.figures.write",
)
CHANGES = ("os.rename", "os.remove")  # as Python audits them, beside open
WRITES = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Harm:
    """What befalls a process.

    kind: a signal's name, after `at` seconds of its own; kill, at its at-th change of
    a file; torn, inside a write, past `at` bytes of a file; ENOSPC or EROFS, of every
    change from the at-th on.
    """

    kind: str
    at: float


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (below 0: by that signal, None: not in time),
    what it said, and its seconds and changes of files until then."""

    code: int | None
    said: str
    seconds: float
    changes: int


class Warm:
    """A process that has imported everything, from which others are forked."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.line, there = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(there,))
        self.process.start()

    def iris(
        self, *words: str, folder: Path, harm: Harm | None = None, limit: float = 300
    ) -> Ended:
        """Run a command line of iris in a folder, and what befalls it; limit: of its
        seconds, until it is killed."""
        self.line.send((words, folder, harm, limit))
        return self.line.recv()

    def close(self) -> None:
        self.line.send(None)
        self.process.join()


# In the warm process


def serve(line: Connection) -> None:
    """Fork a process for every request, one after another."""
    os.environ["TQDM_DISABLE"] = "1"
    for name in IMPORTED:
        import_module(name)
    from iris_core.config.load import presets
    from iris_core.training import components

    presets()
    components.INIT_FRAMES = 64  # networks start from few frames: the default is slow
    fork = multiprocessing.get_context("fork")
    while request := line.recv():
        words, folder, harm, limit = request
        spent = fork.Array("d", 2)
        process = fork.Process(target=begin, args=(words, folder, harm, spent))
        process.start()
        process.join(limit)
        late = process.is_alive()
        process.kill()
        process.join()
        said = (folder / ".log").read_text(errors="replace")
        code = None if late else process.exitcode
        line.send(Ended(code, said, spent[0], int(spent[1])))


def begin(words: tuple[str, ...], folder: Path, harm: Harm | None, spent: Any) -> None:
    """In the new process: a folder, streams and signals of its own, and the command."""
    from iris_core import cli

    os.chdir(folder)
    os.environ["HOME"] = str(folder)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stdout = sys.stderr = open(".log", "w", errors="replace")  # noqa: SIM115
    for stream in (1, 2):
        os.dup2(sys.stdout.fileno(), stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    befall(harm or Harm("", 0), spent)
    started = time.process_time()
    code = cli.main(words)
    spent[0] = time.process_time() - started
    sys.exit(code)


def befall(harm: Harm, spent: Any) -> None:
    """Count the changes of files below this folder, and prepare what is to happen."""
    here = os.getcwd()
    if harm.kind == "torn":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(harm.at), int(harm.at)))
    if harm.kind.startswith("SIG"):
        number = getattr(signal, harm.kind)
        signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), number))
        signal.setitimer(signal.ITIMER_PROF, harm.at)

    def on_event(event: str, details: tuple) -> None:
        writes = event == "open" and details[2] & WRITES
        if not (writes or event in CHANGES) or isinstance(details[0], int):
            return
        if not os.path.abspath(os.fsdecode(details[0])).startswith(here):
            return
        spent[1] += 1
        if harm.kind == "kill" and spent[1] == harm.at:
            os.kill(os.getpid(), signal.SIGKILL)
        if harm.kind in ("ENOSPC", "EROFS") and spent[1] >= harm.at:
            number = getattr(errno, harm.kind)
            raise OSError(number, os.strerror(number), str(details[0]))

    sys.addaudithook(on_event)


# Bytes that are not what was written


def mutate(data: bytes, draw: random.Random) -> bytes:
    """One thing done to a file's bytes."""
    a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    before, part, after = data[:a], data[a:b], data[b:]
    match draw.randrange(10):
        case 0:
            return before
        case 1:
            return before + after
        case 2:
            return before + part + part + after
        case 3:
            return before + after + part
        case 4:
            return before + bytes(len(part)) + after
        case 5:
            return before + draw.randbytes(draw.randrange(1, 9)) + part + after
        case 6:
            return draw.randbytes(draw.randrange(99)) * draw.randrange(2)
        case 7:
            flipped = int.from_bytes(part) ^ (1 << draw.randrange(8 * len(part) + 1))
            return before + flipped.to_bytes(len(part) + 1)[1:] + after
    return change_word(data, draw)


def change_word(data: bytes, draw: random.Random) -> bytes:
    """Another word, or number, in the place of one."""
    words = list(re.finditer(rb"[\w.+-]+", data))
    if not words:
        return b"?"
    start, end = draw.choice(words).span()
    new = draw.choice([*WORDS, draw.choice(words)[0], data[start:end] + b"0"])
    return data[:start] + new + data[end:]


WORDS = [b"-1", b"nan", b"-inf", b"1e999", b"9" * 400, b"null", b"true", b"{}", b"[1]"]
WORDS += [b"0", b"''", b'""', b"x", b"0.5", b"*a", b"&a", b"!!binary", b"=1", b"\xff"]


# What it came to


def summary(found: dict[str, Any]) -> str:
    """The figures of results/torture.json, as README.md has them."""
    kills, kinds = found["kills"], found["files"]["kinds"].values()
    mutated = sum(sum(ways.values()) for ways in kinds)
    sent = found["messages to the player"]["all"] + found["requests to its page"]["all"]
    struck = sum(found["sweep"]["kills"].values())
    return (
        f"`make torture`: {kills['all']} kills and full disks, 0 runs lost,"
        f" {kills['equal']} equal to the undisturbed one;\n{mutated:,} mutated files of"
        f" {len(kinds)} kinds, {found['command lines']['all']} command lines and"
        f" {sent:,} messages end in a sentence\nor in a result; a sweep outlives"
        f" {struck} kills of its processes."
    )


def memory() -> float:
    """What this process has in memory, in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


class Weigh(Callback):
    """Notes the memory after each epoch."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_epoch_end(self, state, metrics) -> None:
        self.found.append(memory())


def weigh_run(folder: Path, epochs: int) -> list[float]:
    """What a run weighs after each of its epochs, KiB."""
    overrides = [f"training.epochs={epochs}", "evaluation.every=100000"]
    weigh = Weigh()
    train(make_state(folder, *overrides, "collection.epochs=2"), weigh)
    return weigh.found
