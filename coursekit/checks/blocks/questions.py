"""Exercise 6: the price of an Inception block, the block itself, separable convolutions."""

import math
from typing import Any

import torch
from torch import nn

from coursekit.checks.blocks.mistakes import INCEPTION_MISTAKES, SEPARABLE_MISTAKES, PerChannel
from coursekit.checks.engine.functions import FunctionQuestion, draw_int
from coursekit.checks.engine.modules import observe_module
from coursekit.checks.engine.questions import NumberQuestion
from dlvlib.models.blocks import Inception, SeparableConv2d
from dlvlib.profile import cost

MAPS = (256, 14, 14)  # what the lecture's Inception block reads, at half its width


def _conv(channels: int, out_channels: int, window: int) -> cost.LayerCost:
    return cost.conv2d((channels, *MAPS[1:]), out_channels, window, padding=window // 2)


def _block(scale: int) -> tuple[list[cost.LayerCost], list[cost.LayerCost]]:
    """The layers of the naive and of the reduced block, with so many times its channels."""
    inputs, one, three, five, pool = (scale * n for n in (256, 64, 128, 32, 32))
    reductions = [_conv(inputs, scale * 64, 1), _conv(inputs, scale * 12, 1)]
    naive = [_conv(inputs, one, 1), _conv(inputs, three, 3), _conv(inputs, five, 5)]
    large = [_conv(scale * 64, three, 3), _conv(scale * 12, five, 5)]
    last = _conv(inputs, pool, 1)
    return [*naive, last], [naive[0], *reductions, *large, last]


_NAIVE, _REDUCED = _block(1)
_REDUCTIONS = _REDUCED[1:3]
_PRINTED = _block(2)  # the slide's block, which the chapter counts


def _params(layers: list[cost.LayerCost]) -> int:
    return sum(layer.params for layer in layers)


def _weights(layers: list[cost.LayerCost]) -> int:
    """Parameters without biases; there is one bias for each output channel."""
    return sum(layer.params - layer.output_shape[0] for layer in layers)


def _ratio(channels: int, num_kernels: int, height: int, width: int, multiplier: int) -> float:
    """Weights of the separable form with this depth multiplier, divided by the convolution's."""
    window, middle = (height, width), multiplier * channels
    maps = (channels, *window)
    depthwise = cost.conv2d(maps, middle, window, groups=channels, bias=False)
    pointwise = cost.conv2d((middle, *window), num_kernels, 1, bias=False)
    dense = cost.conv2d(maps, num_kernels, window, bias=False)
    return (depthwise.params + pointwise.params) / dense.params


def _draw_inception(generator: torch.Generator) -> tuple[Any, ...]:
    """In channels, six different widths, and maps that are not square."""
    in_channels = draw_int(generator, 2, 5)
    widths = (torch.randperm(8, generator=generator)[:6] + 1).tolist()
    return in_channels, *widths, torch.randn(2, in_channels, 6, 7, generator=generator)


def _draw_separable(generator: torch.Generator) -> tuple[Any, ...]:
    """In channels, another number of out channels, an odd window, maps."""
    channels = (torch.randperm(5, generator=generator)[:2] + 2).tolist()
    window = 3 + 2 * draw_int(generator, 0, 1)
    return *channels, window, torch.randn(2, channels[0], 6, 7, generator=generator)


def _draw_ratio(generator: torch.Generator) -> tuple[int, ...]:
    return tuple(torch.randint(2, 12, (5,), generator=generator).tolist())


def _separable(in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
    return SeparableConv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)


def _grouped(groups: int, *, bias: bool = False) -> int:
    return cost.conv2d((48, 9, 9), 96, 5, groups=groups, bias=bias).params


_BREAK_EVEN = 1 / _ratio(256, 32, 5, 5, 1)

QUESTIONS: dict[str, NumberQuestion | FunctionQuestion] = {
    "naive": NumberQuestion(
        expected=_params(_NAIVE),
        praise="The 3×3 and the 5×5 branch hold nearly all of them.",
        unit="the number of parameters, biases included",
        hints={
            _params(_PRINTED[0]): "That is the slide's own block; here every width is half of it.",
            _params(_PRINTED[0])
            // 2: "Half the channels on both sides: a weight joins two of them.",
            _weights(_NAIVE): "The biases are missing: one for each output channel.",
            _weights(_NAIVE) + len(_NAIVE): "There is a bias for each output channel, not one for "
            "each layer.",
            _params(_NAIVE[:3]): "The 1×1 convolution after the pooling is missing.",
            _params(_REDUCED): "That is the reduced block; the naive one has no reduction.",
            sum(layer.macs for layer in _NAIVE): "Those are MACs; a weight counts once, however "
            "many pixels use it.",
            _params([_conv(1, n, k) for n, k in ((64, 1), (128, 3), (32, 5), (32, 1))]): "Each "
            "kernel reads all 256 channels, not one.",
            _params([_NAIVE[0], _NAIVE[1], _conv(256, 32, 3), _NAIVE[3]]): "A 5×5 window has "
            "25 places.",
            4 * _params(_NAIVE): "Those are the bytes in float32.",
        },
    ),
    "reduced": NumberQuestion(
        expected=_params(_REDUCED),
        praise="Two narrow 1×1 convolutions save three quarters of the block.",
        unit="the number of parameters, biases included",
        hints={
            _params(_PRINTED[1]): "That is the slide's own block; here every width is half of it.",
            _weights(_REDUCED): "The biases are missing: one for each output channel.",
            _weights(_REDUCED) + len(_REDUCED): "There is a bias for each output channel, not one "
            "for each layer.",
            _params(_NAIVE): "That is the naive block: let the large windows read the reduced "
            "channels.",
            _params(_NAIVE) + _params(_REDUCTIONS): "You added the reductions, but the large "
            "windows still read 256 channels.",
            _params(_REDUCED)
            - _params(_REDUCTIONS): "The two 1×1 reductions have parameters too.",
            _params(_REDUCED[:5]): "The 1×1 convolution after the pooling is missing.",
            sum(layer.macs for layer in _REDUCED): "Those are MACs; a weight counts once, however "
            "many pixels use it.",
            round(_params(_NAIVE) / _params(_REDUCED), 2): "That is the factor saved; give the "
            "number of parameters.",
        },
    ),
    "inception": FunctionQuestion(
        signature="InceptionBlock(channels, out1, reduce3, out3, reduce5, out5, pool)",
        reference=Inception,
        draw=_draw_inception,
        observe=observe_module,
        rounds=3,
        praise="Shapes, parameters and outputs agree with dlvlib's block.",
        hints=INCEPTION_MISTAKES,
    ),
    "groups": NumberQuestion(
        expected=_grouped(8),
        praise="A kernel reads the six channels of its group.",
        unit="the number of weights, no biases",
        hints={
            _grouped(1): "That is without groups: each kernel would read all 48 channels.",
            _grouped(48): "That is with 48 groups, where a kernel reads one channel; how many "
            "channels has each of 8 groups?",
            8 * 96 * 25: "A kernel does not read 8 channels: there are 8 groups.",
            _grouped(8) // 8: "That is one of the eight groups.",
            6 * 25: "That is one kernel; there are 96.",
            6 * 96: "Each kernel has a window, not a single place.",
            6 * 48 * 25: "There are as many kernels as channels that go out, 96.",
            _grouped(8, bias=True): "The layer has no biases (bias=False).",
        },
    ),
    "separable": FunctionQuestion(
        signature="Separable(in_channels, out_channels, kernel_size)",
        reference=_separable,
        draw=_draw_separable,
        observe=observe_module,
        rounds=6,
        praise="Shapes, parameters and outputs agree with dlvlib's layer.",
        hints=SEPARABLE_MISTAKES,
        also_right=(PerChannel,),
    ),
    "ratio": FunctionQuestion(
        signature="ratio(channels, num_kernels, height, width, multiplier)",
        reference=_ratio,
        draw=_draw_ratio,
        praise="r (1/n_k + 1/(k_H k_W)): both steps grow with r, and the channels cancel.",
        hints={
            lambda c, n, h, w, r: 1 / _ratio(c, n, h, w, r): "It is upside down: divide the "
            "separable count by the other one.",
            lambda c, n, h, w, r: _ratio(c, n, h, w, 1): "The depth multiplier is forgotten.",
            lambda c, n, h, w, r: r / n + 1 / (h * w): "The pointwise step reads every map that "
            "the depthwise step returns, r for each channel.",
            lambda c, n, h, w, r: 1 / n + r / (h * w): "The depthwise step has r kernels for each "
            "channel, not one.",
            lambda c, n, h, w, r: r / n: "It counts the depthwise step only.",
            lambda c, n, h, w, r: r / (h * w): "It counts the pointwise step only.",
            lambda c, n, h, w, r: r * (1 / c + 1 / (h * w)): "It takes the channels that come in "
            "where the number of kernels belongs.",
            lambda c, n, h, w, r: r / (n * h * w): "The two steps are done one after the other: "
            "their weights add, they do not multiply.",
            lambda c, n, h, w, r: r * (1 / n + 1 / h**2): "It takes the window for a square: a "
            "window has height times width places.",
            lambda c, n, h, w, r: r * (1 / n + 1 / (h + w)): "A window has height times width "
            "places, not height plus width.",
            lambda c, n, h, w, r: n * _ratio(c, n, h, w, r): "It divides by the weights of one "
            "kernel; the convolution has num_kernels of them.",
            lambda c, n, h, w, r: 1 - _ratio(c, n, h, w, r): "It gives the share that is saved; "
            "the ratio is what remains.",
            lambda c, n, h, w, r: 100 * _ratio(c, n, h, w, r): "It gives a percentage; give a "
            "fraction.",
        },
    ),
    "break_even": NumberQuestion(
        expected=math.floor(_BREAK_EVEN) + 1,
        praise="Long before 25, where nothing would be given up.",
        unit="the smallest depth multiplier, a whole number",
        hints={
            math.floor(_BREAK_EVEN): "There the separable form is still cheaper, if only just.",
            _BREAK_EVEN: "There the two would be equal; from which whole number on is it larger?",
            round(_BREAK_EVEN, 2): "There the two are equal; from which whole number on is it "
            "larger?",
            25: "There nothing is given up; the separable form is larger long before.",
            32: "That is the number of kernels; write down both counts.",
            math.floor(1 / _ratio(256, 32, 3, 3, 1)) + 1: "That is for a window of 3×3.",
            1 / _BREAK_EVEN: "That is the ratio for a multiplier of 1.",
        },
    ),
}
