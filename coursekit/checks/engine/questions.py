"""The kinds of question. Each knows the right answer and the usual wrong ones, with their hints.

Every `judge` takes any object and returns one line; `check` catches what it did not foresee.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from coursekit.checks.engine import sandbox as calling
from coursekit.checks.engine.sandbox import Raised
from coursekit.checks.engine.values import as_number, as_shape, difference, name_of, same, written


@dataclass(frozen=True)
class Verdict:
    """What a checker says: `right`, and one line of text. It prints as that line."""

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return ("Right. " if self.right else "Not yet. ") + self.message


class Question(Protocol):
    """What `check` needs of a question."""

    def judge(self, answer: object) -> Verdict:
        """Judge an answer of any type."""


@dataclass(frozen=True)
class NumberQuestion:
    """A question whose answer is one number.

    `hints` maps a wrong number to the mistake behind it; `unit` is told when the answer is no
    number at all.
    """

    expected: float
    praise: str
    hints: Mapping[float, str]
    unit: str
    tolerance: float = 5e-4

    def judge(self, answer: object) -> Verdict:
        number = as_number(answer)
        if number is None:
            kind = type(answer).__name__
            return Verdict(False, f"The answer should be one number, {self.unit}; got {kind}.")
        if not math.isfinite(number):
            return Verdict(False, f"The answer should be a finite number, got {number}.")
        if math.isclose(number, self.expected, abs_tol=self.tolerance):
            return Verdict(True, self.praise)
        for wrong, hint in self.hints.items():
            if math.isclose(number, wrong, abs_tol=self.tolerance):
                return Verdict(False, hint)
        if any(math.isclose(number, round(self.expected, digits)) for digits in (1, 2)):
            return Verdict(False, "That is rounded too far; give three decimals or more.")
        return Verdict(False, f"{written(number, 6)} is not it. The answer is {self.unit}.")


@dataclass(frozen=True)
class ShapeQuestion:
    """A question whose answer is a shape: a tuple of whole numbers, channels first.

    `hints` maps a wrong shape to the mistake behind it.
    """

    expected: tuple[int, ...]
    praise: str
    hints: Mapping[tuple[int, ...], str]

    def judge(self, answer: object) -> Verdict:
        shape = as_shape(answer)
        if shape is None:
            kind = type(answer).__name__
            return Verdict(False, f"The answer should be a tuple of whole numbers, got {kind}.")
        if shape == self.expected:
            return Verdict(True, self.praise)
        if shape in self.hints:
            return Verdict(False, self.hints[shape])
        if len(shape) != len(self.expected):
            axes = f"{len(self.expected)} {'axis' if len(self.expected) == 1 else 'axes'}"
            return Verdict(False, f"The shape has {axes}, yours has {len(shape)}.")
        order = "" if len(shape) == 1 else " The order is channels, height, width."
        return Verdict(False, f"{shape} is not it.{order}")


@dataclass(frozen=True)
class ChoiceQuestion:
    """A question whose answer is one word, or a set of words, out of `options`.

    `hints` maps a wrong answer, a frozenset of words, to the mistake behind it. Capitals, spaces
    around a word, and the choice of space, hyphen or underscore in it do not count. A text may
    hold several words, separated by commas.
    """

    expected: frozenset[str]
    options: tuple[str, ...]
    praise: str
    hints: Mapping[frozenset[str], str]

    def judge(self, answer: object) -> Verdict:
        words = answer.split(",") if isinstance(answer, str) else answer
        if not isinstance(words, (list, tuple, set, frozenset)) or not all(
            isinstance(word, str) for word in words
        ):
            form = "a word" if len(self.expected) == 1 else "a set of words"
            return Verdict(False, f"The answer should be {form}, as text; got {name_of(answer)}.")
        known_as = {_plain(option): option for option in self.options}
        chosen = frozenset(known_as.get(_plain(word), word.strip()) for word in words)
        unknown = sorted(chosen - set(self.options))
        if unknown:
            known = ", ".join(self.options)
            return Verdict(False, f"{unknown[0]!r} is not one of the words: {known}.")
        if chosen == self.expected:
            return Verdict(True, self.praise)
        if chosen in self.hints:
            return Verdict(False, self.hints[chosen])
        return Verdict(False, self._count(chosen))

    def _count(self, chosen: frozenset[str]) -> str:
        if len(self.expected) == 1:
            return "That is not it; read the question again." if chosen else "Choose a word."
        extra, missing = len(chosen - self.expected), len(self.expected - chosen)
        return f"{missing} missing, {extra} too many."


def _plain(word: str) -> str:
    return " ".join(word.lower().replace("_", " ").replace("-", " ").split())


@dataclass(frozen=True)
class FunctionQuestion:
    """A question whose answer is a function (or a class), compared with `reference`.

    `draw` makes random arguments from a generator. `observe(function, *arguments)` says what is
    compared, by default what the function returns. `mistakes` are wrong functions, each with its
    hint: the answer that agrees with one of them on every input has made that mistake.
    """

    signature: str
    reference: Callable[..., Any]
    draw: Callable[[torch.Generator], tuple]
    praise: str
    mistakes: Mapping[str, Callable[..., Any]]
    rounds: int = 20
    observe: Callable[..., Any] = lambda function, *arguments: function(*arguments)

    def judge(self, answer: object) -> Verdict:
        if not callable(answer):
            name = name_of(answer)
            return Verdict(False, f"The answer should be a function {self.signature}, got {name}.")
        expected = self.observations(self.reference)  # first: it loads what both need
        if expected is None or all(isinstance(value, Raised) for value in expected):
            return Verdict(False, "The checker itself had no time or no memory; run it again.")
        found = self.observations(answer)
        if found is None:
            limit = calling.TIME_LIMIT_SECONDS
            return Verdict(False, f"Your function did not return within {limit:g} seconds.")
        if same(found, expected):
            return Verdict(True, self.praise)
        for hint, mistake in self.mistakes.items():
            if same(found, self.observations(mistake)):
                return Verdict(False, hint)
        pairs = enumerate(zip(found, expected, strict=True), start=1)
        number, (wrong, right) = next((i, pair) for i, pair in pairs if not same(*pair))
        if isinstance(wrong, Raised):
            return Verdict(False, f"Your function raised {wrong}")
        return Verdict(False, f"On random input number {number}, {difference(wrong, right)}.")

    def observations(self, function: Callable[..., Any]) -> list | None:
        """What is seen of a function on each of the inputs; None if it took too long."""
        generator = torch.Generator().manual_seed(0)
        inputs = [self.draw(generator) for _ in range(self.rounds)]
        return calling.call_all(lambda *arguments: self.observe(function, *arguments), inputs)


@dataclass(frozen=True)
class StudentQuestion:
    """A question that differs from student to student: `make(student)` is the question."""

    make: Callable[[int], Question]

    def judge(self, answer: object, student: int) -> Verdict:
        return self.make(student).judge(answer)
