"""Exercise 1: the lecture's table, top-k, cross-entropy, the double softmax, the mean of means."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from coursekit.checks.engine.functions import FunctionQuestion, draw_int
from coursekit.checks.engine.questions import NumberQuestion
from coursekit.checks.engine.values import as_number
from dlvlib import metrics

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
    num_classes = draw_int(generator, 2, 9)
    num_images = draw_int(generator, 1, 12)
    logits = torch.randn(num_images, num_classes, generator=generator)
    targets = torch.randint(0, num_classes, (num_images,), generator=generator)
    return logits, targets, draw_int(generator, 1, num_classes)


def _draw_large_scores(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random (logits, targets), every second time so large that their exponential overflows."""
    logits, targets, k = _draw_scores(generator)
    return logits * (300 if k % 2 else 1), targets


def _draw_batches(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random (means, sizes) of 2 to 6 batches."""
    num_batches = draw_int(generator, 2, 6)
    sizes = torch.randint(1, 100, (num_batches,), generator=generator)
    return torch.rand(num_batches, generator=generator) + 0.1, sizes


def _top_k_mistake(change: Callable[[float, int], float]) -> Callable[..., float]:
    return lambda logits, targets, k: change(
        metrics.top_k_accuracy(logits, targets, k), len(targets)
    )


def _observe_loss(function: Callable[..., Any], logits: Tensor, targets: Tensor) -> Any:
    """The loss, or the word "nan", since no NaN equals another."""
    loss = function(logits, targets)
    number = as_number(loss)
    return "nan" if number is not None and math.isnan(number) else loss


def _mean_log(probs: Tensor, targets: Tensor) -> float:
    return -probs[range(len(targets)), targets].log().mean().item()


def _overflows(logits: Tensor, targets: Tensor) -> float:
    return _mean_log(logits.exp() / logits.exp().sum(dim=1, keepdim=True), targets)


def _sum_overflows(logits: Tensor, targets: Tensor, shift: float = 0.0) -> float:
    shifted = logits - shift
    return (shifted.exp().sum(dim=1).log() - shifted[range(len(targets)), targets]).mean().item()


def _lecture_top_k(k: int) -> float:
    return metrics.top_k_accuracy(LECTURE_SCORES, LECTURE_TARGETS, k)


def _double_softmax(num_classes: int) -> float:
    """The loss when a softmax that is sure and right goes into cross-entropy."""
    return metrics.cross_entropy(torch.eye(num_classes)[:1], torch.tensor([0]))


_LECTURE_LOSS = metrics.cross_entropy(LECTURE_SCORES, LECTURE_TARGETS)
_SMALLEST_LOSS = _double_softmax(len(LECTURE_CLASSES))

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
        praise="Every sample but number 3 has its true class among the top five.",
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
            _LECTURE_LOSS / math.log(10): "That is a logarithm to base 10; use the natural one.",
            metrics.cross_entropy(
                LECTURE_SCORES.softmax(1), LECTURE_TARGETS
            ): "That is a softmax of a softmax: cross-entropy takes the scores themselves.",
            _mean_log(
                LECTURE_SCORES.softmax(0), LECTURE_TARGETS
            ): "The sum of the exponentials runs along a row, not down a column.",
            -math.log(
                LECTURE_SCORES.softmax(1)[range(5), LECTURE_TARGETS].mean()
            ): "The mean comes last: average the five losses, not the five probabilities.",
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
    "cross_entropy_function": FunctionQuestion(
        signature="cross_entropy(logits, targets)",
        reference=metrics.cross_entropy,
        draw=_draw_large_scores,
        observe=_observe_loss,
        excluded=("cross_entropy", "cross_entropy_loss"),
        praise="It agrees with the reference, even where the scores are large.",
        mistakes={
            "It overflows: the exponential of a large score is infinite.": _overflows,
            "The sum overflows: the exponential of a large score is infinite.": _sum_overflows,
            "Subtract the largest score of each row, not that of the whole table.": (
                lambda logits, targets: _sum_overflows(logits, targets, logits.max())
            ),
            "The probability of a true class became 0, and its logarithm infinite: let the "
            "logarithm and the exponential cancel before you compute.": lambda logits, targets: (
                _mean_log(logits.softmax(dim=1), targets)
            ),
            "It applies a softmax before that of the cross-entropy.": lambda logits, targets: (
                metrics.cross_entropy(logits.softmax(dim=1), targets)
            ),
            "It returns the sum; the loss is the mean over the images.": lambda logits, targets: (
                len(targets) * metrics.cross_entropy(logits, targets)
            ),
            "The sign is wrong: the logarithm of a probability is negative, the loss is not.": (
                lambda logits, targets: -metrics.cross_entropy(logits, targets)
            ),
            "It is in bits; use the natural logarithm.": lambda logits, targets: (
                metrics.cross_entropy(logits, targets) / math.log(2)
            ),
        },
    ),
    "double_softmax": NumberQuestion(
        expected=_SMALLEST_LOSS,
        praise="So a loss that sticks there is a symptom, with seven classes.",
        unit="the smallest loss with seven classes, in nats",
        hints={
            0.0: "That is the limit for scores. Here the second softmax gets nothing above 1.",
            math.log(len(LECTURE_CLASSES)): "That is the loss of a network that knows nothing.",
            math.exp(-_SMALLEST_LOSS): "That is the largest probability; what is its loss?",
            -_SMALLEST_LOSS: "The logarithm of a probability is negative: the loss has a minus.",
            _SMALLEST_LOSS / math.log(2): "That is in bits; use the natural logarithm.",
            _double_softmax(10): "That is for ten classes; the table has seven.",
            _double_softmax(len(LECTURE_CLASSES) + 1): "There are six more besides the true one.",
            _SMALLEST_LOSS + 1: "The numerator is an exponential too, that of 1.",
        },
    ),
    "epoch_mean": FunctionQuestion(
        signature="epoch_mean(batch_means, batch_sizes)",
        reference=lambda means, sizes: ((means * sizes).sum() / sizes.sum()).item(),
        draw=_draw_batches,
        praise="Every image counts once, whatever batch it was in.",
        mistakes={
            "It is the mean of the batch means: images in small batches count too much.": (
                lambda means, sizes: means.mean().item()
            ),
            "It is the sum over all images; divide by their number.": lambda means, sizes: (
                (means * sizes).sum().item()
            ),
            "Divide by the number of images, not of batches.": lambda means, sizes: (
                (means * sizes).mean().item()
            ),
            "It leaves the last batch out.": lambda means, sizes: (
                (means * sizes)[:-1].sum() / sizes[:-1].sum()
            ).item(),
        },
    ),
}
