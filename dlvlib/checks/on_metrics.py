"""Exercise 1: the lecture's table, top-k accuracy, cross-entropy, the double softmax."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dlvlib import metrics
from dlvlib.checks.questions import FunctionQuestion, NumberQuestion

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
    "top1": NumberQuestion(
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
    "top5": NumberQuestion(
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
    "cross_entropy": NumberQuestion(
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
    "top_k_function": FunctionQuestion(
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
