"""The player in a real browser: JupyterLab, Notebook 7, and its own page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from playing import make_agent, served_page

from iris_core.tools.benchmarks.browser import open_and_run, shown, wait, write_notebook
from iris_core.tools.play.recording import to_episode
from iris_core.tools.play.session import Session
from iris_core.tools.play.starts import Recorded, Starts

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
CELL = """
from iris_core.tools.play import play
player = play("catch.safetensors", place={place!r}, driver={driver!r})
player.session.playing = {playing}
player
"""


def cell(place: str, driver: str, playing: bool = False) -> str:
    return CELL.format(place=place, driver=driver, playing=playing).strip()


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
    player.locator("[data-button=LEFT]").click()
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


def test_a_restarted_kernel_is_noticed(page, jupyter, served):
    """The page says what to do when nobody answers any more."""
    write_notebook(served / "three.ipynb", cell("dream", "agent"))
    player = open_and_run(page, jupyter("lab"), "lab", "three.ipynb")
    page.evaluate(RESTART)
    player.focus()
    page.keyboard.press("n")
    player.get_by_text("If the kernel was restarted, run the cell again").wait_for()


RESTART = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  return panel.sessionContext.session.kernel.restart();
}"""


@pytest.fixture
def address(tmp_path) -> Iterator[str]:
    """A page that plays a dream, with recorded episodes beside it."""
    agent = make_agent(never_ends=True)
    recorded = Session(agent, "game")
    for _ in range(9):
        recorded.advance()
    episodes = {"best": [to_episode(recorded.line)]}
    session = Session(agent, "dream", episodes=episodes)
    session.playing = True
    with served_page(tmp_path, session) as server:
        yield server.address


def open_player(page, address):
    """The player, paused at its first frames."""
    page.goto(address)
    player = shown(page)
    wait(page, "Number(s.step) > 2")  # nobody pressed anything
    page.keyboard.press("p")
    wait(page, "s.playing === 'false'")
    return player


def test_it_opens_alive_and_is_taken_over_by_a_key(page, address):
    page.goto(address)
    player = shown(page)
    overlay = player.locator(".overlay")
    assert overlay.inner_text() == "The agent plays. To take over, press ← →"
    wait(page, "Number(s.step) > 5 && s.driver === 'agent'")
    page.keyboard.down("ArrowLeft")  # it has the focus on its own page
    wait(page, "s.driver === 'human' && s.action === 'LEFT'")
    page.keyboard.up("ArrowLeft")
    wait(page, "s.action === 'NOOP'")
    assert overlay.is_hidden()
    assert "15 / s" in player.inner_text()  # the game's own pace
    page.keyboard.press("m")
    wait(page, "s.driver === 'agent'")


def test_a_dream_that_flashes_waits_for_a_click(page, tmp_path):
    present = {"agent": 1.0, "human": 1.0, "game": 1.0}
    starts = Starts([Recorded(0, [1, 2])], [1, 2], present, flashes=True)
    session = Session(make_agent(never_ends=True), starts=starts)
    session.playing = True
    with served_page(tmp_path, session) as server:
        page.goto(server.address)
        player = shown(page)
        page.wait_for_timeout(1000)
        assert player.get_attribute("data-step") == "0"
        warning = player.locator(".overlay")
        assert warning.inner_text() == "This dream flashes. Click to watch it."
        player.locator("figure[data-panel=frame] canvas").click()
        wait(page, "Number(s.step) > 2")
        assert warning.is_hidden()


def test_play_and_an_arrow_in_one_round_trip_both_count(page, address):
    open_player(page, address)
    page.keyboard.press("m")
    wait(page, "s.driver === 'human'")
    page.evaluate("""() => {
        const root = document.querySelector(".iris-player");
        for (const key of ["p", "ArrowLeft"]) {
            root.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        }
    }""")
    wait(page, "s.playing === 'true' && s.action === 'LEFT'")


def test_an_end_is_left_by_any_key_of_the_game(page, address):
    player = open_player(page, address)
    player.locator("select[title=where]").select_option("game")
    wait(page, "s.place === 'game'")
    page.keyboard.press("m")
    player.focus()
    page.keyboard.down("ArrowLeft")
    if player.get_attribute("data-playing") == "false":
        page.keyboard.press("p")
    wait(page, "s.end === 'true'")
    page.keyboard.up("ArrowLeft")
    assert player.locator(".over").is_visible()
    page.keyboard.press("ArrowRight")
    wait(page, "s.end === 'false' && s.playing === 'true'")


