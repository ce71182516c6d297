"""Checks of notebook 09: the paper's evidence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iris_core.tools.scores.scores import load_scores, score_matrix
from iris_core.tools.scores.statistics import improvement as chance
from lessons.exercise import Wrong, choose, exercise, expect

Matrix = np.ndarray  # normalised scores, (runs, games)


def shown(matrix: Matrix) -> str:
    """A small matrix on one line."""
    return str(matrix.tolist())


@exercise
def optimality_gap(answer: Callable[[Matrix], float]) -> None:
    for rows in ([[0.25, 3.0]], [[0.5, 0.0], [1.0, -0.5]], [[2.0, 5.0]]):
        scores = np.array(rows)
        got, case = float(answer(scores)), f"for scores {shown(scores)}"
        wanted = 1 - np.minimum(scores, 1).mean()
        slips = {
            "that is the mean of the capped scores; the gap is what they lack to 1": (
                np.minimum(scores, 1).mean()
            ),
            "what is above 1 made up for what is below; cap each score first": (
                1 - scores.mean()
            ),
            "cap each score, not each game's mean: a run above 1 must not help": (
                1 - np.minimum(scores.mean(axis=0), 1).mean()
            ),
            "a score below 0 lacks more than 1; do not cap from below": (
                1 - np.clip(scores, 0, 1).mean()
            ),
        }
        for slip, value in slips.items():
            if np.isclose(got, value) and not np.isclose(value, wanted):
                raise Wrong(f"{case}: got {got:.4g}, expected {wanted:.4g}; {slip}")
        expect(got, wanted, case)


@exercise
def why_wider(answer: str) -> None:
    replies = {
        "a": "seeds are not shared between games: training Alien with seed 0 says"
        " nothing of Boxing with seed 0. Look at single columns: each one falls",
        "c": "more replicates make both intervals steadier, not alike; try 20,000",
    }
    choose(answer, "b", replies)


def left_out(ours: Matrix, theirs: Matrix) -> int:
    """How many of our best games are left out until our mean is below theirs."""
    order = np.argsort(-ours.mean(axis=0))
    for k in range(len(order)):
        if ours[:, order[k:]].mean() < theirs[:, order[k:]].mean():
            return k
    return len(order)


@exercise
def games_to_lose(answer: Callable[[Matrix, Matrix], int]) -> None:
    cases = [
        ([[5.0, 1.0, 3.0]], [[1.0, 3.0, 1.0]]),  # after two; a draw after one
        ([[0.0, 1.0]], [[1.0, 2.0]]),  # at once
        ([[3.0, 2.0], [3.0, 4.0]], [[1.0, 1.0]]),  # never
    ]
    for mine, yours in cases:
        ours, theirs = np.array(mine), np.array(yours)
        got, wanted = answer(ours, theirs), left_out(ours, theirs)
        case = f"for ours {shown(ours)} and theirs {shown(theirs)}"
        if got == wanted + 1 and wanted < ours.shape[1]:
            raise Wrong(f"{case}: got {got}, expected {wanted}; k = 0 is the first try")
        if wanted == ours.shape[1] and got != wanted:
            raise Wrong(
                f"{case}: got {got}, but ours stays ahead to the last game; then the"
                f" answer is the number of games, {wanted}"
            )
        expect(got, wanted, case)
    scores = load_scores()
    ours, theirs = (score_matrix(scores, name) for name in ("IRIS", "SPR"))
    best = np.sort(ours.mean(axis=0))[::-1]
    alone = next(k for k in range(26) if best[k:].mean() < theirs.mean())
    got = answer(ours, theirs)
    if got == alone:
        raise Wrong(
            f"for IRIS and SPR: got {got}; leave the games out of both algorithms, for"
            " SPR's mean changes too"
        )
    expect(got, left_out(ours, theirs), "for IRIS and SPR")


@exercise
def improvement(answer: Callable[[Matrix, Matrix], float]) -> None:
    for mine, yours in (
        ([[1.0, 0.0], [3.0, 0.0]], [[2.0, 0.0]]),
        ([[1.0], [2.0], [3.0]], [[0.0], [2.5]]),
        ([[4.0, 1.0]], [[3.0, 2.0], [5.0, 1.0]]),
    ):
        ours, theirs = np.array(mine), np.array(yours)
        case = f"for ours {shown(ours)} and theirs {shown(theirs)}"
        got, wanted = float(answer(ours, theirs)), float(chance(ours, theirs)[0])
        pairs = ours[:, None] - theirs
        slips = {
            "ties count as losses there; each is half a win": (pairs > 0).mean(),
            "ties count as wins there; each is half a win": (pairs >= 0).mean(),
            "that is the mean difference of wins and losses, from -1 to 1": (
                np.sign(pairs).mean()
            ),
            "games were mixed; compare runs of one game only": (
                np.sign(np.subtract.outer(ours.ravel(), theirs.ravel())).mean() + 1
            )
            / 2,
        }
        for slip, value in slips.items():
            if np.isclose(got, value) and not np.isclose(value, wanted):
                raise Wrong(f"{case}: got {got:.4g}, expected {wanted:.4g}; {slip}")
        expect(got, wanted, case)
