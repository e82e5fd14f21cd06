"""The questions on the loss: overflow, the double softmax, the mean of means."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.checks import LECTURE_SCORES, LECTURE_TARGETS
from dlvlib import metrics

LOSS = metrics.cross_entropy(LECTURE_SCORES, LECTURE_TARGETS)


def by_exponentials(logits, targets):
    probs = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    return -torch.stack([row[t] for row, t in zip(probs, targets, strict=True)]).log().mean()


def by_sum(logits, targets):
    return (logits.exp().sum(dim=1).log() - logits[range(len(targets)), targets]).mean()


def nll(logits, targets, **options):
    return F.nll_loss(logits.log_softmax(dim=1), targets, **options)


def by_loop(means, sizes):
    images = [m.item() for m, n in zip(means, sizes, strict=True) for _ in range(n)]
    return math.fsum(images) / len(images)


RIGHT = [
    ("top1", torch.tensor([0.2])),
    ("top5", 4 / 5),
    ("cross_entropy", 4.0237),
    ("cross_entropy", torch.tensor([LOSS], requires_grad=True)),
    ("cross_entropy_function", lambda z, t: F.nll_loss(z.double().log_softmax(1), t).item()),
    ("double_softmax", -math.log(math.e / (math.e + 6))),
    ("double_softmax", 1.165),
    ("epoch_mean", lambda means, sizes: means @ sizes.float() / sizes.sum()),
]


def accuracy(change):
    return lambda z, t, k: change(metrics.top_k_accuracy(z, t, k), len(t), k)


WRONG = [
    ("top1", 20, "percentage"),
    ("top1", 1, "divide by the number"),
    ("top1", 0.8, "error"),
    ("top1", 0, "sample 4"),
    ("top1", 0.4, "largest score of its row"),
    ("top1", 0.35, "0.35 is not it"),
    ("top5", 80, "percentage"),
    ("top5", 4, "divide by the number"),
    ("top5", 0.2, "five largest"),
    ("top5", 1.0, "sample 3"),
    ("cross_entropy", 5 * LOSS, "the sum"),
    ("cross_entropy", -LOSS, "minus"),
    ("cross_entropy", LOSS / math.log(2), "bits"),
    ("cross_entropy", nll(LECTURE_SCORES.softmax(1), LECTURE_TARGETS), "softmax of a softmax"),
    ("top_k_function", lambda z, t, k: metrics.top_k_accuracy(z, t), "ignores k"),
    ("top_k_function", lambda z, t, k: metrics.top_k_accuracy(-z, t, k), "smallest"),
    ("top_k_function", accuracy(lambda a, n, k: 1 - a), "error"),
    ("top_k_function", accuracy(lambda a, n, k: n * a), "counts the images"),
    ("top_k_function", accuracy(lambda a, n, k: 100 * a), "percentage"),
    ("top_k_function", accuracy(lambda a, n, k: a / k), "divides by k"),
    ("cross_entropy_function", F.cross_entropy, "torch's own cross_entropy"),
    ("cross_entropy_function", lambda z, t: nn.CrossEntropyLoss()(z, t), "how to do without"),
    ("cross_entropy_function", by_exponentials, "overflows"),
    ("cross_entropy_function", by_sum, "The sum overflows"),
    ("cross_entropy_function", lambda z, t: by_sum(z - z.max(), t), "of each row"),
    ("cross_entropy", 4.02, "rounded"),
    ("cross_entropy", 3.044, "not down a column"),
    ("cross_entropy", 1.620, "The mean comes last"),
    ("cross_entropy", 1.7475, "base 10"),
    ("double_softmax", 1.17, "rounded"),
    ("cross_entropy_function", lambda z, t: F.nll_loss(z.softmax(1).log(), t), "became 0"),
    ("cross_entropy_function", lambda z, t: nll(z.softmax(1), t), "softmax before"),
    ("cross_entropy_function", lambda z, t: nll(z, t, reduction="sum"), "the sum"),
    ("cross_entropy_function", lambda z, t: F.nll_loss(-z.log_softmax(1), t), "sign"),
    ("cross_entropy_function", lambda z, t: nll(z, t) / math.log(2), "bits"),
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
]
