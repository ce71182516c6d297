"""The player without a kernel: its folder, served as any static host serves it, in a
real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from playing import make_agent
from sites import make_site

from iris_core.tools.benchmarks import page_fps
from iris_core.tools.benchmarks.browser import serve_folder, shown, wait
from iris_core.tools.benchmarks.page_fps import play, worker_memory

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with two agents."""
    folder: Path = tmp_path_factory.mktemp("site")
    agents = {name: make_agent(never_ends=True) for name in ("catch", "other")}
    make_site(folder / "below" / "site", agents)
    return folder


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """The page's address, in a folder below the host's own."""
    with serve_folder(site) as host:
        yield f"{host}below/site/"


@pytest.fixture
def heard(page) -> Iterator[list[str]]:
    """The addresses that a page asks for; what it complains of fails the test."""
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield asked
    assert said == []


def open_player(page, address, query=""):
    """The player, paused at its first frames."""
    page.goto(f"{address}play.html{query}")
    player = shown(page)
    wait(page, "Number(s.step) > 2")  # nobody pressed anything
    page.keyboard.press("p")
    wait(page, "s.playing === 'false'")
    return player


def frame(player) -> np.ndarray:
    """The frame that is on the page, uint8 (64, 64, 4)."""
    canvas = player.locator("figure[data-panel=frame] canvas")
    rgba = canvas.evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, 64, 64).data]"
    )
    return np.array(rgba, np.uint8).reshape(64, 64, 4)


def test_it_opens_alive_and_asks_no_other_host(page, heard, address):
    page.goto(address)  # index.html is the same page
    player = shown(page)
    wait(page, "Number(s.step) > 5 && s.driver === 'agent' && s.place === 'dream'")
    assert frame(player)[..., :3].std() > 0
    assert "To take over, press" in player.locator(".overlay").inner_text()
    assert all(url.startswith((address, "data:")) for url in heard)
    assert player.locator("select[name=place]").is_hidden()  # there is no game
    for command in ("twin", "here", "save", "sheet", "keep"):
        buttons = player.locator(f"[data-command={command}]")
        assert not any(button.is_visible() for button in buttons.all())


def test_keys(page, heard, address):
    """Play, pause, step, back, a branch, and who plays."""
    player = open_player(page, address)
    page.keyboard.press("Home")
    wait(page, "s.step === '0'")
    page.keyboard.press("x")
    page.keyboard.press("n")
    wait(page, "s.step === '1' && s.branches === '2'")
    page.keyboard.press("b")
    wait(page, "s.step === '0'")
    page.keyboard.press("ArrowLeft")
    wait(page, "s.driver === 'human' && s.action === 'LEFT' && s.branches === '3'")
    page.keyboard.press("[")
    wait(page, "s.step === '1'")
    page.keyboard.press("m")
    wait(page, "s.driver === 'agent'")
    page.keyboard.press("p")
    wait(page, "s.playing === 'true' && Number(s.step) > 9")
    page.keyboard.down("ArrowRight")
    wait(page, "s.driver === 'human' && s.action === 'RIGHT'")
    page.keyboard.up("ArrowRight")
    wait(page, "s.action === 'NOOP'")
    page.keyboard.press("r")
    wait(page, "Number(s.step) < 9")
    page.keyboard.press("f")
    player.locator("summary").click()
    page.wait_for_function("document.querySelector('[name=seed]').value === '1'")


def test_panels_and_painting(page, heard, address):
    player = open_player(page, address)
    player.locator("summary").click()
    for panel in ("tokens", "surprise", "outcome", "tree"):
        player.locator(f"input[name={panel}]").click()
        player.locator(f"figure[data-panel={panel}] > canvas").wait_for()
    tokens = player.locator("figure[data-panel=tokens] > canvas")
    tokens.click(position={"x": 20, "y": 20})
    palette = player.locator(".palette canvas")
    palette.last.click()
    before = frame(player).astype(int)
    tokens.click(position={"x": 20, "y": 20})
    wait(page, "s.branches === '2'")
    changed = np.abs(frame(player) - before)
    assert changed[:16, :16].any() and not changed[16:].any()
    tokens.click(position={"x": 200, "y": 200})
    page.wait_for_timeout(300)
    assert player.get_attribute("data-branches") == "2"