def test_keys_never_scroll_the_page(page, address):
    page.set_viewport_size({"width": 800, "height": 300})
    player = open_player(page, address)
    player.focus()
    for key in ("ArrowDown", " ", "End", "PageDown"):
        page.keyboard.press(key)
    assert page.evaluate("window.scrollY") == 0


def test_its_own_page(page, address):
    """Panels, the game beside the dream, episodes, and an error."""
    player = open_player(page, address)
    player.locator("summary").click()
    for panel in ("tokens", "surprise", "outcome", "attention", "tree"):
        player.locator(f"input[name={panel}]").click()
        player.locator(f"figure[data-panel={panel}] > canvas").wait_for()
    assert player.locator("input[name=original]").is_hidden()  # a dream has none
    player.focus()
    page.keyboard.press("r")
    wait(page, "s.step === '0'")
    page.keyboard.press("t")
    player.locator("figure[data-panel=real] canvas").wait_for()
    sizes = [
        player.locator(f"figure[data-panel={name}] canvas").bounding_box()
        for name in ("frame", "real")
    ]
    assert sizes[0]["width"] == sizes[1]["width"] and sizes[0]["y"] == sizes[1]["y"]
    page.keyboard.press("n")
    page.keyboard.press("b")
    page.keyboard.press("x")
    page.keyboard.press("n")
    wait(page, "s.step === '1' && s.branches === '2'")
    player.locator("select[title=where]").select_option("replay")
    wait(page, "s.place === 'replay' && s.step === '0'")
    assert player.locator(".driver").is_hidden()
    assert player.locator(".pads").is_hidden()
    player.locator("canvas.timeline").click(position={"x": 500, "y": 9})
    player.locator("[data-command=step]").click()
    wait(page, "s.step === '1'")
    player.locator("select[title=where]").select_option("dream")
    player.locator("input[name=temperature]").fill("-1")
    player.locator("input[name=temperature]").press("Enter")
    player.get_by_text("temperature is -1; it must be above 0").wait_for()
    player.locator("input[name=temperature]").fill("1")
    player.locator("input[name=temperature]").press("Enter")
    player.locator(".error").wait_for(state="hidden")


def test_painting_makes_one_branch(page, address):
    """A token is selected, a code chosen, and two tokens painted: one on the tokens,
    one on the frame."""
    player = open_player(page, address)
    player.locator("summary").click()
    player.locator("input[name=tokens]").click()
    tokens = player.locator("figure[data-panel=tokens] > canvas")
    tokens.click(position={"x": 100, "y": 100})
    palette = player.locator(".palette canvas")
    palette.first.wait_for()
    before = rgb(player)
    palette.last.click()
    tokens.click(position={"x": 20, "y": 20})
    wait(page, "s.branches === '2'")
    once = rgb(player)
    frame = player.locator("figure[data-panel=frame] canvas")
    frame.click(position={"x": 400, "y": 400})
    page.wait_for_timeout(500)
    assert player.get_attribute("data-branches") == "2"
    changed = [
        np.abs(a.astype(int) - b) for a, b in [(before, once), (once, rgb(player))]
    ]
    assert changed[0][:16, :16].any() and not changed[0][16:].any()
    assert changed[1][48:, 48:].any() and not changed[1][:48].any()
    page.keyboard.press("Escape")
    palette.first.wait_for(state="hidden")


def test_a_phone(phone, address):
    """390 px wide: nothing is cut off, and a finger plays."""
    phone.goto(address)
    player = shown(phone)
    player.locator("[data-button=RIGHT]").tap()
    wait(phone, "s.driver === 'human'")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_reload_and_a_second_page_show_the_same_dream(page, browser, address):
    open_player(page, address)
    at = page.locator(".iris-player").get_attribute("data-step")
    page.reload()
    shown(page)
    wait(page, f"s.step === '{at}' && s.playing === 'false'")
    other = browser.new_page()
    other.goto(address)
    wait(other, f"s.step === '{at}'")
    other.keyboard.press("n")
    wait(other, f"Number(s.step) === {at} + 1")
    other.close()
    page.keyboard.press("b")
    wait(page, f"s.step === '{at}'")


def test_a_server_that_ended_is_said(page, address):
    player = open_player(page, address)
    page.context.set_offline(True)
    page.keyboard.press("n")
    player.get_by_text("Start it again, and open its new address").wait_for()
