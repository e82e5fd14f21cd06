"""Exercise 7: blocks written in other ways are right; mistakes get the hint that fits."""

import contextlib
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.checks import check
from coursekit.checks.engine.modules import observe_module
from coursekit.checks.engine.values import agrees
from dlvlib.models.blocks import Residual


def conv(i, o, s=1):
    return nn.Conv2d(i, o, 3, stride=s, padding=1, bias=False)


class Plain(nn.Module):
    """The parts of a block with one number of channels, in the usual order."""

    def __init__(self, c, conv=conv):
        super().__init__()
        self.conv1, self.bn1 = conv(c, c), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = conv(c, c), nn.BatchNorm2d(c)


class ConvsFirst(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.conv2 = conv(c, c), conv(c, c)
        self.bn1, self.bn2 = nn.BatchNorm2d(c), nn.BatchNorm2d(c)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x
        return self.relu(out)


def joined(rule, **options):
    """A block whose forward is `rule(first half, second half, input)`."""

    class Block(Plain):
        def forward(self, x):
            first = F.relu(self.bn1(self.conv1(x)))
            return rule(first, self.bn2(self.conv2(first)), x)

    return lambda c: Block(c, **options)


full = partial(joined, lambda first, out, x: F.relu(out + x))


class SameNormTwice(Plain):
    def forward(self, x):
        return F.relu(self.bn1(self.conv2(F.relu(self.bn1(self.conv1(x))))) + x)


class Shortcut(nn.Module):
    """A block with projection whose shortcut is built, and computed, before the branch."""

    strides = staticmethod(lambda s: (s, 1))
    needed = staticmethod(lambda i, o, s: s > 1 or i != o)

    def __init__(self, i, o, s):
        super().__init__()
        self.proj = None
        if self.needed(i, o, s):
            self.proj = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o))
        first, second = self.strides(s)
        self.conv1, self.conv2 = conv(i, o, first), conv(o, o, second)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)

    def forward(self, x):
        identity = x if self.proj is None else self.proj(x)
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + identity)


def shortcut(**changes):
    return type("Changed", (Shortcut,), {name: staticmethod(f) for name, f in changes.items()})


late = shortcut(strides=lambda s: (1, s))


def zeroing(*places, name="weight"):
    def start(block):
        for place in places:
            nn.init.zeros_(getattr(block.branch[place], name))

    return start


def count(i, o, s, option):
    if option == "A" or (option == "B" and i == o and s == 1):
        return 0
    return i * o + 2 * o


class LastFirst(nn.Module):
    """Registers the second half of the branch first."""

    def __init__(self, c):
        super().__init__()
        self.conv2, self.bn2 = conv(c, c), nn.BatchNorm2d(c)
        self.bn1, self.conv1 = nn.BatchNorm2d(c), conv(c, c)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + x)


RIGHT = [
    ("block", LastFirst),
    ("block", ConvsFirst),
    ("block", joined(lambda first, out, x: F.relu(x + out))),
    ("projection", Shortcut),
    ("projection", lambda i, o, s: Residual(i, o, stride=s)),
    ("identity", zeroing(-1)),
    ("identity", lambda block: block.branch[4].weight.data.mul_(0)),
    ("negative", 4),
    ("shortcut_params", count),
]


WRONG = [
    ("silent", "cde", "not one of the words"),
    ("block", joined(lambda first, out, x: F.relu(out)), "no shortcut"),
    ("block", joined(lambda first, out, x: F.relu(out) + x), "before the addition"),
    ("block", joined(lambda f, o, x: F.relu(F.relu(o) + x)), "ends without one"),
    ("block", joined(lambda f, o, x: F.relu(o) + f), "half, and the last ReLU"),
    ("block", joined(lambda first, out, x: out + x), "no ReLU after"),
    ("block", joined(lambda first, out, x: F.relu(x - out)), "from the input"),
    ("block", joined(lambda first, out, x: F.relu(first + x)), "in a variable"),
    ("block", joined(lambda first, out, x: F.relu(out + first)), "first half"),
    ("block", joined(lambda first, out, x: F.relu(out + out)), "added to itself"),
    ("block", full(conv=lambda i, o: nn.Conv2d(i, o, 3, bias=False)), "padding is missing"),
    ("block", full(conv=lambda i, o: nn.Conv2d(i, o, 3, padding=1)), "have biases"),
    ("block", full(conv=lambda i, o: nn.Conv2d(i, o)), "kernel size"),
    ("block", SameNormTwice, "the values are off"),
    ("projection", shortcut(needed=lambda i, o, s: True), "identity is free"),
    ("projection", shortcut(needed=lambda i, o, s: i != o), "forgets the stride"),
    ("projection", late, "belongs in the first"),
    ("projection", shortcut(strides=lambda s: (s, s)), "Both convolutions stride"),
    ("projection", lambda i, o, s: ConvsFirst(i), "shape of the output"),
    ("identity", lambda block: None, "what it did"),
    ("identity", zeroing(4, name="bias"), "what it did"),
    ("identity", zeroing(1), "first normalisation"),
    ("identity", zeroing(1, 4), "Both gammas"),
    ("identity", zeroing(3), "still shifts"),
    ("identity", zeroing(3, 4), "cannot learn"),
    ("negative", 1.5, "what enters"),
    ("negative", 6.5, "does not flip"),
    ("shortcut_params", lambda i, o, s, opt: count(i, o, s, "C"), "On random input"),
    ("shortcut_params", lambda i, o, s, opt: count(i, o, s, opt) and i * o, "gamma and a beta"),
    ("shortcut_params", lambda i, o, s, opt: count(i, o, 1, opt), "projects for a stride"),
]


def test_the_silent_drafts_run_and_the_others_stop():
    """The answer to the first question, found by running the six drafts."""

    def run(rule, make, channels=16):
        first, second = make(16, channels), make(channels, channels)
        norms = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        maps = torch.randn(2, 16, 8, 8)
        half = F.relu(norms[0](first(maps)))
        return rule(half, norms[1](second(half)), maps)

    def right(half, out, maps):
        return F.relu(out + maps)

    drafts = {
        "a": lambda: run(right, lambda i, o: nn.Conv2d(i, o)),
        "b": lambda: run(right, lambda i, o: nn.Conv2d(i, o, 3)),
        "c": lambda: run(lambda half, out, maps: F.relu(out) + maps, conv),
        "d": lambda: run(lambda half, out, maps: F.relu(half + maps), conv),
        "e": lambda: run(lambda half, out, maps: F.relu(out), conv),
        "f": lambda: run(right, conv, channels=32),
    }
    silent = set()
    for name, draft in drafts.items():
        with contextlib.suppress(TypeError, RuntimeError):
            draft()
            silent.add(name)
    assert check("residual.silent", silent)


def test_where_the_projection_is_registered_does_not_matter():
    maps = torch.randn(2, 3, 6, 6)
    seen = [
        observe_module(block, 3, 3, 2, maps)
        for block in (Shortcut, lambda i, o, s: Residual(i, o, stride=s))
    ]
    assert agrees(*seen)
    assert not agrees(observe_module(late, 3, 3, 2, maps), seen[0])
