"""The kinds of question. Each has the right answer and the usual wrong ones, with their hints.

Every `judge` takes any object, and returns one short line about it.
"""

import math
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from coursekit.checks.engine import sandbox
from coursekit.checks.engine.values import (
    MAX_ECHO,
    as_number,
    as_shape,
    count_of,
    format_number,
    name_of,
    number_in_text,
    printable,
    to_list,
)
from dlvlib._common import check_int

MAX_MESSAGE, MAX_WIDTH = 300, 76  # characters
LARGEST_STUDENT = 10**30
TOLERANCE = 5e-4  # of a number


@dataclass(frozen=True)
class Verdict:
    """The result of a check: `right`, and one line of text, which is printed in short lines."""

    right: bool
    message: str

    def __post_init__(self) -> None:
        line = " ".join(printable(self.message[:10_000]).split())
        line = line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 4] + " ..."
        object.__setattr__(self, "message", line)

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        text = ("Right. " if self.right else "Not yet. ") + self.message
        return textwrap.fill(text, MAX_WIDTH, break_on_hyphens=False)


class Question(Protocol):
    """What `check` and `hint` need of a question."""

    @property
    def hints(self) -> Mapping[Any, str]:
        """Usual wrong answers, each with the hint that it gets."""

    def judge(self, answer: object) -> Verdict:
        """Judge an answer of any type."""


def read_number(answer: object, unit: str) -> float | Verdict:
    """Return the finite number that an answer is, or a verdict that asks for one in that unit."""
    answer = sandbox.plain(answer)
    number = as_number(answer)
    if number is not None and math.isfinite(number):
        return number
    if number is not None:
        form = f"one number, {unit}, and a finite number"
        return Verdict(False, f"The answer should be {form}; got {number}.")
    if isinstance(answer, str):
        meant = number_in_text(answer)
        if meant is not None:
            return Verdict(False, f"Give a number, not text: Python writes {meant}.")
    if isinstance(answer, tuple) and len(answer) > 1 and as_shape(answer) is not None:
        first, *others = map(str, as_shape(answer) or ())
        point = f"Python writes {first[:MAX_ECHO]}.{others[0][:MAX_ECHO]}"
        grouped = all(len(part) <= 3 for part in others) and first != "0"
        groups = "_".join([first[:3], *(part.zfill(3) for part in others[:4])])
        advice = f"{point}, or {groups} for thousands" if grouped else point
        return Verdict(False, f"A comma turns one number into {len(answer)}. {advice}.")
    return Verdict(False, f"The answer should be one number, {unit}; got {name_of(answer)}.")


@dataclass(frozen=True)
class NumberQuestion:
    """A question whose answer is one number, for instance with the unit "in nats"."""

    expected: float
    praise: str
    hints: Mapping[float, str]
    unit: str
    tolerance: float = TOLERANCE

    def judge(self, answer: object) -> Verdict:
        number = read_number(answer, self.unit)
        if isinstance(number, Verdict):
            return number
        if math.isclose(number, self.expected, abs_tol=self.tolerance):
            return Verdict(True, self.praise)
        for wrong, hint in self.hints.items():
            if math.isclose(number, wrong, abs_tol=self.tolerance):
                return Verdict(False, hint)
        if any(math.isclose(number, round(self.expected, digits)) for digits in (1, 2)):
            return Verdict(False, "That is rounded too much; give three decimals or more.")
        return Verdict(False, f"{format_number(number)} is not it. The answer is {self.unit}.")


@dataclass(frozen=True)
class ShapeQuestion:
    """A question whose answer is a shape: a tuple of whole numbers, channels first."""

    expected: tuple[int, ...]
    praise: str
    hints: Mapping[tuple[int, ...], str]

    def judge(self, answer: object) -> Verdict:
        answer = sandbox.plain(answer)
        shape = as_shape(answer)
        if shape is None and isinstance(answer, str) and re.search(r"\d", answer[:MAX_ECHO]):
            meant = tuple(map(int, re.findall(r"\d+", answer[:MAX_ECHO])))
            return Verdict(False, f"Give a tuple, not text: Python writes {meant}.")
        if shape is None:
            form = f"a tuple of whole numbers, got {name_of(answer)}"
            return Verdict(False, f"The answer should be {form}.")
        if shape == self.expected:
            return Verdict(True, self.praise)
        if shape in self.hints:
            return Verdict(False, self.hints[shape])
        if len(shape) != len(self.expected):
            axes = f"{len(self.expected)} {'axis' if len(self.expected) == 1 else 'axes'}"
            return Verdict(False, f"The shape has {axes}, yours has {len(shape)}.")
        order = "" if len(shape) == 1 else " The order is channels, height, width."
        sizes = ", ".join(format_number(float(size)).replace(",", "") for size in shape)
        return Verdict(False, f"({sizes}{',' * (len(shape) == 1)}) is not it.{order}")


