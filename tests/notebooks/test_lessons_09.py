"""Notebook 09: its solutions are the library's."""

import pytest
from lessons.exercises import nb09 as exercises

from iris_core.tools.scores import statistics
from iris_core.tools.scores.scores import load_scores, score_matrix


def test_solutions_agree_with_the_library() -> None:
    scores = load_scores()
    ours, theirs = (score_matrix(scores, name) for name in ("IRIS", "SPR"))
    improved = statistics.improvement(ours, theirs)
    assert exercises.improvement.solution(ours, theirs) == pytest.approx(improved[0])
    gap = statistics.statistics(ours)[statistics.STATISTICS.index("optimality gap")]
    assert exercises.optimality_gap.solution(ours) == pytest.approx(gap)
