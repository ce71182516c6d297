"""The 26 games of the Atari 100k benchmark, and what random play and humans score.

`REFERENCE` holds the figures that every Atari 100k paper normalises by (Mnih et al.,
2015; Wang et al., 2016).
"""

from __future__ import annotations

from typing import NamedTuple


class Reference(NamedTuple):
    """Mean returns of random play and of a human."""

    random: float
    human: float


REFERENCE: dict[str, Reference] = {
    "Alien": Reference(227.8, 7127.7),
    "Amidar": Reference(5.8, 1719.5),
    "Assault": Reference(222.4, 742.0),
    "Asterix": Reference(210.0, 8503.3),
    "BankHeist": Reference(14.2, 753.1),
    "BattleZone": Reference(2360.0, 37187.5),
    "Boxing": Reference(0.1, 12.1),
    "Breakout": Reference(1.7, 30.5),
    "ChopperCommand": Reference(811.0, 7387.8),
    "CrazyClimber": Reference(10780.5, 35829.4),
    "DemonAttack": Reference(152.1, 1971.0),
    "Freeway": Reference(0.0, 29.6),
    "Frostbite": Reference(65.2, 4334.7),
    "Gopher": Reference(257.6, 2412.5),
    "Hero": Reference(1027.0, 30826.4),
    "Jamesbond": Reference(29.0, 302.8),
    "Kangaroo": Reference(52.0, 3035.0),
    "Krull": Reference(1598.0, 2665.5),
    "KungFuMaster": Reference(258.5, 22736.3),
    "MsPacman": Reference(307.3, 6951.6),
    "Pong": Reference(-20.7, 14.6),
    "PrivateEye": Reference(24.9, 69571.3),
    "Qbert": Reference(163.9, 13455.0),
    "RoadRunner": Reference(11.5, 7845.0),
    "Seaquest": Reference(68.4, 42054.7),
    "UpNDown": Reference(533.4, 11693.2),
}

ATARI_100K = tuple(REFERENCE)


def human_normalised(game: str, score: float) -> float | None:
    """(score - random) / (human - random); None for a game without human scores."""
    if game not in REFERENCE:
        return None
    random, human = REFERENCE[game]
    return (score - random) / (human - random)


def raw_score(game: str, normalised: float) -> float:
    """The score of a human-normalised one, in one of the 26 games."""
    random, human = REFERENCE[game]
    return random + normalised * (human - random)
