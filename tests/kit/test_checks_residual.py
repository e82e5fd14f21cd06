"""Exercise 7: blocks written in other ways are right; mistakes get the hint that fits."""

import contextlib
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.checks import check
from dlvlib.models.blocks import Residual


def conv(i, o, s=1):
    return nn.Conv2d(i, o, 3, stride=s, padding=1, bias=False)


def unpadded(i, o):
    return nn.Conv2d(i, o, 3, bias=False)


class Plain(nn.Module):
    """The parts of a block with one number of channels, in the usual order."""

    def __init__(self, c, conv=conv):
        super().__init__()
        self.conv1, self.bn1 = conv(c, c), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = conv(c, c), nn.BatchNorm2d(c)


class LastFirst(nn.Module):
    """Registers the second half of the branch first, and works in place."""

    def __init__(self, c):
        super().__init__()
        self.conv2, self.conv1 = conv(c, c), conv(c, c)
        self.bn2, self.bn1 = nn.BatchNorm2d(c), nn.BatchNorm2d(c)
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
    """A block with option A whose shortcut is computed before the branch."""

    strides = staticmethod(lambda s: (s, 1))
    take = staticmethod(lambda x, s: F.max_pool2d(x, 1, s))

    def __init__(self, i, o, s):
        super().__init__()
        self.s, self.more = s, o - i
        first, second = self.strides(s)
        self.conv1, self.conv2 = conv(i, o, first), conv(o, o, second)
        self.bn1, self.bn2 = nn.BatchNorm2d(o), nn.BatchNorm2d(o)

    def fill(self, x):
        batch, _, height, width = x.shape
        return torch.cat([x, x.new_zeros(batch, self.more, height, width)], dim=1)

    def forward(self, x):
        identity = self.fill(self.take(x, self.s))
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + identity)


def shortcut(fill=Shortcut.fill, **changes):
    changes = {name: staticmethod(f) for name, f in changes.items()}
    return type("Changed", (Shortcut,), {"fill": fill, **changes})


def mirrored(**changes):
    """With the sum the other way round: torch then names the two sizes in the other order."""

    class Mirrored(shortcut(**changes)):
        def forward(self, x):
            out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(self.fill(self.take(x, self.s)) + out)

    return Mirrored


class ShortcutB(Shortcut):
    """With a projection where the shape changes."""

    def __init__(self, i, o, s):
        super().__init__(i, o, s)
        needed = s > 1 or i != o
        self.proj = nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o))
        self.proj = self.proj if needed else nn.Identity()

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.proj(x))


def count(i, o, s, option):
    if option == "A" or (option == "B" and i == o and s == 1):
        return 0
    return i * o + 2 * o


class WithKernel(Shortcut):
    """Option A as a convolution whose kernel is fixed."""

    def __init__(self, i, o, s):
        super().__init__(i, o, s)
        self.register_buffer("kernel", torch.eye(o, i)[..., None, None])

    def fill(self, x):
        return F.conv2d(x, self.kernel)


RIGHT = [
    ("option_a", WithKernel),
    ("block", LastFirst),
    ("block", joined(lambda first, out, x: F.relu(x + out))),
    ("option_a", Shortcut),
    ("option_a", shortcut(take=lambda x, s: x[..., ::s, ::s])),
    ("start", ["Conv2", "norm2"]),
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
    ("block", full(conv=unpadded), "padding is missing: the branch shrinks"),
    ("block", full(conv=lambda i, o: nn.Conv2d(i, o, 3, padding=1)), "have biases"),
    ("block", joined(lambda f, o, x: F.relu(x + o), conv=unpadded), "size of the input"),
    ("block", full(conv=lambda i, o: nn.Conv2d(i, o)), "kernel size"),
    ("block", SameNormTwice, "the values are off"),
    ("block", joined(lambda f, o, x: F.relu(x.add_(o))), "adds into its input"),
    ("block", joined(lambda f, o, x: F.relu(o.detach() + x)), "gradient reaches: it gives 0"),
    ("option_a", ShortcutB, "no parameters of its own"),
    ("option_a", shortcut(take=lambda x, s: x), "takes the stride once"),
    ("option_a", shortcut(strides=lambda s: (1, 1)), "takes the stride once"),
    ("option_a", mirrored(take=lambda x, s: x), "takes the stride once"),
    ("option_a", shortcut(take=lambda x, s: F.avg_pool2d(x, s, ceil_mode=True)), "the mean"),
    ("option_a", shortcut(fill=lambda b, x: Shortcut.fill(b, x).roll(b.more, 1)), "before"),
    ("option_a", shortcut(fill=lambda self, x: x), "new channels"),
    ("option_a", shortcut(strides=lambda s: (1, s)), "belongs in the first"),
    ("option_a", shortcut(strides=lambda s: (s, s)), "Both convolutions stride"),
    ("option_a", lambda i, o, s: LastFirst(i), "shape of the output"),
    ("start", "norm2", "what it reads"),
    ("start", "conv1, conv2, norm1, norm2", "back through the ReLU"),
    ("start", {"conv2", "norm1", "norm2"}, "0 everywhere"),
    ("negative", 1.5, "what enters"),
    ("negative", 6.5, "does not flip"),
    ("shortcut_params", lambda i, o, s, opt: count(i, o, s, "C"), "On random input"),
    ("shortcut_params", lambda i, o, s, opt: count(i, o, s, opt) and i * o, "gamma and a beta"),
    ("shortcut_params", lambda i, o, s, opt: count(i, o, 1, opt), "projects for a stride"),
]


def test_the_silent_drafts_run_and_the_others_stop():
    """The answer to the first question, found by running the six drafts."""
    drafts = {
        "a": full(conv=lambda i, o: nn.Conv2d(i, o)),
        "b": full(conv=unpadded),
        "c": joined(lambda first, out, x: F.relu(out) + x),
        "d": joined(lambda first, out, x: F.relu(first + x)),
        "e": joined(lambda first, out, x: F.relu(out)),
        "f": lambda c: shortcut(fill=lambda self, x: x)(c, 2 * c, 1),
    }
    silent = set()
    for name, draft in drafts.items():
        with contextlib.suppress(TypeError, RuntimeError):
            draft(16)(torch.randn(2, 16, 8, 8))
            silent.add(name)
    assert check("residual.silent", silent)


def test_all_zeros_return_the_input_and_two_of_them_let_every_parameter_learn():
    """The answer to question 4, found by training."""
    learns = set()
    for name, place in {"conv1": 0, "norm1": 1, "conv2": 3, "norm2": 4}.items():
        torch.manual_seed(0)
        block = Residual(8, 8)
        nn.init.zeros_(block.branch[place].weight)
        maps = torch.rand(2, 8, 5, 5)
        assert torch.equal(block(maps), maps)
        before = [parameter.clone() for parameter in block.parameters()]
        optimizer = torch.optim.SGD(block.parameters(), lr=0.1)
        for _ in range(10):
            maps, targets = torch.rand(2, 8, 8, 5, 5)
            optimizer.zero_grad()
            F.mse_loss(block(maps), targets).backward()
            optimizer.step()
        moved = [not torch.equal(*pair) for pair in zip(block.parameters(), before, strict=True)]
        assert all(moved) or sum(moved) == 1
        learns |= {name} if all(moved) else set()
    assert check("residual.start", learns)
