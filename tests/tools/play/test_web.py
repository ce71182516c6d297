"""The page's backend, in JavaScript: its own tests in node, and that it speaks as the
kernel's does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playing import make_session
from sites import node

from iris_core.tools.play.keys import COMMANDS
from iris_core.tools.play.panels import PANELS
from iris_core.tools.play.server import PlayServer
from iris_core.tools.play.session import MAX_NODES, SPEEDS

TESTS = Path(__file__).with_name("web")


@pytest.mark.parametrize("name", ["session", "backend", "files", "keys"])
def test_in_node(name):
    assert "# fail 0" in node(
        "--test", "--test-reporter=tap", TESTS / f"{name}.test.js"
    )


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the page's backend says of a dream after two branches."""
    return json.loads(node(TESTS / "describe.js"))


@pytest.fixture(scope="module")
def kernel(page, tmp_path_factory) -> dict[str, Any]:
    """The same of the kernel's."""
    session = make_session()
    server = PlayServer(
        session, tmp_path_factory.mktemp("saved"), [*page["hello"]["panels"]]
    )
    session.token = 0

    def ask(command: str, *args: Any) -> dict[str, Any]:
        return json.loads(json.dumps(server.answer({"do": command, "args": args})[0]))

    first, hello = ask("look"), ask("hello")
    for command, *args in (["step", None], ["step", None], ["back"], ["branch"]):
        ask(command, *args)
    return {"hello": hello, "first": first, "frame": ask("step", None)}


def test_it_knows_the_same_commands_and_panels(page):
    hello = page["hello"]
    possible = {k: [*v] for k, v in COMMANDS.items() if v[0] in hello["can"]}
    assert page["COMMANDS"] == possible
    titles = {name: panel["title"] for name, panel in hello["panels"].items()}
    assert titles == {name: PANELS[name].title for name in titles}
    assert all("dream" in PANELS[name].places for name in titles)
    assert (page["MAX_NODES"], page["SPEEDS"]) == (MAX_NODES, [*SPEEDS])


def test_its_answers_have_the_same_shape(page, kernel):
    assert kernel["hello"].keys() <= page["hello"].keys()
    assert kernel["frame"]["state"].keys() <= page["frame"]["state"].keys()
    for answer in ("first", "frame"):
        ours, theirs = page[answer]["data"], kernel[answer]["data"]
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert shape(ours[name]) == shape(theirs[name]), name
        names = [
            [p["name"] for p in each[answer]["pictures"]] for each in (page, kernel)
        ]
        assert sorted(names[0]) == sorted(names[1])


def shape(data: Any) -> Any:
    """Keys and kinds, without the values; of a list its first element's."""
    if isinstance(data, dict):
        return {key: shape(value) for key, value in data.items()}
    if isinstance(data, list):
        return [shape(value) for value in data[:1]]
    return "number" if isinstance(data, int | float) else type(data).__name__
