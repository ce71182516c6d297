"""The keyboard, from the names of a game's actions.

Keys have the names that browsers give them (`KeyboardEvent.key`), letters in lower
case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PARTS = {  # what the name of an Atari action is made of, and the keys that stand for it
    "UP": ("ArrowUp", "w"),
    "DOWN": ("ArrowDown", "s"),
    "LEFT": ("ArrowLeft", "a"),
    "RIGHT": ("ArrowRight", "d"),
    "FIRE": (" ",),
}
SHOWN = {
    "ArrowUp": "↑",
    "ArrowDown": "↓",
    "ArrowLeft": "←",
    "ArrowRight": "→",
    " ": "space",
}


def parts_of(meaning: str) -> frozenset[str]:
    """The parts of an action's name: UPRIGHTFIRE is UP, RIGHT and FIRE, NOOP none."""
    rest, found = meaning, set()
    while rest and rest != "NOOP":
        part = next((part for part in PARTS if rest.startswith(part)), rest)
        found.add(part)
        rest = rest[len(part) :]
    return frozenset(found)


def keys_of(part: str, meanings: Sequence[str]) -> tuple[str, ...]:
    """The keys of a part; an action whose name says nothing has its number."""
    if part in PARTS:
        return PARTS[part]
    number = meanings.index(part)
    return (str(number),) if number < 10 else ()


def key_map(meanings: Sequence[str]) -> dict[str, list[str]]:
    """The keys of every part that a game's actions are made of."""
    parts = {part for meaning in meanings for part in parts_of(meaning)}
    order = [*PARTS, *meanings]
    return {
        part: list(keys_of(part, meanings)) for part in sorted(parts, key=order.index)
    }


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
