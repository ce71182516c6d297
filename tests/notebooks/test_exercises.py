"""Every exercise on its solution, its stubs and its slips; and what checks tell."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import torch
from lessons.build.series import SERIES
from lessons.exercises.exercise import Exercise, FunctionExercise, exercise
from lessons.exercises.question import Choice, Letters, Number, Several


def all_exercises() -> dict[str, Exercise]:
    """ "nb03-mask_for_new" and so on."""
    return {
        f"{lesson}-{name}": thing
        for lesson in (f"nb{each.number:02d}" for each in SERIES)
        for name, thing in vars(import_module(f"lessons.exercises.{lesson}")).items()
        if isinstance(thing, Exercise)
    }


EVERY = [pytest.param(each, id=name) for name, each in all_exercises().items()]
SLIPS = [
    pytest.param(each, message, wrong, id=f"{name}-{number}")
    for name, each in all_exercises().items()
    for number, (message, wrong) in enumerate(each.slips)
]


def test_an_exercise_is_found_under_its_name() -> None:
    names = {name: each.name for name, each in all_exercises().items()}
    assert len(names) >= 47
    assert [name for name, own in names.items() if name.partition("-")[2] != own] == []


@pytest.mark.parametrize("each", EVERY)
def test_a_solution_passes(each: Exercise) -> None:
    assert each(each.solution).state == "passed", each(each.solution)


@pytest.mark.parametrize("each", EVERY)
def test_a_stub_was_not_attempted(each: Exercise) -> None:
    stubs: list[Any] = [..., None]
    if callable(each.solution):
        stubs += [lambda *_: ..., lambda *_: None, lambda *_: [1, ...], unwritten]
    if isinstance(each.solution, tuple):
        stubs += [(*each.solution[:-1], ...), [[...], *each.solution[1:]]]
    assert {each(stub).state for stub in stubs} == {"not attempted"}


def unwritten(*_: Any) -> None:
    raise NotImplementedError


@pytest.mark.parametrize("each", EVERY)
def test_two_slips_are_known(each: Exercise) -> None:
    assert len(each.slips) >= 2


@pytest.mark.parametrize(("each", "message", "wrong"), SLIPS)
def test_a_slip_is_told_from_all_others(
    each: Exercise, message: str, wrong: Any
) -> None:
    verdict = each(wrong)
    assert verdict.state == "wrong", verdict
    function = isinstance(each, FunctionExercise)
    assert verdict.message.endswith(f" ({message})" if function else f": {message}")


# What is told of an answer that makes no known slip


@exercise(
    cases={"two halves": ([1.0, 3.0], 2), "one whole": ([8.0, 4.0, 0.0], 1)},
    array=torch.tensor,
    slips={"divide": " / parts -> ", "not the square": "/ parts -> / parts**2"},
)
def shares(x: torch.Tensor, parts: int) -> torch.Tensor:
    return x / parts


def given_to(x: torch.Tensor, parts: int) -> torch.Tensor:
    x += 1
    return x / parts


WRONG = [
    (lambda x, n: x - n, "for x = [1, 3], parts = 2: got [-1, 1], expected [0.5, 1.5]"),
    (lambda x, n: x - n, "(two halves)"),
    (lambda x, n: x[None], "shape (1, 2), expected (2,)"),
    (lambda x, n: x.sum(), "shape (), expected (2,)"),
    (lambda x, n: x[1:], "got [3], expected [0.5, 1.5]"),
    (lambda x, n: x / 0, "got [inf, inf]"),
    (lambda x, n: "words", "got words, expected [0.5, 1.5]"),
    (lambda x, n: [[1.0], [1.0, 2.0]], "got [[1.0], [1.0, 2.0]], expected"),
    (lambda x: x, "for x = [1, 3], parts = 2: TypeError: "),
    (lambda x, n: x / n if n > 1 else None, "parts = 1: nothing is returned; is a"),
    (given_to, "got [1, 2]"),
    ([0.5, 1.5], "give the function itself, not [0.5, 1.5]"),
    # Half of what is wrong is no slip that is known
    (lambda x, n: x if n > 1 else -x, "(two halves)"),
]


@pytest.mark.parametrize(("answer", "message"), WRONG)
def test_another_wrong_answer_is_shown_where_it_differs(
    answer: Any, message: str
) -> None:
    verdict = shares(answer)
    assert verdict.state == "wrong" and message in verdict.message


def test_a_slip_is_known_beside_another_mistake() -> None:
    def divides_not_and_cuts(x: torch.Tensor, parts: int) -> torch.Tensor:
        return x if parts > 1 else x[:1]

    three = [([float(n)], n) for n in (2, 3, 4)]
    slip = {"divide": " / parts -> "}
    each = exercise(cases=three, array=torch.tensor, slips=slip)(shares.solution)
    assert "(divide)" in each(lambda x, n: x if n < 4 else x[:0]).message
    assert "(divide)" not in each(lambda x, n: x if n < 3 else x[:0]).message
    assert "(divide)" not in each(lambda x, n: x if n > 2 else x[:0]).message
    assert "(divide)" not in shares(divides_not_and_cuts).message


@exercise(
    cases=[([[0, 5], [7, 1]],)],
    array=torch.tensor,
    parts=["where", "how many"],
    slips={"less": "> 0 -> < 0"},
)
def positive(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    return x > 0, int((x > 0).sum())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: (x > 1, 3), "where: got False at [1, 1], expected True"),
        (lambda x: (x > 0, 4), "for x = [[0, 5], [7, 1]], how many: got 4, expected 3"),
        (lambda x: ((x > 0).int(), 3), "where: type int32, expected bool"),
        (lambda x: x > 0, "for x = [[0, 5], [7, 1]]: return 2 things: where, how many"),
        (lambda x: (x < 0, 3), "(less)"),
        (lambda x: ((x < 0).int(), 3), "where: type int32, expected bool (less)"),
    ],
)
def test_parts_are_told_apart(answer: Any, message: str) -> None:
    verdict = positive(answer)
    assert verdict.state == "wrong" and message in verdict.message


def test_whole_numbers_may_come_as_floats_and_lists_but_must_be_equal() -> None:
    assert positive(lambda x: ([[False, True], [True, True]], 3.0)).state == "passed"
    assert positive(lambda x: (x > 0, 3.0001)).state == "wrong"


def test_an_edit_must_fit_the_solution() -> None:
    with pytest.raises(ValueError, match="'minus' is not in the source of shares"):
        exercise(cases=[], slips={"oh": "minus -> plus"})(shares.solution)


# Questions


@pytest.mark.parametrize("letter", ["b", "B", "(b)", ' "b" '])
def test_a_letter_may_be_written_in_other_ways(letter: str) -> None:
    assert Choice("each", "b", a="no")(letter).state == "passed"


@pytest.mark.parametrize("letters", ["bd", "D, b", "db"])
def test_letters_may_come_in_any_order(letters: str) -> None:
    assert Letters("each", "bd", a="no", b="", d="")(letters).state == "passed"


def double(answer: Any) -> float:
    return 2.0 * answer


LETTERS = Letters("some", "bd", a="no", b="yes", d="too")
PAIR = Several("pair", Number("size", 3, {"less": 4}, "more", double), LETTERS)


@pytest.mark.parametrize(
    ("each", "answer", "message"),
    [
        (Choice("each", "b", a="no"), "A", "not a: no"),
        (Choice("each", "b", a="no"), "A.", 'got \'A.\'; choose one of "a", "b"'),
        (LETTERS, "adb", "not a: no"),
        (LETTERS, "b", "d is missing: too"),
        (LETTERS, 3, "got 3; choose from the letters a, b, d"),
        (PAIR, (4, "bd"), "size: got 4: less"),
        (PAIR, (5, "bd"), "size: got 5: more"),
        (PAIR, (3, "d"), "some: b is missing: yes"),
        (PAIR, 3, "give 2 answers, (size, some); got 3"),
        (PAIR, ("3", "bd"), "size: TypeError"),
    ],
)
def test_a_wrong_choice_is_told_why(each: Exercise, answer: Any, message: str) -> None:
    verdict = each(answer)
    assert verdict.state == "wrong" and verdict.message.startswith(message)
