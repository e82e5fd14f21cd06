"""The pixels of a receptive field against those that reach each output of a real network."""

import random

import pytest
import torch
import torch.nn.functional as F
from models_helpers import DISTINCT, Forward, on_meta
from torch import nn

from dlvlib.profile import receptive_field


def lines_seen(model, height, width, axis=2):
    """For each row (axis 2) or column (3) of the output, those of the image that it depends on.

    Each image of the batch has one line of ones. All weights are positive, so that every path
    counts, through maxima as well: an output is positive where, and only where, it sees the line.
    """
    channels = next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), 1)
    for parameter in model.parameters():
        nn.init.constant_(parameter, parameter.ndim > 1 and 1 / parameter.numel())
    lines = torch.eye((height, width)[axis - 2], dtype=torch.double)[:, None, :, None]
    lines = lines.transpose(2, axis).expand(-1, channels, height, width).clone()
    with torch.no_grad():
        lit = model.double().eval()(lines).amax((1, 5 - axis)) > 0  # (line of image, of output)
    return [line.nonzero().flatten().tolist() for line in lit.T]


def not_empty(maps):
    return F.max_pool2d(maps, 1)  # raises if there is nothing to pool


def random_layer(draw):
    """A layer of one channel with a geometry of its own in height and width."""

    def pair(least, most):
        return draw.randint(least, most), draw.randint(least, most)

    kind = draw.choice(["conv", "same", "max", "avg", "slice", "pad", "assign", "turn", "branch"])
    if kind == "conv":
        return nn.Conv2d(
            1, 1, pair(1, 4), stride=pair(1, 3), padding=pair(0, 3), dilation=pair(1, 3)
        )
    if kind == "same":
        return nn.Conv2d(1, 1, pair(1, 4), padding="same", dilation=pair(1, 3))
    if kind in ("max", "avg"):
        kernel = pair(1, 4)
        padding = tuple(draw.randint(0, k // 2) for k in kernel)
        options = {"stride": pair(1, 3), "padding": padding, "ceil_mode": draw.random() < 0.5}
        if kind == "avg":
            return nn.AvgPool2d(kernel, **options)
        return nn.MaxPool2d(kernel, **options, dilation=pair(1, 2))
    (top, left), (down, right) = pair(0, 2), pair(1, 2)
    if kind == "slice":
        return Forward(lambda x: not_empty(x[:, :, top : -1 - left : down, left::right]))
    if kind == "pad":
        return Forward(lambda x: F.pad(x, (left, right, top - 1, down)))
    if kind == "turn":
        return Forward(lambda x: x.transpose(2, 3).permute(0, 3, 1, 2).transpose(1, 2) * 2)
    if kind == "branch":
        shift = draw.randint(0, 2)
        kernels = [(draw.randint(1, 5), draw.choice([1, 3, 5])) for _ in range(2)]  # see a column
        convs = [nn.Conv2d(1, 1, k, padding="same", dilation=pair(1, 3)) for k in kernels]

        def branches(x, one, two):
            rows = x.shape[2] - shift
            both = torch.cat([one(x)[:, :, shift:], two(x)[:, :, :rows]], 1)
            return not_empty(both).sum(1, keepdim=True)

        return Forward(branches, *convs)

    def assign(x):
        frame = x.new_zeros(*x.shape[:2], x.shape[2] + 3, x.shape[3] + 1)
        frame[..., top : top + x.shape[2], 1:] = x
        return frame

    return Forward(assign)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_pixels_are_those_that_reach_each_output():
    draw, networks = random.Random(0), 0
    while networks < 150:
        model = nn.Sequential(*[random_layer(draw) for _ in range(draw.randint(1, 4))])
        height, width = draw.randint(9, 24), draw.randint(9, 24)
        try:
            expected = [lines_seen(model, height, width, axis) for axis in (2, 3)]
        except (RuntimeError, IndexError):
            continue  # a window does not fit
        if not any(expected[0]):
            continue  # the width of the output lies in padding: nothing reaches it
        networks += 1
        for axis, size, lines in zip(("height", "width"), (height, width), expected, strict=True):
            field = receptive_field.of(model, (1, height, width), axis=axis)[-1]
            pixels = [list(field.pixels(i, size)) for i in range(len(lines))]
            assert pixels == lines, f"network {networks}, {axis}: {model}"
            for i, line in enumerate(lines):  # the plain numbers hold them all
                first = field.start + i * field.stride
                assert set(line) <= set(range(first, first + field.size))


def one_channel(model):
    """The same geometry with one channel: their number plays no part in what is seen."""
    for name, child in model.named_children():
        if isinstance(child, nn.Conv2d):
            geometry = child.kernel_size, child.stride, child.padding, child.dilation
            layer = nn.Conv2d(1, 1, *geometry, bias=False)
            setattr(model, name, Forward(lambda x, a: a(x.mean(1, keepdim=True)), layer))
        elif isinstance(child, nn.BatchNorm2d | nn.LocalResponseNorm):
            setattr(model, name, nn.Identity())
        else:
            one_channel(child)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_the_course_s_networks_see_what_reaches_them(name):
    model = on_meta(name)
    width = getattr(model, "min_size", 32)
    height = 2 * width + 3
    channels = next(model.parameters()).shape[1]
    field = receptive_field.of(model.features, (channels, height, width))[-1]
    expected = lines_seen(one_channel(model.features).to_empty(device="cpu"), height, width)
    assert [list(field.pixels(i, height)) for i in range(len(expected))] == expected
