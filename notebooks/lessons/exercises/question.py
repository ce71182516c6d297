"""Exercises whose answer is a value. The right one is not told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from lessons.exercises.compare import Wrong, show
from lessons.exercises.exercise import Exercise


class Choice(Exercise):
    """One letter or word. replies: to each of the others."""

    def __init__(self, name: str, solution: str, **replies: str) -> None:
        super().__init__(name, solution, [(reply, x) for x, reply in replies.items()])
        self.replies = replies

    def judge(self, answer: Any) -> None:
        letter = str(answer).strip(" \"'()").lower()
        if letter in self.replies:
            raise Wrong(f"not {letter}: {self.replies[letter]}")
        if letter != self.solution:
            letters = '", "'.join(sorted([self.solution, *self.replies]))
            raise Wrong(f'got {answer!r}; choose one of "{letters}"')


class Letters(Exercise):
    """Several letters, in any order. replies: to each that is wrongly chosen or wrongly
    left out."""

    def __init__(self, name: str, solution: str, **replies: str) -> None:
        flipped = [(reply, {*solution} ^ {x}) for x, reply in replies.items()]
        super().__init__(name, solution, [(reply, "".join(x)) for reply, x in flipped])
        self.replies = replies

    def judge(self, answer: Any) -> None:
        chosen = {letter for letter in str(answer).lower() if letter.isalpha()}
        if not chosen or chosen - {*self.replies}:
            letters = ", ".join(self.replies)
            raise Wrong(f"got {answer!r}; choose from the letters {letters}")
        for letter in sorted(chosen ^ {*self.solution}):
            text = f"not {letter}" if letter in chosen else f"{letter} is missing"
            raise Wrong(f"{text}: {self.replies[letter]}")


class Number(Exercise):
    """A number. slips: {message: a wrong number}. otherwise: to any other. read: an
    answer as a number."""

    def __init__(
        self,
        name: str,
        solution: Any,
        slips: Mapping[str, Any],
        otherwise: str,
        read: Callable[[Any], float] = float,
    ) -> None:
        super().__init__(name, solution, slips.items())
        self.otherwise, self.read = otherwise, read

    def judge(self, answer: Any) -> None:
        value = self.read(answer)
        replies = [("", self.solution), *self.slips, (self.otherwise, answer)]
        near = (
            x for x in replies if math.isclose(value, self.read(x[1]), abs_tol=0.01)
        )
        if reply := next(near)[0]:
            raise Wrong(f"got {show(answer)}: {reply}")


class Several(Exercise):
    """A tuple of answers."""

    def __init__(self, name: str, *parts: Exercise) -> None:
        self.parts, rights = parts, [part.solution for part in parts]
        wrong = [
            (message, (*rights[:at], answer, *rights[at + 1 :]))
            for at, part in enumerate(parts)
            for message, answer in part.slips
        ]
        super().__init__(name, tuple(rights), wrong)

    def judge(self, answer: Any) -> None:
        names = ", ".join(part.name for part in self.parts)
        if not isinstance(answer, tuple | list) or len(answer) != len(self.parts):
            raise Wrong(f"give {len(self.parts)} answers, ({names}); got {answer!r}")
        for part, each in zip(self.parts, answer, strict=True):
            verdict = part(each)
            if verdict.state != "passed":
                raise Wrong(f"{part.name}: {verdict.message}")
