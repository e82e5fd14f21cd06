"""Checkers for the exercises: one friendly line for any answer, offline, never an exception.

A question knows the right answer, computed here from the library, and the usual wrong ones, each
with the hint that fits the mistake behind it.
"""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dlvlib import metrics

TIME_LIMIT_SECONDS = 5.0

LECTURE_CLASSES = ("Apple", "Bike", "Car", "Cat", "Dog", "Pear", "Plane")
LECTURE_SCORES = torch.tensor(
    [
        [15, 10, 2, 5, 20, 8, 1],
        [2, 5, 10, 8, 4, 12, 3],
        [12, 2, 1, 6, 4, 5, 9],
        [1, 2, 3, 4, 5, 6, 7],
        [7, 6, 5, 4, 3, 2, 1],
    ],
    dtype=torch.float,
)  # (5, 7), the table of the lecture's page "Metric computations"
LECTURE_TARGETS = torch.tensor([0, 2, 2, 6, 1])  # Apple, Car, Car, Plane, Bike


@dataclass(frozen=True)
class Verdict:
    """What a checker says: `right`, and one line of text. It prints as that line."""

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return ("Right. " if self.right else "Not yet. ") + self.message


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
        number = _as_number(answer)
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
        return Verdict(False, f"{number:g} is not it. The answer is {self.unit}.")


@dataclass(frozen=True)
class FunctionQuestion:
    """A question whose answer is a function, compared with `reference` on random input.

    `mistakes` are wrong functions, each with its hint: the answer that agrees with one of them on
    every input has made that mistake.
    """

    signature: str
    reference: Callable[..., float]
    draw: Callable[[torch.Generator], tuple]
    praise: str
    mistakes: Mapping[str, Callable[..., float]]
    rounds: int = 20

    def judge(self, answer: object) -> Verdict:
        if not callable(answer):
            return Verdict(
                False, f"The answer should be a function {self.signature}, got {_name(answer)}."
            )
        generator = torch.Generator().manual_seed(0)
        inputs = [self.draw(generator) for _ in range(self.rounds)]
        outcome = _call_within_limit(answer, inputs)
        if isinstance(outcome, str):
            return Verdict(False, outcome)
        numbers = [_as_number(value) for value in outcome]
        if None in numbers:
            got = _name(outcome[numbers.index(None)])
            return Verdict(False, f"{self.signature} should return one number, it returned {got}.")
        if _agree(numbers, [self.reference(*arguments) for arguments in inputs]):
            return Verdict(True, self.praise)
        for hint, mistake in self.mistakes.items():
            if _agree(numbers, [mistake(*arguments) for arguments in inputs]):
                return Verdict(False, hint)
        first = next(
            i for i, n in enumerate(numbers) if not _agree([n], [self.reference(*inputs[i])])
        )
        shown = (
            f"it gives {numbers[first]:.4g} where {self.reference(*inputs[first]):.4g} is right"
        )
        return Verdict(False, f"On random input number {first + 1} {shown}.")


def check(question: str, answer: object) -> Verdict:
    """Judge an answer; whatever it is, the reply is one line and never an exception.

    Args:
        question: its name, one of `QUESTIONS`, for instance "metrics.top1".
        answer: a number or a function, as the exercise says; anything else gets a hint.
    """
    if question not in QUESTIONS:
        return Verdict(False, f"There is no question {question!r}; there are {list(QUESTIONS)}.")
    if answer is None or answer is Ellipsis:
        return Verdict(False, "There is no answer yet: replace the three dots by yours.")
    try:
        return QUESTIONS[question].judge(answer)
    except Exception as error:  # a checker answers, whatever it was given
        return Verdict(False, f"Your answer could not be checked: {type(error).__name__}: {error}")


def _name(value: object) -> str:
    return "nothing (None)" if value is None else f"a {type(value).__name__}"


def _as_number(answer: object) -> float | None:
    """Return a float for a number or a one-element tensor or array, else None."""
    if isinstance(answer, (bool, str, bytes)):
        return None
    try:
        return float(answer)
    except Exception:  # any object may refuse in its own way
        return None


def _agree(numbers: list[float], expected: list[float]) -> bool:
    return all(
        math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5)
        for a, b in zip(numbers, expected, strict=True)
    )


