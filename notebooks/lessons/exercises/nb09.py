"""Exercises of notebook 09: the paper's evidence."""

from __future__ import annotations

import numpy as np

from lessons.exercises.exercise import exercise
from lessons.exercises.question import Choice

Matrix = np.ndarray  # normalised scores, (runs, games)


@exercise(
    array=np.array,
    cases=[
        ([[0.25, 3.0]],),
        ([[0.5, 0.0], [1.0, -0.5]],),
        ([[0.5], [3.0]],),  # two runs of a game
        ([[2.0, 5.0]],),
    ],
    slips={
        "that is the mean of the capped scores; the gap is what they lack": "1 - -> ",
        "what is above 1 made up for what is below; cap each"
        " score first": "np.minimum(scores, 1) -> scores",
        "cap each score, not each game's mean: a run above 1 must"
        " not help": "(scores, 1) -> (scores.mean(axis=0), 1)",
        "a score below 0 lacks more than 1; do not cap"
        " from below": "minimum(scores, 1) -> clip(scores, 0, 1)",
    },
)
def optimality_gap(scores: Matrix) -> float:
    return float(np.mean(1 - np.minimum(scores, 1)))


why_wider = Choice(
    "why_wider",
    "b",  # each column falls from the first row to the last
    a="seeds are not shared between games: training Alien with seed 0 says nothing of"
    " Boxing with seed 0. Look at single columns: each one falls",
    c="more replicates make both intervals steadier, not alike; try 20,000",
)


@exercise(
    array=np.array,
    cases=[
        ([[5.0, 1.0, 3.0]], [[1.0, 3.0, 1.0]]),
        ([[0.0, 1.0]], [[1.0, 2.0]]),
        ([[3.0, 2.0], [3.0, 4.0]], [[1.0, 1.0]]),
        ([[9.0, 1.0, 2.0]], [[6.0, 0.0, 1.0]]),
        ([[2.0, 4.0, 6.0, 3.0]], [[2.0, 4.0, 4.0, 4.0]]),
    ],
    slips={
        "k = 0 is the first try": "range(len -> range(1, len",
        "leave the games out of both algorithms: the other's mean"
        " changes too": "theirs[:, rest] -> theirs",
        "leave out OUR best games of both, not of each its own": (
            "theirs[:, rest] -> theirs[:, np.argsort(-theirs.mean(axis=0))[k:]]"
        ),
        "those are our worst games; begin with the best": "(-ours -> (ours",
        "sort the games: our best may stand anywhere": "order[k:] -> slice(k, None)",
        "ours stays ahead to the last game; then the answer is the number"
        " of games": "return len(order) -> return -1",
    },
)
def games_to_lose(ours: Matrix, theirs: Matrix) -> int:
    order = np.argsort(-ours.mean(axis=0))
    for k in range(len(order)):
        rest = order[k:]
        if ours[:, rest].mean() < theirs[:, rest].mean():
            return k
    return len(order)


@exercise(
    array=np.array,
    cases=[
        ([[1.0, 0.0], [3.0, 0.0]], [[2.0, 0.0]]),
        ([[1.0], [2.0], [3.0]], [[0.0], [2.5]]),
        ([[4.0, 1.0]], [[3.0, 2.0], [5.0, 1.0]]),
    ],
    slips={
        "ties count as losses there; each is half a win": " + 0.5 * (pairs == 0) -> ",
        "ties count as wins there; each is half a win": "0.5 * -> ",
        "that is the mean difference of wins and losses, from -1"
        " to 1": "(pairs > 0) + 0.5 * (pairs == 0) -> np.sign(pairs)",
        "that is how often theirs is better": "> 0 -> < 0",
        "games were mixed; compare runs of one"
        " game only": "ours[:, None] - theirs -> np.subtract.outer(ours, theirs)",
        "compare single runs, not the means of"
        " a game": "ours[:, None] - theirs -> ours.mean(axis=0) - theirs.mean(axis=0)",
    },
)
def improvement(ours: Matrix, theirs: Matrix) -> float:
    pairs = ours[:, None] - theirs  # (our runs, their runs, games)
    return float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
