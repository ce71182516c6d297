"""Playing with an agent and its world model: what `iris play` and the widget share.

session.py       a state machine: who plays where, back and forth, branches
worlds.py        the real game, the dream and a recorded episode, stepped alike
imagination.py   the world model, telling what it expected
side_by_side.py  the real game beside a dream, under the same actions
keys.py          the keyboard, from the names of a game's actions
render.py        pure functions from a view of a session to a picture
recording.py     videos, arrays, contact sheets, episodes to learn from
source.py        what there is to play with
server.py        a page's messages and the answers; the page without a notebook
player.py        the widget, with player.js and player.css
command.py       `iris play` and `iris record`, with options.py
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iris_core.play.player import Player as Player
    from iris_core.play.player import play as play


def __getattr__(name: str) -> object:
    """`Player` and `play`, imported when they are asked for: they need anywidget."""
    if name in ("Player", "play"):
        return getattr(import_module("iris_core.play.player"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