@dataclass(frozen=True)
class TupleQuestion:
    """A question whose answer is a tuple; `parts` has a question for each value, by its name."""

    parts: Mapping[str, NumberQuestion | ShapeQuestion]
    praise: str

    @property
    def expected(self) -> tuple[Any, ...]:
        """The right answer."""
        return tuple(part.expected for part in self.parts.values())

    @property
    def hints(self) -> dict[tuple[Any, ...], str]:
        """The usual mistakes, one at a time, each with its hint."""
        right = self.expected
        return {
            (*right[:place], wrong, *right[place + 1 :]): f"{name}: {hint}"
            for place, (name, part) in enumerate(self.parts.items())
            for wrong, hint in part.hints.items()
        }

    def judge(self, answer: object) -> Verdict:
        values = to_list(sandbox.plain(answer))
        if not isinstance(values, (tuple, list)) or len(values) != len(self.parts):
            form = ", ".join(self.parts)
            got = count_of(values) if isinstance(values, (tuple, list)) else name_of(values)
            return Verdict(False, f"The answer should be a tuple ({form}), got {got}.")
        for (name, part), value in zip(self.parts.items(), values, strict=True):
            verdict = part.judge(value)
            if not verdict:
                return Verdict(False, f"{name}: {verdict.message}")
        return Verdict(True, self.praise)


@dataclass(frozen=True)
class ChoiceQuestion:
    """A question whose answer is one word, or a set of words, out of `options`.

    Capitals, spaces around a word, and the choice of space, hyphen or underscore in it do not
    count. A text may hold several words, with commas or "and" between, in brackets and quotes.
    """

    expected: frozenset[str]
    options: tuple[str, ...]
    praise: str
    hints: Mapping[frozenset[str], str]

    def judge(self, answer: object) -> Verdict:
        answer = sandbox.plain(answer)
        words: Any = answer
        if isinstance(answer, str):
            words = [word for word in re.split(r"[,;'\"{}()\[\]]| and ", answer) if word.strip()]
        if not isinstance(words, (list, tuple, set, frozenset)) or not all(
            isinstance(word, str) for word in words
        ):
            form = "a word" if len(self.expected) == 1 else "a set of words"
            return Verdict(False, f"The answer should be {form}, as text; got {name_of(answer)}.")
        known_as = {_simplified(option): option for option in self.options}
        chosen = frozenset(known_as.get(_simplified(word), word.strip()) for word in words)
        unknown = sorted(chosen - set(self.options))
        if unknown:
            word = unknown[0] if len(unknown[0]) <= MAX_ECHO else unknown[0][:MAX_ECHO] + "..."
            known = ", ".join(self.options)
            return Verdict(False, f"{word!r} is not one of the words: {known}.")
        if chosen == self.expected:
            return Verdict(True, self.praise)
        if chosen in self.hints:
            return Verdict(False, self.hints[chosen])
        if len(self.expected) == 1:
            text = "That is not it; read the question again." if chosen else "Choose a word."
            return Verdict(False, text)
        extra, missing = len(chosen - self.expected), len(self.expected - chosen)
        return Verdict(False, f"{missing} missing, {extra} too many.")


def _simplified(word: str) -> str:
    return " ".join(word.lower().replace("_", " ").replace("-", " ").split())


@dataclass(frozen=True)
class StudentQuestion:
    """A question that differs from student to student: `make(student)` is the question."""

    make: Callable[[int], Question]

    def judge(self, answer: object, student: object = None) -> Verdict:
        asked = self.of(student)
        return asked if isinstance(asked, Verdict) else asked.judge(answer)

    def of(self, student: object) -> Question | Verdict:
        """Return the question of one student, or a verdict that asks for the number."""
        student = sandbox.plain(student)
        try:
            number = check_int("student", student, 0, LARGEST_STUDENT)
        except ValueError:
            digits = student.strip().lstrip("0") if isinstance(student, str) else ""
            digits = digits if digits.isdecimal() and len(digits) <= MAX_ECHO else "12345"
            form = f"student={digits}, a whole number without quotes and leading zeros"
            return Verdict(False, f"This question needs your student number: {form}.")
        return self.make(number)
