"""The keyboard: keys for a game's actions and for the page's commands.

Keys are named as browsers name them (`KeyboardEvent.key`), letters in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

BUTTONS = {  # an Atari joystick's, of which action names are made, and their keys
    "UP": ["ArrowUp", "w"],
    "DOWN": ["ArrowDown", "s"],
    "LEFT": ["ArrowLeft", "a"],
    "RIGHT": ["ArrowRight", "d"],
    "FIRE": [" "],
}
SEEN_AS = {"Pong": {"RIGHT": "UP", "LEFT": "DOWN"}}  # where the paddle really goes
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


def key_map(actions: Sequence[str], game: str = "") -> dict[str, list[str]]:
    """The keys of each button of a game; buttons of no joystick have digits. Keys
    follow the eye as well: Pong's RIGHT moves the paddle up."""
    digits = {name: [str(i)][: i < 10] for i, name in enumerate(actions)}
    keys = BUTTONS | {name: digits[name] for name in actions if name not in BUTTONS}
    used = {button for action in actions for button in buttons_of(action)}
    seen = {button: BUTTONS[as_] for button, as_ in SEEN_AS.get(game, {}).items()}
    return {b: [*keys[b], *seen.get(b, [])] for b in keys if b in used}
