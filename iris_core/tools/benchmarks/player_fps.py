"""How many frames of a dream the player shows a second: `iris bench play`.

The parts apart: the model's step and the drawing, the way to the page and the page's
own work; then all together, in JupyterLab in a real browser, while the agent dreams and
while the same dream is shown again without the model. And the page that runs the dream
itself, without a kernel.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from iris_core.agent import Agent
from iris_core.config import ConfigError, load_config
from iris_core.envs import action_meanings, make_env
from iris_core.runtime.files import write_atomic
from iris_core.tools.benchmarks import browser
from iris_core.tools.benchmarks.browser import wait
from iris_core.tools.benchmarks.page_fps import measure_page
from iris_core.tools.benchmarks.parts import with_bar
from iris_core.tools.benchmarks.timing import Part, machine, timed
from iris_core.tools.export.page import write_player
from iris_core.tools.play.panels import PANELS
from iris_core.tools.play.server import PlayServer
from iris_core.tools.play.session import SPEEDS, Session
from iris_core.tools.play.source import open_source

AGENT = "agent.safetensors"
REPEATS, FRAMES = 20, 200  # of a part timed alone; of a dream on the page
CELL = """
from iris_core.tools.play import play
player = play({agent!r}, panels=())
player.session.speed, player.session.playing = {speed}, False
player"""

Times = dict[str, float]  # milliseconds, or frames a second


def main(argv: Sequence[str]) -> int:
    """iris bench play [RUN|AGENT] [--out FILE]; returns the exit code."""
    parser = argparse.ArgumentParser(prog="iris bench play", description=__doc__)
    about = "by default random weights of the tutorial preset's sizes, for Freeway"
    parser.add_argument("source", nargs="?", metavar="RUN|AGENT", help=about)
    out = Path("results", "benchmarks", "play-cpu.json")
    parser.add_argument("--out", type=Path, default=out, metavar="FILE")
    args = parser.parse_args(argv)
    agent = open_source(args.source).agent if args.source else endless_agent()
    milliseconds, shown, alone = kernel_parts(Session(agent)), Times(), Times()
    if browser.find_chromium() is None:
        print("No chromium on the PATH: the page is not measured.")
    else:
        on_page, shown = page_parts(agent)
        milliseconds |= on_page
        alone = without_a_kernel(agent)
    report = {
        "agent": args.source or "preset=tutorial, random weights",
        "frames": FRAMES,
        "machine": machine(agent.config),
        "milliseconds": milliseconds,
        "frames_a_second": {name: 1000 / ms for name, ms in milliseconds.items()},
        "shown_a_second": shown,
        "without_a_kernel": alone,
    }
    text = json.dumps(report, indent=2)
    write_atomic(args.out, text + "\n")
    print(f"{text}\n{args.out}")
    return 0


def endless_agent() -> Agent:
    """An agent of the tutorial preset, whose dreams never end; what its weights are
    does not change how long it takes."""
    config = load_config("tutorial")
    agent = Agent(config, action_meanings(make_env(config.env, "test")))
    last = agent.world_model.head_ends[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.bias.copy_(torch.tensor([100.0, -100.0]))
    return agent.eval()


def kernel_parts(session: Session) -> Times:
    """Milliseconds of the model's step and of the drawing."""
    frame = PlayServer(session, Path(), [])
    everything = PlayServer(session, Path(), list(PANELS))

    def step() -> None:
        if session.cursor.obs.end:
            session.new_start()
        session.advance()

    parts: dict[str, Part] = {
        "model": step,
        "drawing": lambda: frame.answer({"do": "look"}),
        "drawing_all_panels": lambda: everything.answer({"do": "look"}),
    }
    device = session.agent.device
    return {k: 1000 * timed(do, REPEATS, device)["median"] for k, do in with_bar(parts)}


def page_parts(agent: Agent) -> tuple[Times, Times]:
    """Milliseconds of transport and page, and the frames shown a second.

    ConfigError if the dream ends before enough frames were shown.
    """
    from playwright.sync_api import sync_playwright

    chromium, name = browser.find_chromium(), "bench.ipynb"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        agent.save(Path(folder, AGENT))
        cell = CELL.format(agent=AGENT, speed=SPEEDS[-1]).strip()
        browser.write_notebook(Path(folder, name), cell)
        server, address = browser.start_jupyter("lab", Path(folder))
        window = driver.chromium.launch(executable_path=chromium, args=browser.FLAGS)
        try:
            page = window.new_page()
            page.set_default_timeout(1000 * browser.PATIENCE)
            player = browser.open_and_run(page, address, "lab", name)
            player.focus()
            return step_by_step(page, player), {
                "dream": frames_a_second(page, player),
                "without_the_model": frames_a_second(page, player, again=True),
            }
        finally:
            window.close()
            server.terminate()
            server.wait()


def without_a_kernel(agent: Agent) -> Times:
    """How the page does that runs the dream itself."""
    with tempfile.TemporaryDirectory() as folder:
        source, site = Path(folder, AGENT), Path(folder, "site")
        agent.save(source)
        write_player(site, [source])
        return measure_page(site)


def step_by_step(page: Any, player: Any) -> Times:
    """What each part takes where frames come one at a time: medians."""
    each = []
    for step in tqdm(range(1, 41), desc="page", unit="frame", leave=False):
        page.keyboard.press("n")
        wait(page, f"Number(s.step) >= {step}")
        each.append(json.loads(player.get_attribute("data-times")))
    return {name: median(one[name] for one in each) for name in ("transport", "page")}


def frames_a_second(page: Any, player: Any, again: bool = False) -> float:
    """While it dreams, or shows the same dream again."""
    if again:
        page.keyboard.press("Home")
        wait(page, "s.step === '0'")
    page.keyboard.press("p")
    wait(page, f"Number(s.step) >= {FRAMES} || s.end === 'true'")
    if player.get_attribute("data-end") == "true":
        raise ConfigError("The dream ended too soon: take another agent.")
    rate: float = json.loads(player.get_attribute("data-times"))["rate"]
    page.keyboard.press("p")
    wait(page, "s.playing === 'false'")
    return rate
