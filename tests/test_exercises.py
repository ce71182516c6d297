"""Every exercise's check: on its solution, on a stub, on plausible wrong answers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from lessons.exercise import Wrong, choose
from lessons.series import SERIES

LESSONS = [f"nb{lesson.number:02d}" for lesson in SERIES]


def exercises(lesson: str) -> list[str]:
    """The checks of a notebook: what @exercise has wrapped."""
    module = import_module(f"lessons.check.{lesson}")
    own = {n: x for n, x in vars(module).items() if is_of(module.__name__, x)}
    return [name for name, check in own.items() if hasattr(check, "__wrapped__")]


def is_of(module: str, thing: object) -> bool:
    """Made there, not imported."""
    return getattr(thing, "__module__", None) == module


def all_exercises() -> Iterator[Any]:
    """Each exercise with its check and its solution."""
    for lesson in LESSONS:
        check = import_module(f"lessons.check.{lesson}")
        solutions = import_module(f"solutions.{lesson}")
        for name in exercises(lesson):
            pair = getattr(check, name), getattr(solutions, name)
            yield pytest.param(*pair, id=f"{lesson}-{name}")


def answers(table: str) -> Iterator[Any]:
    """The rows of the tables WRONG and STUBS in wrong_answers/, with their checks."""
    for lesson in LESSONS:
        check = import_module(f"lessons.check.{lesson}")
        rows = getattr(import_module(f"wrong_answers.{lesson}"), table, [])
        for number, (name, *answer) in enumerate(rows):
            identity = f"{lesson}-{number}-{name}"
            yield pytest.param(getattr(check, name), *answer, id=identity)


@pytest.mark.parametrize(("check", "solution"), list(all_exercises()))
def test_a_solution_passes(check: Any, solution: Any) -> None:
    verdict = check(solution)
    assert verdict.state == "passed", verdict


@pytest.mark.parametrize(("check", "solution"), list(all_exercises()))
def test_an_untouched_stub_was_not_attempted(check: Any, solution: Any) -> None:
    stubs = [..., None]
    if callable(solution):
        stubs += [lambda *_: ..., lambda *_: None]
    assert [check(stub).state for stub in stubs] == ["not attempted"] * len(stubs)


@pytest.mark.parametrize(("check", "stub"), list(answers("STUBS")))
def test_half_a_stub_was_not_attempted(check: Any, stub: Any) -> None:
    assert check(stub).state == "not attempted"


@pytest.mark.parametrize(("check", "answer", "told"), list(answers("WRONG")))
def test_a_wrong_answer_is_told_why(check: Any, answer: Any, told: str) -> None:
    verdict = check(answer)
    assert verdict.state == "wrong", verdict
    assert told in verdict.message


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_check_meets_two_wrong_answers(lesson: str) -> None:
    met = [row[0] for row in import_module(f"wrong_answers.{lesson}").WRONG]
    assert [name for name in exercises(lesson) if met.count(name) < 2] == []


@pytest.mark.parametrize("letter", ["b", "B", "(b)", ' "b" '])
def test_a_letter_may_be_written_in_other_ways(letter: str) -> None:
    choose(letter, "b", {"a": "no"})


@pytest.mark.parametrize(("answer", "told"), [("A.", "one of"), ("A", "not a: no")])
def test_another_letter_is_told_why(answer: str, told: str) -> None:
    with pytest.raises(Wrong, match=told):
        choose(answer, "b", {"a": "no"})