def _call_within_limit(function: Callable[..., object], inputs: list[tuple]) -> list | str:
    """Call `function` on copies of the inputs; return its values, or one line: why not."""
    values: list[object] = []
    failure: list[str] = []

    def run() -> None:
        try:
            for arguments in inputs:
                copies = [a.clone() if isinstance(a, Tensor) else a for a in arguments]
                values.append(function(*copies))
        except BaseException as error:  # whatever a student's function raises is their answer
            failure.append(f"Your function raised {type(error).__name__}: {error}")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(TIME_LIMIT_SECONDS)
    if thread.is_alive():
        return f"Your function did not return within {TIME_LIMIT_SECONDS:g} seconds."
    return failure[0] if failure else values


def _draw_scores(generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Random (logits, targets, k) with 2 to 9 classes and 1 to 12 images."""
    num_classes = int(torch.randint(2, 10, (), generator=generator))
    num_images = int(torch.randint(1, 13, (), generator=generator))
    logits = torch.randn(num_images, num_classes, generator=generator)
    targets = torch.randint(0, num_classes, (num_images,), generator=generator)
    return logits, targets, int(torch.randint(1, num_classes + 1, (), generator=generator))


def _top_k_mistake(change: Callable[[float, int], float]) -> Callable[..., float]:
    return lambda logits, targets, k: change(
        metrics.top_k_accuracy(logits, targets, k), len(targets)
    )


def _lecture_top_k(k: int) -> float:
    return metrics.top_k_accuracy(LECTURE_SCORES, LECTURE_TARGETS, k)


_LECTURE_LOSS = metrics.cross_entropy(LECTURE_SCORES, LECTURE_TARGETS)

QUESTIONS: dict[str, NumberQuestion | FunctionQuestion] = {
    "metrics.top1": NumberQuestion(
        expected=_lecture_top_k(1),
        praise="Only the plane of sample 4 has the largest score.",
        unit="a fraction between 0 and 1",
        hints={
            100 * _lecture_top_k(1): "That is the percentage; give the fraction.",
            5 * _lecture_top_k(1): "That is how many are right; divide by the number of samples.",
            1 - _lecture_top_k(1): "That is the error; accuracy is what remains.",
            0.0: "Look at sample 4 again: where is its largest score?",
            2 / 5: "Count a sample only when its true class has the largest score of its row.",
        },
    ),
    "metrics.top5": NumberQuestion(
        expected=_lecture_top_k(5),
        praise="Every sample but number 3 has its true class among the five largest scores.",
        unit="a fraction between 0 and 1",
        hints={
            100 * _lecture_top_k(5): "That is the percentage; give the fraction.",
            5 * _lecture_top_k(5): "That is how many are right; divide by the number of samples.",
            1 - _lecture_top_k(5): "That is either top-1 accuracy or the top-5 error. Ask of each "
            "sample: is its true class among the five largest scores?",
            1.0: "Look at sample 3: its true class has the smallest score of the seven.",
        },
    ),
    "metrics.cross_entropy": NumberQuestion(
        expected=_LECTURE_LOSS,
        praise="One sample, number 3, is responsible for more than half of it.",
        unit="the mean over the five samples, in nats",
        tolerance=2e-3,
        hints={
            5 * _LECTURE_LOSS: "That is the sum; the loss is the mean over the samples.",
            -_LECTURE_LOSS: "The logarithm of a probability is negative: the loss has a minus.",
            _LECTURE_LOSS / math.log(2): "That is in bits; use the natural logarithm.",
            metrics.cross_entropy(
                LECTURE_SCORES.softmax(1), LECTURE_TARGETS
            ): "That is a softmax of a softmax: cross-entropy takes the scores themselves.",
        },
    ),
    "metrics.top_k_function": FunctionQuestion(
        signature="top_k(logits, targets, k)",
        reference=metrics.top_k_accuracy,
        draw=_draw_scores,
        praise="It agrees with the reference on 20 random inputs.",
        mistakes={
            "It ignores k: this is top-1 accuracy.": lambda logits, targets, k: (
                metrics.top_k_accuracy(logits, targets, 1)
            ),
            "It takes the k smallest logits; the guesses are the largest.": (
                lambda logits, targets, k: metrics.top_k_accuracy(-logits, targets, k)
            ),
            "It returns the error; accuracy is 1 minus that.": _top_k_mistake(lambda a, n: 1 - a),
            "It counts the images; divide by how many there are.": _top_k_mistake(
                lambda a, n: a * n
            ),
            "It returns a percentage; give a fraction.": _top_k_mistake(lambda a, n: 100 * a),
            "It divides by k as well: one hit among k guesses counts as a full one.": (
                lambda logits, targets, k: metrics.top_k_accuracy(logits, targets, k) / k
            ),
        },
    ),
}
