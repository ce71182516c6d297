"""How many frames of a dream the player shows a second: `iris bench play`.

The parts apart: the model's step and the drawing in processor time, the way to the page
and the page's own work by the clock; then all together, in JupyterLab in a real
browser, while the agent dreams and while the same dream is shown again without the
model.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from iris_core.bench import machine
from iris_core.config import ConfigError, load_config
from iris_core.envs import action_meanings, make_env
from iris_core.models.agent import Agent
from iris_core.tools.play.render import PANELS
from iris_core.tools.play.server import PlayServer
from iris_core.tools.play.session import SPEEDS, Session
from iris_core.tools.play.source import open_source
from iris_core.training.runs import write_atomic
from iris_core.widgets.browser import (
    FLAGS,
    PATIENCE,
    find_chromium,
    open_and_run,
    start_jupyter,
    wait,
    write_notebook,
)

AGENT = "agent.safetensors"
FRAMES = 200  # of each measurement
CELL = """
from iris_core.tools.play import play
player = play({agent!r}, panels=("frame",))
player.session.speed = {speed}
player"""


def main(argv: Sequence[str]) -> int:
    """iris bench play [RUN|AGENT] [--out FILE]; returns the exit code."""
    parser = argparse.ArgumentParser(prog="iris bench play", description=__doc__)
    about = "by default random weights of the tutorial preset's sizes, for Freeway"
    parser.add_argument("source", nargs="?", metavar="RUN|AGENT", help=about)
    out = Path("results", "benchmarks", "play-cpu.json")
    parser.add_argument("--out", type=Path, default=out, metavar="FILE")
    args = parser.parse_args(argv)
    agent = open_source(args.source).agent if args.source else endless_agent()
    session = Session(agent)
    milliseconds = kernel_parts(session)
    shown: dict[str, float] = {}
    if find_chromium() is None:
        print("No chromium on the PATH: the page is not measured.")
    else:
        on_page, shown = page_parts(agent)
        milliseconds |= on_page
    report = {
        "agent": args.source or "preset=tutorial, random weights",
        "frames": FRAMES,
        "machine": machine(session.agent.config),
        "milliseconds": milliseconds,
        "frames_a_second": {name: 1000 / ms for name, ms in milliseconds.items()},
        "shown_a_second": shown,
    }
    write_atomic(args.out, json.dumps(report, indent=2) + "\n")
    print(f"{json.dumps(report, indent=2)}\n{args.out}")
    return 0


def endless_agent() -> Agent:
    """An agent of the tutorial preset, whose dreams never end; what its weights are
    does not change how long it takes."""
    config = load_config("tutorial")
    agent = Agent.from_config(
        config, len(action_meanings(make_env(config.env, "test")))
    )
    last = agent.world_model.head_ends[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([100.0, -100.0]))
    return agent.eval()


def kernel_parts(session: Session) -> dict[str, float]:
    """The median milliseconds of the model's step and of the drawing."""
    frame = PlayServer(session, Path(), ["frame"])
    everything = PlayServer(
        session, Path(), [name for name in PANELS if name != "timeline"]
    )
    session.advance()
    look = {"do": "look"}
    return {
        "model": milliseconds(session_step(session)),
        "drawing": milliseconds(lambda: frame.answer(look)),
        "drawing_all_panels": milliseconds(lambda: everything.answer(look)),
    }


def session_step(session: Session) -> Callable[[], object]:
    """A step of the dream, and another dream where one ends."""

    def step() -> None:
        if session.cursor.obs.end:
            session.new_start()
        session.advance()

    return step


def milliseconds(do: Callable[[], object]) -> float:
    """The median of many calls, in processor time: other programs do not count."""
    times = []
    for _ in range(FRAMES):
        started = time.process_time()
        do()
        times.append(1000 * (time.process_time() - started))
    return median(times)


def page_parts(agent: Agent) -> tuple[dict[str, float], dict[str, float]]:
    """Milliseconds of transport and page, and the frames shown a second.

    ConfigError if the dream ends before enough frames were shown.
    """
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        agent.save(Path(folder, AGENT))
        cell = CELL.format(agent=AGENT, speed=SPEEDS[-1]).strip()
        write_notebook(Path(folder, "bench.ipynb"), cell)
        server, address = start_jupyter("lab", Path(folder))
        browser = driver.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            page = browser.new_page()
            page.set_default_timeout(1000 * PATIENCE)
            return drive(page, open_and_run(page, address, "lab", "bench.ipynb"))
        finally:
            browser.close()
            server.terminate()
            server.wait()


def drive(page: Any, player: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Step one by one, let it dream, and show the same again."""
    apart: list[dict[str, float]] = []
    player.focus()
    for step in range(1, 41):  # one at a time: what each part takes alone
        page.keyboard.press("n")
        wait(page, f"Number(s.step) >= {step}")
        apart.append(times(player))
    shown = {}
    for name in ("dream", "without_the_model"):
        if name == "without_the_model":
            page.keyboard.press("Home")
            wait(page, "s.step === '0'")
        page.keyboard.press("p")
        wait(page, f"Number(s.step) >= {FRAMES} || s.end === 'true'")
        if player.get_attribute("data-end") == "true":
            raise ConfigError("The dream ended too soon: take another agent.")
        shown[name] = times(player)["rate"]
        page.keyboard.press("p")
        wait(page, "s.playing === 'false'")
    names = ("transport", "page")
    return {name: median(each[name] for each in apart) for name in names}, shown


def times(player: Any) -> dict[str, float]:
    """What the page measured last."""
    found: dict[str, float] = json.loads(player.get_attribute("data-times"))
    return found
