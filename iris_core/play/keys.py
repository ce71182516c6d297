"""The keyboard: the keys of a game's actions, and those of the page's commands.

Keys have the names that browsers give them (`KeyboardEvent.key`), letters in lower
case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

PARTS = {  # what the name of an Atari action is made of, and the keys that stand for it
    "UP": ["ArrowUp", "w"],
    "DOWN": ["ArrowDown", "s"],
    "LEFT": ["ArrowLeft", "a"],
    "RIGHT": ["ArrowRight", "d"],
    "FIRE": [" "],
}
COMMANDS = {  # key: (command, what it does); letters that no game takes
    "p": ("play", "play or pause"),
    "n": ("step", "one step"),
    "b": ("back", "one step back"),
    "m": ("driver", "agent or you"),
    "r": ("reset", "the same start again"),
    "f": ("new", "a new start frame"),
    "x": ("branch", "branch: act anew from here"),
    "[": ("earlier", "the branch before"),
    "]": ("later", "the next branch"),
    "t": ("twin", "the real game beside the dream"),
    "g": ("here", "dream from here"),
    ",": ("record", "start or stop recording"),
    "-": ("slower", "slower"),
    "+": ("faster", "faster"),
    "Home": ("first", "to the start"),
    "End": ("last", "to the end"),
}


def parts_of(meaning: str) -> frozenset[str]:
    """UPRIGHTFIRE is UP, RIGHT and FIRE; NOOP is nothing, any other name is itself."""
    parts = re.findall("|".join(PARTS), meaning)
    known = "".join(parts) == meaning or meaning == "NOOP"
    return frozenset(parts if known else [meaning])


def key_map(meanings: Sequence[str]) -> dict[str, list[str]]:
    """The keys of every part of a game's actions; other actions have their number."""
    numbers = {name: [str(i)][: i < 10] for i, name in enumerate(meanings)}
    parts = {part for meaning in meanings for part in parts_of(meaning)}
    keys = PARTS | {name: numbers[name] for name in meanings if name not in PARTS}
    return {part: keys[part] for part in keys if part in parts}


def action_of(held: Iterable[str], meanings: Sequence[str]) -> int | None:
    """The action that held keys ask for; None if none of them is a key of the game.

    Of the actions that need no other keys, it is the one that needs most of these.
    """
    held = set(held)
    parts = {part for part, keys in key_map(meanings).items() if held & set(keys)}
    if not parts:
        return None
    fits = [i for i, meaning in enumerate(meanings) if parts_of(meaning) <= parts]
    return max(fits, key=lambda i: len(parts_of(meanings[i])), default=None)