def test_another_agent_from_the_menu(page, heard, address):
    player = open_player(page, address)
    player.locator("[data-part=menu]").click()
    cards = player.locator("[data-part=agents] button")
    assert cards.count() == 2
    pictures = player.locator("[data-part=agents] img")
    page.wait_for_function(
        "[...document.querySelectorAll('[data-part=agents] img')]"
        ".every((img) => img.naturalWidth === 64)"
    )
    assert pictures.count() == 2
    cards.last.click()
    wait(page, "s.playing === 'true' && Number(s.step) < 3")
    wait(page, "Number(s.step) > 3")


def test_an_agent_by_the_address(page, heard, address):
    page.goto(f"{address}play.html?agent=other")
    shown(page)
    assert any("agents/other/policy.onnx" in url for url in heard)
    assert not any("agents/catch/policy.onnx" in url for url in heard)


def test_a_recording_is_a_video(page, heard, address):
    """It counts frames, leaves the pauses out, and can be decoded."""
    player = open_player(page, address)
    player.locator("summary").click()
    player.focus()
    page.keyboard.press(",")
    player.get_by_text("■ stop (1)").wait_for()
    page.keyboard.press("p")
    page.wait_for_function(
        "Number(document.querySelector('[data-part=record]').textContent"
        ".match(/\\d+/)) > 40"
    )
    page.keyboard.press("p")
    page.wait_for_timeout(2000)  # of a pause, which is not in the video
    page.keyboard.press(",")
    with page.expect_download() as waiting:
        player.locator(".files a").click()
    assert waiting.value.suggested_filename.startswith("catch-1.")
    with av.open(str(waiting.value.path())) as file:
        frames = [each.to_ndarray(format="rgb24") for each in file.decode(video=0)]
    assert frames[0].shape == (512, 512, 3) and len(frames) > 20
    last = frames[-1][4::8, 4::8].astype(int)
    assert np.abs(last - frame(player)[..., :3]).mean() < 6


def test_a_phone(phone, address):
    """390 px wide: nothing is cut off, and a finger plays."""
    phone.goto(f"{address}play.html")
    player = shown(phone)
    player.locator("[data-button=RIGHT]").tap()
    wait(phone, "s.driver === 'human'")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_memory_stays_flat(page, heard, address):
    """When the tree is full it stays so: 2000 frames more would be half as much again,
    a garbage collector's mood is a fifth."""
    open_player(page, address)
    page.keyboard.press("p")
    for _ in range(2):
        page.keyboard.press("+")
    play(page, 3000)
    full = worker_memory(page)
    play(page, 2000)
    assert worker_memory(page) < 1.35 * full


def test_it_is_measured(page, address, monkeypatch):
    """`iris bench play`, of fewer frames."""
    for name, count in (("WARM", 5), ("FRAMES", 20), ("KEPT", 40)):
        monkeypatch.setattr(page_fps, name, count)
    found = page_fps.measure(page, address)
    assert min(found.values()) > 0
    assert found["at_30_a_second"] < 40
    assert found["mb_after_40"] > 1


def test_what_is_missing_is_said_in_a_sentence(page, site, tmp_path):
    """No such agent, a file that is not there, and a page that was opened as a file."""
    copy = tmp_path / "site"
    shutil.copytree(site / "below" / "site", copy)
    page.goto((copy / "play.html").as_uri())
    page.get_by_text("A browser starts no player from a file").wait_for()
    with serve_folder(copy) as address:
        page.goto(f"{address}play.html?agent=none")
        page.get_by_text('There is no agent "none": choose catch, other').wait_for()
        (copy / "agents" / "catch" / "policy.onnx").unlink()
        page.goto(f"{address}play.html")
        page.get_by_text(
            "catch/policy.onnx did not load: the answer was 404"
        ).wait_for()
    (copy / "ort" / "ort.wasm.min.js").unlink()
    with serve_folder(copy) as address:  # a host that the browser keeps nothing of
        page.goto(f"{address}play.html?agent=other")
        page.get_by_text("The runtime of the dream did not load").wait_for()
