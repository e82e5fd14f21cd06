"""The questions on the loss: overflow, the double softmax, the mean of means."""

import math

import pytest
import torch
from torch.nn import functional as F

from coursekit.checks import check


def by_exponentials(logits, targets):
    probs = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    return -torch.stack([row[t] for row, t in zip(probs, targets, strict=True)]).log().mean()


def by_sum_of_exponentials(logits, targets):
    return (logits.exp().sum(dim=1).log() - logits[range(len(targets)), targets]).mean()


def by_loop(means, sizes):
    images = [m.item() for m, n in zip(means, sizes, strict=True) for _ in range(n)]
    return math.fsum(images) / len(images)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("cross_entropy_function", F.cross_entropy),
        ("cross_entropy_function", lambda z, t: F.nll_loss(z.double().log_softmax(1), t).item()),
        ("cross_entropy_function", lambda z, t: F.cross_entropy(z, t, reduction="none").mean()),
        ("double_softmax", -math.log(math.e / (math.e + 6))),
        (
            "double_softmax",
            F.cross_entropy(F.one_hot(torch.tensor([4]), 7).float(), torch.tensor([4])),
        ),
        ("double_softmax", 1.165),
        ("epoch_mean", by_loop),
        ("epoch_mean", lambda means, sizes: means @ sizes.float() / sizes.sum()),
    ],
)
def test_a_right_answer_is_right(question, answer):
    assert check(f"metrics.{question}", answer)


@pytest.mark.parametrize(
    ("question", "answer", "hint"),
    [
        ("cross_entropy_function", by_exponentials, "overflows"),
        ("cross_entropy_function", by_sum_of_exponentials, "The sum overflows"),
        (
            "cross_entropy_function",
            lambda z, t: by_sum_of_exponentials(z - z.max(), t),
            "of each row",
        ),
        ("cross_entropy", 4.02, "rounded"),
        ("cross_entropy", 3.044, "not down a column"),
        ("cross_entropy", 1.620, "The mean comes last"),
        ("cross_entropy", 1.7475, "base 10"),
        ("double_softmax", 1.17, "rounded"),
        ("cross_entropy_function", lambda z, t: F.nll_loss(z.softmax(1).log(), t), "became 0"),
        (
            "cross_entropy_function",
            lambda z, t: F.cross_entropy(z.softmax(1), t),
            "softmax before",
        ),
        ("cross_entropy_function", lambda z, t: F.cross_entropy(z, t, reduction="sum"), "the sum"),
        ("cross_entropy_function", lambda z, t: F.nll_loss(-z.log_softmax(1), t), "sign"),
        ("cross_entropy_function", lambda z, t: F.cross_entropy(z, t) / math.log(2), "bits"),
        ("cross_entropy_function", lambda z, t: F.nll_loss(z.softmax(1), t), "it gives"),
        ("cross_entropy_function", lambda z, t: z, "it returned a Tensor"),
        ("double_softmax", 0, "limit for scores"),
        ("double_softmax", math.log(7), "knows nothing"),
        ("double_softmax", math.e / (math.e + 6), "largest probability"),
        ("double_softmax", -1.165, "minus"),
        ("double_softmax", 1.6814, "bits"),
        ("double_softmax", math.log(1 + 9 / math.e), "ten classes"),
        ("double_softmax", math.log(1 + 7 / math.e), "six more"),
        ("double_softmax", math.log(math.e + 6), "numerator"),
        ("epoch_mean", lambda means, sizes: sum(means) / len(means), "mean of the batch means"),
        ("epoch_mean", lambda means, sizes: sum(means * sizes), "sum over all images"),
        ("epoch_mean", lambda means, sizes: sum(means * sizes) / len(sizes), "not of batches"),
        ("epoch_mean", lambda means, sizes: by_loop(means[:-1], sizes[:-1]), "last batch"),
        ("epoch_mean", lambda means, sizes: max(means), "it gives"),
    ],
)
def test_a_mistake_gets_the_hint_that_fits(question, answer, hint):
    verdict = check(f"metrics.{question}", answer)
    assert not verdict
    assert hint in verdict.message
