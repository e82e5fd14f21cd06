"""Exercise 7: blocks written in other ways are right; mistakes get the hint that fits."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from coursekit.checks import check
from coursekit.checks.engine.modules import observe_module
from coursekit.checks.engine.values import same
from dlvlib.models.blocks import Residual


def conv(i, o, s=1):
    return nn.Conv2d(i, o, 3, stride=s, padding=1, bias=False)


class Plain(nn.Module):
    """The parts of a block with one number of channels, in the usual order."""

    def __init__(self, c, conv=conv):
        super().__init__()
        self.conv1, self.bn1 = conv(c, c), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = conv(c, c), nn.BatchNorm2d(c)


class ConvsFirst(Plain):
    def __init__(self, c):
        nn.Module.__init__(self)
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


class Always(Shortcut):
    needed = staticmethod(lambda i, o, s: True)


class Channels(Shortcut):
    needed = staticmethod(lambda i, o, s: i != o)


class Late(Shortcut):
    strides = staticmethod(lambda s: (1, s))


class Twice(Shortcut):
    strides = staticmethod(lambda s: (s, s))


def zeroing(*places, name="weight"):
    def start(block):
        for place in places:
            nn.init.zeros_(getattr(block.branch[place], name))

    return start


def count(i, o, s, option):
    if option == "A" or (option == "B" and i == o and s == 1):
        return 0
    return i * o + 2 * o


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("residual.silent", {"c", "d", "e"}),
        ("residual.silent", ["E", "c ", "d"]),
        ("residual.silent", "c, d, e"),
        ("residual.block", ConvsFirst),
        ("residual.block", joined(lambda first, out, x: F.relu(x + out))),
        ("residual.projection", Shortcut),
        ("residual.projection", lambda i, o, s: Residual(i, o, stride=s)),
        ("residual.identity", zeroing(-1)),
        ("residual.identity", lambda block: block.branch[4].weight.data.mul_(0)),
        ("residual.negative", 4),
        ("residual.shortcut_params", count),
    ],
)
def test_a_right_answer_is_right(question, answer):
    verdict = check(question, answer)
    assert verdict, verdict.message


@pytest.mark.parametrize(
    ("question", "answer", "hint"),
    [
        ("residual.silent", {"a", "b", "f"}, "stop with an error"),
        ("residual.silent", {"c", "e"}, "throws it away"),
        ("residual.silent", {"c"}, "2 missing"),
        ("residual.silent", "cde", "not one of the words"),
        ("residual.block", joined(lambda first, out, x: F.relu(out)), "no shortcut"),
        ("residual.block", joined(lambda first, out, x: F.relu(out) + x), "before the addition"),
        ("residual.block", joined(lambda f, o, x: F.relu(F.relu(o) + x)), "ends without one"),
        ("residual.block", joined(lambda f, o, x: F.relu(o) + f), "half, and the last ReLU"),
        ("residual.block", joined(lambda first, out, x: out + x), "no ReLU after"),
        ("residual.block", joined(lambda first, out, x: F.relu(x - out)), "from the input"),
        ("residual.block", joined(lambda first, out, x: F.relu(first + x)), "in a variable"),
        ("residual.block", joined(lambda first, out, x: F.relu(out + first)), "first half"),
        ("residual.block", joined(lambda first, out, x: F.relu(out + out)), "added to itself"),
        (
            "residual.block",
            joined(
                lambda f, o, x: F.relu(o + x), conv=lambda i, o: nn.Conv2d(i, o, 3, bias=False)
            ),
            "padding is missing",
        ),
        (
            "residual.block",
            joined(lambda f, o, x: F.relu(o + x), conv=lambda i, o: nn.Conv2d(i, o, 3, padding=1)),
            "have biases",
        ),
        ("residual.block", joined(None, conv=lambda i, o: nn.Conv2d(i, o)), "kernel size"),
        ("residual.block", SameNormTwice, "the values are off"),
        ("residual.projection", Always, "identity is free"),
        ("residual.projection", Channels, "forgets the stride"),
        ("residual.projection", Late, "belongs in the first"),
        ("residual.projection", Twice, "Both convolutions stride"),
        ("residual.projection", lambda i, o, s: ConvsFirst(i), "size of tensor|number of|shape"),
        ("residual.identity", lambda block: None, "what it did"),
        ("residual.identity", zeroing(4, name="bias"), "what it did"),
        ("residual.identity", zeroing(1), "first normalisation"),
        ("residual.identity", zeroing(1, 4), "Both gammas"),
        ("residual.identity", zeroing(3), "still shifts"),
        ("residual.identity", zeroing(3, 4), "cannot learn"),
        ("residual.negative", 1.5, "what enters"),
        ("residual.negative", 6.5, "does not turn"),
        (
            "residual.shortcut_params",
            lambda i, o, s, option: count(i, o, s, "C"),
            "On random input",
        ),
        (
            "residual.shortcut_params",
            lambda i, o, s, option: count(i, o, s, option) and i * o,
            "gamma and a beta",
        ),
        (
            "residual.shortcut_params",
            lambda i, o, s, option: count(i, o, 1 if option == "B" else s, option),
            "projects for a stride",
        ),
    ],
)
def test_a_mistake_gets_the_hint_that_fits(question, answer, hint):
    verdict = check(question, answer)
    assert not verdict
    assert any(part in verdict.message for part in hint.split("|")), verdict.message


def test_the_silent_drafts_run_and_the_others_stop():
    """The answer to the first question, found by running the six drafts."""

    def run(rule, make, channels=16):
        first, second = make(16, channels), make(channels, channels)
        norms = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        maps = torch.randn(2, 16, 8, 8)
        half = F.relu(norms[0](first(maps)))
        return rule(half, norms[1](second(half)), maps)

    def full(half, out, maps):
        return F.relu(out + maps)

    drafts = {
        "a": lambda: run(full, lambda i, o: nn.Conv2d(i, o)),
        "b": lambda: run(full, lambda i, o: nn.Conv2d(i, o, 3)),
        "c": lambda: run(lambda half, out, maps: F.relu(out) + maps, conv),
        "d": lambda: run(lambda half, out, maps: F.relu(half + maps), conv),
        "e": lambda: run(lambda half, out, maps: F.relu(out), conv),
        "f": lambda: run(full, conv, channels=32),
    }
    silent = set()
    for name, draft in drafts.items():
        try:
            draft()
            silent.add(name)
        except (TypeError, RuntimeError):
            pass
    assert check("residual.silent", silent)


def test_where_the_projection_is_registered_does_not_matter():
    maps = torch.randn(2, 3, 6, 6)
    seen = [
        observe_module(block, 3, 3, 2, maps)
        for block in (Shortcut, lambda i, o, s: Residual(i, o, stride=s))
    ]
    assert same(*seen)
    assert not same(observe_module(Late, 3, 3, 2, maps), seen[0])
