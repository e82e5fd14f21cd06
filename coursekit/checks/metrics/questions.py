"""Exercise 1: a table of scores, top-k, cross-entropy, the double softmax, the mean of means."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from coursekit.checks.engine.functions import FunctionQuestion, call, draw_int
from coursekit.checks.engine.questions import NumberQuestion
from coursekit.checks.engine.values import as_number
from dlvlib import metrics

CLASSES = ("Boat", "Bus", "Cow", "Fox", "Hen", "Tram")
SCORES = torch.tensor(
    [
        [1, 3, 0, 4, -2, 5],
        [0, 1, 2, -1, 6, 3],
        [4, 2, 0, 1, -3, 5],
        [3, 9, -2, 1, 0, 2],
        [-1, 0, 3, 4, 2, 1],
        [5, 0, 4, 3, 1, 2],
        [2, 7, 1, 0, -1, 4],
        [1, 0, 6, -2, 3, 5],
    ],
    dtype=torch.float,
)  # (8, 6), a table like that of the lecture's page "Metric computations"
TARGETS = torch.tensor([1, 4, 0, 2, 3, 5, 1, 4])


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
    loss = call(function, logits, targets)
    number = as_number(loss)
    return "nan" if number is not None and math.isnan(number) else loss


def _mean_log(probs: Tensor, targets: Tensor) -> float:
    return -probs[range(len(targets)), targets].log().mean().item()


def _overflows(logits: Tensor, targets: Tensor) -> float:
    return _mean_log(logits.exp() / logits.exp().sum(dim=1, keepdim=True), targets)


def _sum_overflows(logits: Tensor, targets: Tensor, shift: float = 0.0) -> float:
    shifted = logits - shift
    return (shifted.exp().sum(dim=1).log() - shifted[range(len(targets)), targets]).mean().item()


def _top(k: int) -> float:
    """Top-k accuracy of the table."""
    return metrics.top_k_accuracy(SCORES, TARGETS, k)


def _double_softmax(num_classes: int) -> float:
    """The loss when a softmax that is sure and right goes into cross-entropy."""
    return metrics.cross_entropy(torch.eye(num_classes)[:1], torch.tensor([0]))


_LOSS = metrics.cross_entropy(SCORES, TARGETS)
_SMALLEST_LOSS = _double_softmax(len(CLASSES))

QUESTIONS: dict[str, NumberQuestion | FunctionQuestion] = {
    "top1": NumberQuestion(
        expected=_top(1),
        praise="Images 2, 5 and 7 are the three.",
        unit="a fraction between 0 and 1",
        hints={
            100 * _top(1): "That is the percentage; give the fraction.",
            8 * _top(1): "That is how many are right; divide by the number of images.",
            1 - _top(1): "That is the error; accuracy is what remains.",
            _top(2): "Count an image only when its true class has the largest score of its row.",
            _top(3): "That counts the second and third places too.",
        },
    ),
    "top3": NumberQuestion(
        expected=_top(3),
        praise="Only images 4 and 6 miss it.",
        unit="a fraction between 0 and 1",
        hints={
            100 * _top(3): "That is the percentage; give the fraction.",
            8 * _top(3): "That is how many are right; divide by the number of images.",
            1 - _top(3): "That is the error; accuracy is what remains.",
            _top(1): "That is top-1 accuracy. Ask of each image: is its true class among the "
            "three largest scores?",
            _top(2): "Third places count as well.",
            _top(4): "Look at image 6: three scores are larger than that of its true class.",
            1.0: "Look at image 4: its true class has the smallest score of the six.",
        },
    ),
    "cross_entropy": NumberQuestion(
        expected=_LOSS,
        praise="Image 4 alone makes up nearly half.",
        unit="the mean over the eight images, in nats",
        tolerance=2e-3,
        hints={
            8 * _LOSS: "That is the sum; the loss is the mean over the images.",
            -_LOSS: "The logarithm of a probability is negative: the loss has a minus.",
            _LOSS / math.log(2): "That is in bits; use the natural logarithm.",
            _LOSS / math.log(10): "That is a logarithm to base 10; use the natural one.",
            metrics.cross_entropy(
                SCORES.softmax(1), TARGETS
            ): "That is a softmax of a softmax: cross-entropy takes the scores themselves.",
            _mean_log(
                SCORES.softmax(0), TARGETS
            ): "The sum of the exponentials runs along a row, not down a column.",
            -math.log(
                SCORES.softmax(1)[range(8), TARGETS].mean()
            ): "The mean comes last: average the eight losses, not the eight probabilities.",
        },
    ),
    "top_k_function": FunctionQuestion(
        signature="top_k(logits, targets, k)",
        reference=metrics.top_k_accuracy,
        draw=_draw_scores,
        praise="It agrees with the reference on 20 random inputs.",
        hints={
            lambda logits, targets, k: metrics.top_k_accuracy(logits, targets, 1): "It ignores k: "
            "this is top-1 accuracy.",
            lambda logits, targets, k: metrics.top_k_accuracy(-logits, targets, k): "It takes the "
            "k smallest logits; the guesses are the largest.",
            _top_k_mistake(lambda a, n: 1 - a): "It returns the error; accuracy is 1 minus that.",
            _top_k_mistake(lambda a, n: a * n): "It counts the images; divide by how many there "
            "are.",
            _top_k_mistake(lambda a, n: 100 * a): "It returns a percentage; give a fraction.",
            lambda logits, targets, k: (
                metrics.top_k_accuracy(logits, targets, k) / k
            ): "It divides by k as well: one hit among k guesses counts as a full one.",
        },
    ),
    "cross_entropy_function": FunctionQuestion(
        signature="cross_entropy(logits, targets)",
        reference=metrics.cross_entropy,
        draw=_draw_large_scores,
        observe=_observe_loss,
        excluded=("cross_entropy", "cross_entropy_loss"),
        praise="It agrees with the reference, even where the scores are large.",
        hints={
            _overflows: "It overflows: the exponential of a large score is infinite.",
            _sum_overflows: "The sum overflows: the exponential of a large score is infinite.",
            lambda logits, targets: _sum_overflows(logits, targets, logits.max()): "Subtract the "
            "largest score of each row, not that of the whole table.",
            lambda logits, targets: _mean_log(logits.softmax(dim=1), targets): "The probability "
            "of a true class became 0, and its logarithm infinite: let the logarithm and the "
            "exponential cancel before you compute.",
            lambda logits, targets: metrics.cross_entropy(
                logits.softmax(dim=1), targets
            ): "It applies a softmax before that of the cross-entropy.",
            lambda logits, targets: (
                len(targets) * metrics.cross_entropy(logits, targets)
            ): "It returns the sum; the loss is the mean over the images.",
            lambda logits, targets: -metrics.cross_entropy(logits, targets): "The sign is wrong: "
            "the logarithm of a probability is negative, the loss is not.",
            lambda logits, targets: (
                metrics.cross_entropy(logits, targets) / math.log(2)
            ): "It is in bits; use the natural logarithm.",
        },
    ),
    "double_softmax": NumberQuestion(
        expected=_SMALLEST_LOSS,
        praise="With six classes, a loss that never goes below it is a symptom of a double "
        "softmax.",
        unit="the smallest loss with six classes, in nats",
        hints={
            0.0: "That is the limit for scores. Here the second softmax gets nothing above 1.",
            math.log(len(CLASSES)): "That is the loss of a network that knows nothing.",
            math.exp(-_SMALLEST_LOSS): "That is the largest probability; what is its loss?",
            -_SMALLEST_LOSS: "The logarithm of a probability is negative: the loss has a minus.",
            _SMALLEST_LOSS / math.log(2): "That is in bits; use the natural logarithm.",
            _double_softmax(10): "That is for ten classes; the table has six.",
            _double_softmax(len(CLASSES) + 1): "There are five more besides the true one.",
            _SMALLEST_LOSS + 1: "The numerator is an exponential too, that of 1.",
        },
    ),
    "epoch_mean": FunctionQuestion(
        signature="epoch_mean(batch_means, batch_sizes)",
        reference=lambda means, sizes: ((means * sizes).sum() / sizes.sum()).item(),
        draw=_draw_batches,
        praise="Every image counts once, whatever batch it was in.",
        hints={
            lambda means, sizes: means.mean().item(): "It is the mean of the batch means: images "
            "in small batches count too much.",
            lambda means, sizes: (means * sizes).sum().item(): "It is the sum over all images; "
            "divide by their number.",
            lambda means, sizes: (means * sizes).mean().item(): "Divide by the number of images, "
            "not of batches.",
            lambda means, sizes: (
                (means * sizes)[:-1].sum() / sizes[:-1].sum()
            ).item(): "It leaves the last batch out.",
        },
    ),
}
