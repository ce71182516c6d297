"""The player in a real browser: JupyterLab, Notebook 7, and its own page."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from playing import make_agent

from iris_core.tools.benchmarks.browser import open_and_run, shown, wait, write_notebook
from iris_core.tools.play.page import PageServer
from iris_core.tools.play.recording import to_episode
from iris_core.tools.play.server import PlayServer
from iris_core.tools.play.session import Session

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
CELL = """
from iris_core.tools.play import play
player = play("catch.safetensors", place={place!r}, driver={driver!r})
player
"""


def cell(place: str, driver: str) -> str:
    return CELL.format(place=place, driver=driver).strip()


def decoded(path: Path) -> np.ndarray:
    """Every fourth pixel of a video's frames: (T, 64, 64, 3)."""
    with av.open(str(path)) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return np.stack(frames)[:, 1::4, 1::4]


READ = """canvas => JSON.stringify([...canvas.getContext("2d")
    .getImageData(0, 0, canvas.width, canvas.height).data])"""


def rgb(player) -> np.ndarray:
    """The frame that is on the page, uint8 (64, 64, 3)."""
    canvas = player.locator("figure[data-panel=frame] canvas")
    rgba = np.array(json.loads(canvas.evaluate(READ)), np.uint8)
    return rgba.reshape(64, 64, 4)[..., :3]


def test_jupyterlab(page, jupyter, served):
    """Keys arrive and stay here; pause, step, branch; a recording shows what was."""
    write_notebook(served / "one.ipynb", cell("game", "human"), "'the last cell'")
    player = open_and_run(page, jupyter("lab"), "lab", "one.ipynb")
    cells = page.locator(".jp-Cell").count()
    before = rgb(player)
    player.focus()
    page.keyboard.press("a")  # to JupyterLab: a cell above
    wait(page, "s.step === '1' && s.action === 'LEFT'")
    assert not np.array_equal(rgb(player), before)
    page.keyboard.press("ArrowRight")
    wait(page, "s.step === '2' && s.action === 'RIGHT'")
    player.locator("button[data-action='1']").click()
    wait(page, "s.step === '3' && s.action === 'LEFT'")
    assert page.locator(".jp-Cell").count() == cells

    page.keyboard.press("p")
    wait(page, "s.playing === 'true' && Number(s.step) > 5")
    page.keyboard.press("p")
    wait(page, "s.playing === 'false'")
    page.keyboard.press("r")
    wait(page, "s.step === '0'")

    player.locator("summary").click()
    player.locator("input[name=policy]").click()  # the video has the frame alone
    player.focus()
    page.keyboard.press(",")
    seen = [rgb(player)]
    for step, key in enumerate(["ArrowLeft", "n", "ArrowRight"], start=1):
        page.keyboard.press(key)
        wait(page, f"s.step === '{step}'")
        seen.append(rgb(player))
    page.keyboard.press("b")
    wait(page, "s.step === '2'")
    page.keyboard.press("ArrowLeft")
    wait(page, "s.step === '3' && s.branches === '2'")
    seen += [seen[2], rgb(player)]
    assert not np.array_equal(seen[3], seen[5])  # two futures

    page.keyboard.press(",")
    with page.expect_download() as waiting:
        player.locator(".files a").click()
    video = decoded(waiting.value.path())
    assert len(video) == len(seen)
    assert np.abs(video.astype(int) - np.stack(seen)).mean() < 3
    player.locator("input[name=tree]").click()
    player.locator("figure[data-panel=tree] canvas").wait_for()
    recordings = served / "media" / "recordings"
    kept = np.load(next(recordings.glob("catch-game-human-*.npz")))
    assert np.array_equal(kept["frames"], seen)


def test_notebook_7(page, jupyter, served):
    """The page of Notebook 7: a dream, and its error where it can be seen."""
    other = "player.session.set_driver('human')"
    write_notebook(served / "two.ipynb", cell("dream", "agent"), other)
    player = open_and_run(page, jupyter("notebook"), "notebook", "two.ipynb")
    before = rgb(player)
    player.focus()
    page.keyboard.press("n")
    wait(page, "s.step === '1' && s.driver === 'human'")
    assert not np.array_equal(rgb(player), before)
    page.keyboard.press("g")
    page.keyboard.press("m")
    wait(page, "s.driver === 'agent'")


@pytest.fixture
def address(tmp_path):
    agent = make_agent(never_ends=True)
    recorded = Session(agent, "game")
    for _ in range(9):
        recorded.advance()
    episodes = {"best": [to_episode(recorded.line)]}
    session = Session(agent, "dream", episodes=episodes)
    server = PageServer(PlayServer(session, tmp_path))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.address
    server.shutdown()
    server.server_close()
    thread.join()


def test_its_own_page(page, address):
    """Panels, a token changed, the game beside the dream, episodes, and an error."""
    page.goto(address)
    player = shown(page)
    player.locator("summary").click()
    for panel in ("tokens", "surprise", "outcome", "attention", "reconstruction"):
        player.locator(f"input[name={panel}]").click()
        player.locator(f"figure[data-panel={panel}] canvas").wait_for()
    player.focus()
    page.keyboard.press("n")
    wait(page, "s.step === '1'")
    tokens = player.locator("figure[data-panel=tokens] canvas")
    tokens.click(position={"x": 100, "y": 100})
    player.get_by_text("token 5, code").wait_for()
    before = rgb(player)
    player.get_by_text("+ 1").click()
    wait(page, "s.branches === '2'")
    page.wait_for_function("document.querySelector('.iris-player .error').hidden")
    assert before.shape == rgb(player).shape
    player.focus()
    page.keyboard.press("t")
    player.locator("figure[data-panel=twin] canvas").wait_for()
    page.keyboard.press("x")
    page.keyboard.press("n")
    wait(page, "s.step === '2'")
    player.locator("select[title=place]").select_option("replay")
    wait(page, "s.place === 'replay' && s.step === '0'")
    player.locator("figure[data-panel=timeline] canvas").click(
        position={"x": 400, "y": 9}
    )
    player.get_by_role("button", name="step ▶").click()
    wait(page, "s.step === '1'")
    player.locator("input[name=temperature]").fill("-1")
    player.locator("input[name=temperature]").press("Enter")
    player.get_by_text("temperature is -1; it must be above 0").wait_for()
