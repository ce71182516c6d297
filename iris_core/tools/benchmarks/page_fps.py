"""How the player does in a page without a kernel, for `iris bench play`.

The agent is exported, its folder served on this machine, and played in a headless
chromium: how long until the first frame, how many frames a second at full speed, the
longest gap at the usual pace, and how the memory grows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from iris_core.tools.benchmarks import browser

WARM = 300  # frames until the browser has compiled everything well
FRAMES = 600  # that are timed
KEPT = 10_000  # frames over which memory is watched
USUAL = 30  # frames a second
COLLECT, HEAP = "HeapProfiler.collectGarbage", "Runtime.getHeapUsage"
RECORD = """([frames]) => new Promise((done) => {
  const player = document.querySelector(".iris-player"), times = [];
  const anew = player.querySelector("[data-command=new]");
  const watcher = new MutationObserver(() => {
    times.push(performance.now());
    if (player.dataset.end === "true") anew.click();
    if (times.length <= frames) return;
    watcher.disconnect();
    const gaps = times.slice(1).map((t, i) => t - times[i]);
    done({ rate: 1000 * frames / (times.at(-1) - times[0]), gap: Math.max(...gaps) });
  });
  watcher.observe(player, { attributeFilter: ["data-step"] });
})"""


def measure_page(folder: Path) -> dict[str, float]:
    """Of the first agent in a player's folder."""
    from playwright.sync_api import sync_playwright

    chromium = browser.find_chromium()
    with browser.serve_folder(folder) as address, sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=chromium, args=browser.FLAGS)
        try:
            page = window.new_page()
            page.set_default_timeout(1000 * browser.PATIENCE)
            return measure(page, address)
        finally:
            window.close()


def measure(page: Any, address: str) -> dict[str, float]:
    """All figures, of the player at an address."""
    started = time.perf_counter()
    page.goto(f"{address}play.html")
    browser.shown(page)
    found = {"seconds_to_first_frame": time.perf_counter() - started}
    return found | paces(page) | memory(page)


def paces(page: Any) -> dict[str, float]:
    """Frames a second at full speed, and the longest gap at the usual pace."""
    page.keyboard.press("-")  # touched: it goes on dreaming where it is
    page.keyboard.press("+")
    play(page, WARM)
    usual = play(page, FRAMES)
    for _ in range(2):
        page.keyboard.press("+")
    full = play(page, FRAMES)
    return {
        "full_speed_a_second": full["rate"],
        f"at_{USUAL}_a_second": usual["rate"],
        f"at_{USUAL}_longest_gap_ms": usual["gap"],
    }


def play(page: Any, frames: int) -> dict[str, float]:
    result: dict[str, float] = page.evaluate(RECORD, [frames])
    return result


def memory(page: Any) -> dict[str, float]:
    """Megabytes that the dream's worker holds after a quarter of KEPT frames, when its
    tree is full, and after all."""
    counts = KEPT // 4, KEPT
    found = {}
    for before, count in pairwise((0, *counts)):
        play(page, count - before)
        found[f"mb_after_{count}"] = worker_memory(page) / 2**20
    return found


def worker_memory(page: Any) -> int:
    """Bytes of the JavaScript objects and buffers of a page's worker."""
    devtools = page.context.new_cdp_session(page)
    workers: list[str] = []
    answers: list[dict[str, Any]] = []
    attached, told = "Target.attachedToTarget", "Target.receivedMessageFromTarget"
    devtools.on(attached, lambda event: workers.append(event["sessionId"]))
    devtools.on(told, lambda event: answers.append(json.loads(event["message"])))
    how = {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False}
    devtools.send("Target.setAutoAttach", how)
    until(page, lambda: workers)
    for number, method in enumerate((COLLECT, COLLECT, HEAP)):  # buffers go later
        message = json.dumps({"id": number, "method": method})
        to_worker = {"sessionId": workers[0], "message": message}
        devtools.send("Target.sendMessageToTarget", to_worker)
    until(page, lambda: any(answer.get("id") == 2 for answer in answers))
    result = next(answer for answer in answers if answer.get("id") == 2)["result"]
    devtools.detach()
    return int(result["usedSize"]) + int(result["backingStorageSize"])


def until(page: Any, ready: Callable[[], object]) -> None:
    """Let the page's events come until something is there."""
    for _ in range(100 * browser.PATIENCE):
        if ready():
            return
        page.wait_for_timeout(10)
    raise TimeoutError("the browser does not answer")
