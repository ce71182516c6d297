"""An exercise as data: its solution, the cases it is tried on, and readers' slips.

Call an exercise with an answer to check it. A slip is an edit of the solution's source,
or a function of its own. Where an answer differs from the solution, the verdict names
the slip that gives what the answer gives. A check answers at once and never stops the
notebook.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from lessons.exercises.compare import Wrong, difference, explain, show

Function = Callable[..., Any]
Arguments = tuple[Any, ...]
Place = tuple[int, int]  # a case, and a part of what is returned
Results = dict[Place, Any]  # an error that was raised is a result too

STUB = "Replace the ... in the cell above."


class NotAttempted(Wrong):
    """A stub is as it was."""


@dataclass(frozen=True)
class Verdict:
    """What a check says. state is "passed", "wrong" or "not attempted"."""

    exercise: str
    state: str
    message: str = ""

    def __repr__(self) -> str:
        sign = {"passed": "✔", "wrong": "✘", "not attempted": "○"}[self.state]
        text = f"\n  {self.message}" if self.message else ""
        return f"{sign} {self.exercise}: {self.state}{text}"


class Exercise:
    """Call it with an answer. slips: (message, a wrong answer that earns it)."""

    def __init__(
        self, name: str, solution: Any, slips: Iterable[tuple[str, Any]]
    ) -> None:
        self.name, self.solution, self.slips = name, solution, list(slips)

    def __call__(self, answer: Any) -> Verdict:
        try:
            if unwritten(answer):
                raise NotAttempted
            self.judge(answer)
        except NotAttempted:
            return Verdict(self.name, "not attempted", STUB)
        except Exception as error:  # whatever comes of an answer
            return Verdict(self.name, "wrong", explain(error))
        return Verdict(self.name, "passed")

    def judge(self, answer: Any) -> None:
        """Raise Wrong or NotAttempted unless the answer is right."""
        raise NotImplementedError


def unwritten(value: Any) -> bool:
    """Whether None or `...` is left in an answer, or inside its tuples and lists."""
    if isinstance(value, tuple | list):
        return any(unwritten(each) for each in value)
    return value is None or value is ...


@dataclass(frozen=True)
class exercise:
    """Decorates a solution: an exercise whose answer is a function.

    cases: arguments, or {a note on the result: arguments}; lists become an `array`.
    slips: {message: "old -> new"}, an edit of the solution, or {message: a function}.
    case: how a case is told, as a format of its arguments; without it they are listed.
    parts: names, if several things are returned. observe: what is compared, if not
    answer(*arguments).
    """

    cases: Sequence[Arguments] | Mapping[str, Arguments]
    slips: Mapping[str, str | Function]
    case: str = ""
    parts: Sequence[str] = ("",)
    observe: Function = lambda answer, *arguments: answer(*arguments)
    array: Function = list

    def __call__(self, solution: Function) -> FunctionExercise:
        return FunctionExercise(solution, self)

    def noted_cases(self) -> Iterator[tuple[str, Arguments]]:
        bare = (("", case) for case in self.cases)
        noted = self.cases.items() if isinstance(self.cases, Mapping) else bare
        for note, case in noted:
            yield note, tuple(self.array(x) if type(x) is list else x for x in case)


class FunctionExercise(Exercise):
    """An exercise whose answer is a function."""

    def __init__(self, solution: Function, setup: exercise) -> None:
        slips = [
            (message, edited(solution, slip) if isinstance(slip, str) else slip)
            for message, slip in setup.slips.items()
        ]
        super().__init__(solution.__name__, solution, slips)
        self.setup, self.cases = setup, list(setup.noted_cases())

    def judge(self, answer: Any) -> None:
        if not callable(answer):
            raise Wrong(f"give the function itself, not {answer!r}")
        got, wanted = self.results(guarded(answer)), self.results(self.solution)
        if all(isinstance(x, NotAttempted | NotImplementedError) for x in got.values()):
            raise NotAttempted
        if wrong := self.wrong_places(got, wanted):
            first = wrong[0]
            text = difference(got[first], wanted[first])
            why = self.find_slip(first, got, wanted) or self.cases[first[0]][0]
            text += f" ({why})" if why else ""
            raise Wrong(f"for {self.describe(first, got[first])}: {text}")

    def results(self, function: Function) -> Results:
        return {
            (number, part): value
            for number, (_, arguments) in enumerate(self.cases)
            for part, value in enumerate(self.run(function, arguments))
        }

    def run(self, function: Function, arguments: Arguments) -> Sequence[Any]:
        """A value for each part; an error stands for all of them."""
        parts = self.setup.parts
        try:
            with np.errstate(all="ignore"):  # some slips overflow
                result = self.setup.observe(function, *deepcopy(arguments))
            if len(parts) == 1:
                return [result]
            if not isinstance(result, tuple | list) or len(result) != len(parts):
                raise Wrong(f"return {len(parts)} things: {', '.join(parts)}")
            return result
        except Exception as error:  # whatever the reader's code raises
            return [error] * len(parts)

    def wrong_places(
        self, got: Results, wanted: Results, part: int | None = None
    ) -> list[Place]:
        """Where results differ, in order; of one part or of all."""
        places = [place for place in wanted if part in (None, place[1])]
        return [p for p in places if difference(got[p], wanted[p])]

    def find_slip(self, first: Place, got: Results, wanted: Results) -> str:
        """The message of the slip that explains most of what is wrong in one part of
        the results: `first`, and more than half of it all."""
        wrong = {*self.wrong_places(got, wanted, first[1])}
        found, most = "", 0.5
        for message, slip in self.slips:
            theirs = self.results(slip)
            slipped = {*self.wrong_places(theirs, wanted, first[1])}
            both = wrong & slipped
            same = {p for p in both if not difference(got[p], theirs[p], typed=False)}
            share = len(same) / len(wrong | slipped)
            if first in same and share > most:
                found, most = message, share
        return found

    def describe(self, place: Place, got: Any) -> str:
        """The case and the part, in words."""
        arguments, part = self.cases[place[0]][1], self.setup.parts[place[1]]
        names = inspect.signature(self.solution).parameters
        pairs = zip(names, map(show, arguments), strict=False)
        listed = ", ".join(f"{name} = {value}" for name, value in pairs)
        text = self.setup.case.format(*arguments) if self.setup.case else listed
        return f"{text}, {part}" if part and not isinstance(got, Exception) else text


def edited(solution: Function, edit: str) -> Function:
    """The solution with an edit, "old -> new", made in its source."""
    definition = re.search(r"^def .*", inspect.getsource(solution), re.M | re.S)
    old, new = edit.split(" -> ")
    if definition is None or old not in definition[0]:
        raise ValueError(f"{old!r} is not in the source of {solution.__name__}")
    names = dict(solution.__globals__)
    exec(definition[0].replace(old, new), names)
    return names[solution.__name__]


def guarded(answer: Function) -> Function:
    """The answer, which raises NotAttempted where it returns nothing."""

    def guard(*arguments: Any) -> Any:
        result = answer(*arguments)
        if unwritten(result):
            raise NotAttempted("nothing is returned; is a `return` missing?")
        return result

    return guard
