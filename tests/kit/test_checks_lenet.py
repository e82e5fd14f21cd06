import math

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.checks import check
from coursekit.checks.lenet.questions import LEAST_ACCURACY, NUM_TEST, NUM_TRAIN, NUM_VAL
from dlvlib import data
from dlvlib.models.lenet import LeNet5


class Own(nn.Module):
    """A student's network: attributes reordered, functional layers, a switch per mistake."""

    def __init__(self, num_classes, mistakes):
        super().__init__()
        self.mistakes = mistakes
        padding = "same" if "padding" in mistakes else "valid"
        inputs = 24 * 7 * 7 if "padding" in mistakes else 24 * 3 * 3
        self.out = nn.Linear(60, num_classes)
        self.hidden = nn.ModuleList([nn.Linear(inputs, 100), nn.Linear(100, 60)])
        sizes = ((1, 8, 7), (8, 24, 5))
        self.convs = nn.ModuleList(nn.Conv2d(*size, padding=padding) for size in sizes)

    def forward(self, images):
        bend = (lambda x: x) if "linear" in self.mistakes else torch.tanh
        bend = torch.relu if "relu" in self.mistakes else bend
        for conv in self.convs:
            mean = "mean" in self.mistakes
            maps = bend(conv(images)) if mean else conv(images)
            images = F.avg_pool2d(maps, 2) if mean else F.max_pool2d(maps, 2)
            images = images if mean or "convs" in self.mistakes else bend(images)
        if "flat" not in self.mistakes:
            images = images.reshape(1, -1) if "batch" in self.mistakes else images.flatten(1)
        for dense in self.hidden:
            images = dense(images) if "head" in self.mistakes else bend(dense(images))
        logits = self.out(images)
        return logits.softmax(-1) if "softmax" in self.mistakes else logits


def own(*mistakes):
    return lambda num_classes: Own(num_classes, mistakes)


def with_c5(num_classes):
    """As in the paper: the first dense layer is a convolution on whole maps."""
    maps = (nn.Conv2d(1, 8, 7), nn.Tanh(), nn.MaxPool2d(2))
    maps += (nn.Conv2d(8, 24, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(24, 100, 3), nn.Tanh())
    head = (nn.Linear(100, 60), nn.Tanh(), nn.Linear(60, num_classes))
    return nn.Sequential(*maps, nn.Flatten(), *head)


class ByHand(Own):
    """Weights without layers in the head, whose biases are added apart; layers that look first."""

    def __init__(self, num_classes):
        super().__init__(num_classes, ())
        self.convs = nn.ModuleList([nn.LazyConv2d(8, 7), nn.LazyConv2d(24, 5)])
        self.hidden = nn.ModuleList()
        sizes = [(100, 216), (60, 100), (num_classes, 60)]
        self.weights = nn.ParameterList(torch.zeros(size) for size in sizes)
        self.biases = nn.ParameterList(torch.zeros(size) for size, _ in sizes)
        del self.out

    def out(self, values):
        for weight, bias in zip(self.weights, self.biases, strict=True):
            values = (values if len(weight) == 100 else torch.tanh(values)) @ weight.T
            values = values + bias[None]
        return values


def with_dropout(num_classes):
    return nn.Sequential(own()(num_classes), nn.Dropout())


RIGHT = [
    ("network", ByHand),
    ("network", own()),  # pools before tanh, which is the same since tanh rises
    ("network", with_c5),
    ("s4_shape", torch.Size([24, 3, 3])),
    ("c3_params", sum(p.numel() for p in nn.Conv2d(8, 24, 5).parameters())),
    ("start_loss", F.cross_entropy(torch.zeros(3, 36), torch.tensor([1, 2, 3]))),
    ("start_loss", 3.58),
    ("output_size", lambda n, k, p, s: len(range(0, n + 2 * p - k + 1, s))),
    ("test_accuracy", 0.9722),
    ("test_accuracy", 359 / 360),
]


WRONG = [
    ("network", own("linear"), "No activations"),
    ("network", own("head"), "no activation between"),
    ("network", own("convs"), "convolutions have no activation"),
    ("network", own("relu"), "ReLU"),
    ("network", own("mean"), "pools with the mean"),
    ("network", own("softmax"), "ends with a softmax"),
    ("network", own("padding"), "convolutions are padded"),
    ("network", own("flat"), "unflattened"),
    ("network", own("batch"), "flattens the batch"),
    ("network", with_dropout, "output in train mode"),
    ("network", lambda num_classes: None, "an nn.Module, it gave nothing (None)"),
    ("network", lambda num_classes: nn.Flatten(), "shape of the output"),
    ("network", LeNet5, "LeNet-5 itself"),
    ("network", LeNet5(), "give the class or function itself"),
    ("network", lambda num_classes: own()(10), "ignores num_classes"),
    ("network", lambda n: nn.Sequential(nn.Flatten(), nn.Linear(784, n)), "number"),
    ("s4_shape", (3, 3, 24), "channels first"),
    ("s4_shape", 216, "three axes"),
    ("s4_shape", (24, 7, 7), "before the pooling"),
    ("s4_shape", (24, 6, 6), "needs padding"),
    ("s4_shape", (24, 4, 4), "32 pixels"),
    ("s4_shape", (16, 3, 3), "LeNet-5 has 16"),
    ("c3_params", 24 * 8 * 25, "biases are missing"),
    ("c3_params", 24 * 26, "all the maps"),
    ("c3_params", 24 * 8 * 26, "one bias"),
    ("c3_params", 1516, "paper"),
    ("c3_params", 2416, "C3 of LeNet-5"),
    ("c3_params", 24 * (8 * 49 + 1), "7 x 7"),
    ("c3_params", 8 * 25 + 1, "one kernel"),
    ("c3_params", 8 * (49 + 1), "That is C1"),
    ("start_loss", math.log(1 / 36), "minus"),
    ("start_loss", math.log10(36), "base 10"),
    ("start_loss", 1 / 36, "probability of the true class"),
    ("start_loss", math.log2(36), "bits"),
    ("start_loss", math.log(10), "ten classes"),
    ("output_size", lambda n, k, p, s: n // s, "random input number"),
    ("test_accuracy", 97.5, "percentage"),
    ("test_accuracy", 351, "how many are right"),
    ("test_accuracy", 9 / 360, "error"),
    ("test_accuracy", 1200 / 1221, "training set"),
    ("test_accuracy", 0.9869, "training set"),  # 1205 of 1221, rounded
    ("test_accuracy", 211 / 216, "validation set"),
    ("test_accuracy", 1.0, "never seen"),
    ("test_accuracy", 0.97, "rounded, a mean of batch means"),
    ("test_accuracy", 37 / 360, "guessing"),
    ("test_accuracy", 150 / 360, "validation accuracy"),
    ("test_accuracy", -0.95, "between 0 and 1"),
]


def test_the_sizes_of_the_sets_are_those_of_the_page():
    train_all, test = data.load("digits")
    train, val = data.split(train_all, fraction=0.15, seed=0)
    assert (len(train), len(val), len(test)) == (NUM_TRAIN, NUM_VAL, NUM_TEST)


def test_most_training_accuracies_are_known_as_such():
    good = range(math.ceil(LEAST_ACCURACY * NUM_TRAIN), NUM_TRAIN)
    verdicts = [check("lenet.test_accuracy", count / NUM_TRAIN) for count in good]
    assert sum("training set" in verdict.message for verdict in verdicts) > 0.9 * len(good)
    assert check("lenet.test_accuracy", 345 / 360)
