"""The questions on the loss: overflow, the double softmax, the mean of means."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from coursekit.checks import SCORES, TARGETS
from dlvlib import metrics

LOSS = metrics.cross_entropy(SCORES, TARGETS)


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
    *(("top1", kind(0.375)) for kind in (torch.tensor, np.float32, Fraction, Decimal)),
    ("top1", np.array([0.375])),
    ("top3", 6 / 8),
    ("cross_entropy", 2.7747),
    ("cross_entropy", torch.tensor([LOSS], requires_grad=True)),
    ("cross_entropy_function", lambda z, t: F.nll_loss(z.double().log_softmax(1), t).item()),
    ("double_softmax", -math.log(math.e / (math.e + 5))),
    ("double_softmax", 1.044),
    ("epoch_mean", lambda means, sizes: means @ sizes.float() / sizes.sum()),
]


WRONG = [
    ("top1", 37.5, "percentage"),
    ("top1", 3, "divide by the number"),
    ("top1", 0.625, "error"),
    ("top1", 4 / 8, "largest score of its row"),
    ("top1", 6 / 8, "second and third places"),
    ("top1", 0.35, "0.35 is not it"),
    ("top3", 75, "percentage"),
    ("top3", 6, "divide by the number"),
    ("top3", 0.25, "error"),
    ("top3", 3 / 8, "three largest"),
    ("top3", 4 / 8, "Third places"),
    ("top3", 7 / 8, "image 6"),
    ("top3", 1.0, "image 4"),
    ("cross_entropy", 8 * LOSS, "the sum"),
    ("cross_entropy", -LOSS, "minus"),
    ("cross_entropy", LOSS / math.log(2), "bits"),
    ("cross_entropy", nll(SCORES.softmax(1), TARGETS), "softmax of a softmax"),
    ("cross_entropy_function", F.cross_entropy, "torch's own cross_entropy"),
    ("cross_entropy_function", lambda z, t: nn.CrossEntropyLoss()(z, t), "how to do without"),
    ("cross_entropy_function", by_exponentials, "overflows"),
    ("cross_entropy_function", by_sum, "The sum overflows"),
    ("cross_entropy_function", lambda z, t: by_sum(z - z.max(), t), "of each row"),
    ("cross_entropy_function", lambda z, t: nll(z.sub_(z.amax(1, True)), t), "changes its input"),
    ("cross_entropy", 2.77, "rounded"),
    ("cross_entropy", 3.2848, "not down a column"),
    ("cross_entropy", 1.0098, "The mean comes last"),
    ("cross_entropy", 1.2050, "base 10"),
    ("double_softmax", 1.04, "rounded"),
    ("cross_entropy_function", lambda z, t: F.nll_loss(z.softmax(1).log(), t), "became 0"),
    ("cross_entropy_function", lambda z, t: nll(z.softmax(1), t), "softmax before"),
    ("cross_entropy_function", lambda z, t: nll(z, t, reduction="sum"), "the sum"),
    ("cross_entropy_function", lambda z, t: F.nll_loss(-z.log_softmax(1), t), "sign"),
    ("cross_entropy_function", lambda z, t: nll(z, t) / math.log(2), "bits"),
    ("cross_entropy_function", lambda z, t: z, "it returned a Tensor"),
    ("double_softmax", 0, "limit for scores"),
    ("double_softmax", math.log(6), "knows nothing"),
    ("double_softmax", math.e / (math.e + 5), "largest probability"),
    ("double_softmax", -1.0436, "minus"),
    ("double_softmax", 1.5056, "bits"),
    ("double_softmax", math.log(1 + 9 / math.e), "ten classes"),
    ("double_softmax", math.log(1 + 6 / math.e), "five more"),
    ("double_softmax", math.log(math.e + 5), "numerator"),
    ("epoch_mean", lambda means, sizes: by_loop(means[:-1], sizes[:-1]), "last batch"),
]
