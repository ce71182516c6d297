"""The keyboard: keys for a game's actions and for the page's commands.

Keys are named as browsers name them (`KeyboardEvent.key`), letters in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

BUTTONS = {  # an Atari joystick's, of which action names are made, and their keys
    "UP": ["ArrowUp", "w"],
    "DOWN": ["ArrowDown", "s"],
    "LEFT": ["ArrowLeft", "a"],
    "RIGHT": ["ArrowRight", "d"],
    "FIRE": [" "],
}
COMMANDS = {  # key: (command, what it does); no key of a joystick is among them
    "p": ("play", "play or pause"),
    "n": ("step", "one step forward"),
    "b": ("back", "one step back"),
    "m": ("driver", "agent or human"),
    "r": ("reset", "restart from the same frame"),
    "f": ("new", "start from another frame"),
    "x": ("branch", "branch off here"),
    "[": ("earlier", "previous branch"),
    "]": ("later", "next branch"),
    "t": ("twin", "the real game beside the dream"),
    "g": ("here", "dream on from here"),
    ",": ("record", "start or stop recording"),
    "-": ("slower", "slower"),
    "+": ("faster", "faster"),
    "Home": ("first", "to the start"),
    "End": ("last", "to the end"),
}


def buttons_of(action: str) -> frozenset[str]:
    """UPRIGHTFIRE is UP, RIGHT and FIRE; NOOP is none; other names are one button."""
    buttons = re.findall("|".join(BUTTONS), action)
    joystick = "".join(buttons) == action or action == "NOOP"
    return frozenset(buttons if joystick else [action])


def key_map(actions: Sequence[str]) -> dict[str, list[str]]:
    """The keys of each button of a game; buttons of no joystick have digits."""
    digits = {name: [str(i)][: i < 10] for i, name in enumerate(actions)}
    keys = BUTTONS | {name: digits[name] for name in actions if name not in BUTTONS}
    used = {button for action in actions for button in buttons_of(action)}
    return {button: keys[button] for button in keys if button in used}


def action_of(held: Iterable[str], actions: Sequence[str]) -> int | None:
    """The action for the keys held down; None if the game uses none of them.

    It is the action that needs most of the held buttons and no others.
    """
    held = set(held)
    buttons = {button for button, keys in key_map(actions).items() if held & set(keys)}
    if not buttons:
        return None
    possible = [i for i, name in enumerate(actions) if buttons_of(name) <= buttons]
    return max(possible, key=lambda i: len(buttons_of(actions[i])), default=None)
