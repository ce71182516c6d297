"""Play with an agent and its world model: `iris play`, `iris record` and the widget.

session.py       who acts in which world, and the tree of everything played
worlds.py        the real game, a recorded episode and the dream, with one interface
side_by_side.py  the real game beside a dream, under the same actions
keys.py          the keyboard, from the names of a game's actions
render.py        panels: pure functions from a session to a picture
recording.py     videos, arrays, contact sheets, episodes to train on
starts.py        chosen moments at which dreams begin, and the menu of them
source.py        where agents and recorded episodes come from
server.py        a page's messages and their answers
page.py          the page without a notebook, and who may ask for it
player.py        the widget; its page is player.js and player.css
command.py       `iris play` and `iris record`; their options are in options.py
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iris_core.tools.play.player import Player as Player
    from iris_core.tools.play.player import play as play


def __getattr__(name: str) -> object:
    """`Player` and `play` are imported when they are used: they need anywidget."""
    if name in ("Player", "play"):
        return getattr(import_module("iris_core.tools.play.player"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
