"""Exercise 6: blocks written in other ways are right; mistakes get the hint that fits."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from dlvlib.models.blocks import Inception, SeparableConv2d


class Functional(nn.Module):
    """An Inception block as students write it, with other names and another order of layers."""

    between = staticmethod(F.relu)
    padding, axis = 2, 1

    def __init__(self, in_channels, out1, reduce3, out3, reduce5, out5, out_pool):
        super().__init__()
        self.p = nn.Conv2d(in_channels, out_pool, 1)
        self.c5 = nn.Conv2d(reduce5, out5, 5, padding=self.padding)
        self.r5 = nn.Conv2d(in_channels, reduce5, 1)
        self.c3 = nn.Conv2d(reduce3, out3, 3, padding="same")
        self.r3 = nn.Conv2d(in_channels, reduce3, 1)
        self.c1 = nn.Conv2d(in_channels, out1, 1)

    def forward(self, x):
        b1 = F.relu(self.c1(x))
        b2 = F.relu(self.c3(self.between(self.r3(x))))
        b3 = F.relu(self.c5(self.between(self.r5(x))))
        b4 = F.relu(self.p(F.max_pool2d(x, 3, 1, 1)))
        return torch.cat([b1, b2, b3, b4], self.axis)


def functional(**changes):
    return type("Changed", (Functional,), changes)


def separable(groups=True, bias=False):
    def build(i, o, k):
        first = nn.Conv2d(i, i, k, padding=k // 2, groups=i if groups else 1, bias=bias)
        return nn.Sequential(first, nn.Conv2d(i, o, 1, bias=bias))

    return build


class Dense(nn.Module):
    """A separable convolution with nn.Linear as its 1x1, and perhaps a layer for each channel."""

    def __init__(self, i, o, k, per_channel=False):
        super().__init__()
        self.mix = nn.Linear(i, o, bias=False)
        groups = [1] * i if per_channel else [i]
        self.look = nn.ModuleList(
            nn.Conv2d(g, g, k, padding=k // 2, groups=g, bias=False) for g in groups
        )

    def forward(self, x):
        parts = x.split(x.shape[1] // len(self.look), dim=1)
        maps = torch.cat([look(part) for look, part in zip(self.look, parts, strict=True)], dim=1)
        return self.mix(maps.movedim(1, -1)).movedim(-1, 1)


class ByHand(nn.Module):
    """Weights without layers, in another order than they are used."""

    def __init__(self, i, o, k):
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(o, i))
        self.look = nn.Parameter(torch.zeros(i, 1, k, k))

    def forward(self, x):
        maps = F.conv2d(x, self.look, padding="same", groups=len(self.look))
        return torch.einsum("oi,bihw->bohw", self.mix, maps)


def multiplied(c, n, h, w, r):
    """The ratio, from layers of PyTorch."""
    steps = nn.Conv2d(c, r * c, (h, w), groups=c, bias=False), nn.Conv2d(r * c, n, 1, bias=False)
    return sum(map(num_params, steps)) / num_params(nn.Conv2d(c, n, (h, w), bias=False))


def num_params(module):
    return sum(p.numel() for p in module.parameters())


RIGHT = [
    ("separable", Dense),
    ("separable", partial(Dense, per_channel=True)),
    ("separable", ByHand),
    ("naive", sum(n * (256 * k * k + 1) for n, k in ((64, 1), (128, 3), (32, 5), (32, 1)))),
    ("reduced", num_params(Inception(256, 64, 64, 128, 12, 32, 32))),
    ("inception", Functional),
    ("inception", functional(between=staticmethod(partial(F.relu, inplace=True)))),
    ("groups", num_params(nn.Conv2d(48, 96, 5, groups=8, bias=False))),
    ("separable", separable()),
    ("separable", lambda i, o, k: SeparableConv2d(i, o, k, padding=(k - 1) // 2)),
    ("ratio", lambda c, n, h, w, r: torch.tensor(multiplied(c, n, h, w, r))),
    ("break_even", next(r for r in range(1, 99) if multiplied(256, 32, 5, 5, r) > 1)),
]


WRONG = [
    ("naive", 256 * (64 + 128 * 9 + 32 * 25 + 32), "biases"),
    ("naive", 256 * (64 + 128 * 9 + 32 * 25 + 32) + 4, "not one for each layer"),
    ("naive", 4 * 524_544, "bytes"),
    ("naive", 2_097_664, "slide's own block"),
    ("naive", 127_692, "no reduction"),
    ("reduced", 510_104, "slide's own block"),
    ("reduced", 524_544, "naive block"),
    ("reduced", 4.11, "factor"),
    ("reduced", 127_692 - 64 * 257 - 12 * 257, "reductions have parameters"),
    ("inception", functional(padding=1), "as on the slide"),
    ("inception", functional(between=staticmethod(lambda maps: maps)), "one linear map"),
    ("inception", functional(axis=0), "Axis 0 is the batch"),
    ("inception", lambda *a: Inception(*a[:-1]), "raised TypeError"),
    ("inception", lambda *a: Inception(*a, batch_norm=True), "number of parameters"),
    ("inception", lambda *a: "a block", "should give an nn.Module"),
    ("groups", 48 * 96 * 25, "without groups"),
    ("groups", 96 * 25, "reads one channel"),
    ("groups", 150, "one kernel"),
    ("groups", 14_496, "no biases"),
    ("separable", separable(groups=False), "groups=in_channels"),
    ("separable", separable(bias=True), "Both convolutions have biases"),
    ("separable", lambda i, o, k: SeparableConv2d(i, o, k), "shrink"),
    ("separable", lambda i, o, k: nn.Conv2d(i, o, k, padding=k // 2), "parameters"),
    ("ratio", lambda c, n, h, w, r: 1 / (r / n + r / (h * w)), "upside down"),
    ("ratio", lambda c, n, h, w, r: 1 / n + 1 / (h * w), "multiplier is forgotten"),
    ("ratio", lambda c, n, h, w, r: r * (h * w + n) / (h * w), "of one kernel"),
    ("break_even", 14, "still cheaper"),
    ("break_even", 800 / 57, "would be equal"),
    ("break_even", 25, "nothing is given up"),
]
