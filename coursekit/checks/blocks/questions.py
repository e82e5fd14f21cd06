"""Exercise 6: the price of an Inception block, the block itself, separable convolutions."""

from typing import Any

import torch
from torch import nn

from coursekit.checks.blocks.mistakes import INCEPTION_MISTAKES, SEPARABLE_MISTAKES, PerChannel
from coursekit.checks.engine.functions import FunctionQuestion, draw_int
from coursekit.checks.engine.modules import observe_module
from coursekit.checks.engine.questions import NumberQuestion
from dlvlib.models.blocks import Inception, SeparableConv2d
from dlvlib.profile import cost

MAPS = (512, 14, 14)  # what the lecture's Inception block reads


def _conv(channels: int, out_channels: int, window: int) -> cost.LayerCost:
    return cost.conv2d((channels, *MAPS[1:]), out_channels, window, padding=window // 2)


_NAIVE = [_conv(512, 128, 1), _conv(512, 256, 3), _conv(512, 64, 5), _conv(512, 64, 1)]
_REDUCTIONS = [_conv(512, 128, 1), _conv(512, 24, 1)]
_REDUCED = [_NAIVE[0], *_REDUCTIONS, _conv(128, 256, 3), _conv(24, 64, 5), _NAIVE[3]]


def _params(layers: list[cost.LayerCost]) -> int:
    return sum(layer.params for layer in layers)


def _weights(layers: list[cost.LayerCost]) -> int:
    """Parameters without biases; there is one bias for each output channel."""
    return sum(layer.params - layer.output_shape[0] for layer in layers)


def _pair(channels: int, num_kernels: int, height: int, width: int) -> tuple[int, int]:
    """Weights of a convolution and of its separable form, no biases."""
    window = height, width
    maps = (channels, *window)
    dense = cost.conv2d(maps, num_kernels, window, bias=False)
    return dense.params, cost.depthwise_separable(maps, num_kernels, window, bias=False).params


def _ratio(channels: int, num_kernels: int, height: int, width: int) -> float:
    dense, separable = _pair(channels, num_kernels, height, width)
    return separable / dense


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
    return tuple(torch.randint(2, 12, (4,), generator=generator).tolist())


def _separable(in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
    return SeparableConv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)


_GROUPED = cost.conv2d((64, 9, 9), 64, 3, groups=64)
_ROW = _pair(1024, 1024, 5, 5)
_SLIDE = _pair(1028, 1028, 5, 5)

QUESTIONS: dict[str, NumberQuestion | FunctionQuestion] = {
    "naive": NumberQuestion(
        expected=_params(_NAIVE),
        praise="The 3×3 and the 5×5 branch hold nearly all of them.",
        unit="the number of parameters, biases included",
        hints={
            _weights(_NAIVE): "The biases are missing: one for each output channel.",
            _weights(_NAIVE) + len(_NAIVE): "There is a bias for each output channel, not one for "
            "each layer.",
            _params(_NAIVE[:3]): "The 1×1 convolution after the pooling is missing.",
            _params(_REDUCED): "That is the reduced block; the naive one has no reduction.",
            sum(layer.macs for layer in _NAIVE): "Those are MACs; a weight counts once, however "
            "many pixels use it.",
            _params([_conv(1, n, k) for n, k in ((128, 1), (256, 3), (64, 5), (64, 1))]): "Each "
            "kernel reads all 512 channels, not one.",
            _params([_NAIVE[0], _NAIVE[1], _conv(512, 64, 3), _NAIVE[3]]): "A 5×5 window has "
            "25 places.",
            4 * _params(_NAIVE): "Those are the bytes in float32.",
        },
    ),
    "reduced": NumberQuestion(
        expected=_params(_REDUCED),
        praise="Two narrow 1×1 convolutions save three quarters of the block.",
        unit="the number of parameters, biases included",
        hints={
            _weights(_REDUCED): "The biases are missing: one for each output channel.",
            _weights(_REDUCED) + len(_REDUCED): "There is a bias for each output channel, not one "
            "for each layer.",
            _params(_NAIVE): "That is the naive block: let the large windows read the reduced "
            "channels.",
            _params(_NAIVE) + _params(_REDUCTIONS): "You added the reductions, but the large "
            "windows still read 512 channels.",
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
        mistakes=INCEPTION_MISTAKES,
    ),
    "groups": NumberQuestion(
        expected=_GROUPED.params - 64,
        praise="One window for each channel.",
        unit="the number of weights, no biases",
        hints={
            _conv(64, 64, 3).params - 64: "That is without groups: each kernel would read all 64 "
            "channels. With 64 groups it reads one.",
            9: "That is one kernel for all channels; each channel has its own.",
            64: "Each kernel has a window, not a single place.",
            64 * 64: "Those are the weights of the 1×1 convolution, the second step.",
            _GROUPED.params: "The layer has no biases (bias=False).",
            _conv(64, 64, 3).params - 64 + 64 * 64: "With 64 groups a kernel reads one channel "
            "only, and the 1×1 step is another layer.",
        },
    ),
    "separable": FunctionQuestion(
        signature="Separable(in_channels, out_channels, kernel_size)",
        reference=_separable,
        draw=_draw_separable,
        observe=observe_module,
        rounds=6,
        praise="Shapes, parameters and outputs agree with dlvlib's layer.",
        mistakes=SEPARABLE_MISTAKES,
        also_right=(PerChannel,),
    ),
    "ratio": FunctionQuestion(
        signature="ratio(channels, num_kernels, height, width)",
        reference=_ratio,
        draw=_draw_ratio,
        praise="1/n_k + 1/(k_H k_W): the channels that come in cancel.",
        mistakes={
            "It is upside down: divide the separable count by the other one.": (
                lambda c, n, h, w: 1 / _ratio(c, n, h, w)
            ),
            "It counts the depthwise step only.": lambda c, n, h, w: 1 / n,
            "It counts the pointwise step only.": lambda c, n, h, w: 1 / (h * w),
            "It takes the channels that come in where the number of kernels belongs.": (
                lambda c, n, h, w: 1 / c + 1 / (h * w)
            ),
            "The two steps are done one after the other: their weights add, they do not "
            "multiply.": lambda c, n, h, w: 1 / n * 1 / (h * w),
            "It takes the window for a square: a window has height times width places.": (
                lambda c, n, h, w: 1 / n + 1 / h**2
            ),
            "A window has height times width places, not height plus width.": (
                lambda c, n, h, w: 1 / n + 1 / (h + w)
            ),
            "It divides by the weights of one kernel; the convolution has num_kernels of them.": (
                lambda c, n, h, w: n * _ratio(c, n, h, w)
            ),
            "It gives the share that is saved; the ratio is what remains.": (
                lambda c, n, h, w: 1 - _ratio(c, n, h, w)
            ),
            "It gives a percentage; give a fraction.": lambda c, n, h, w: 100 * _ratio(c, n, h, w),
        },
    ),
    "table": NumberQuestion(
        expected=_ROW[0],
        praise="So the millions on the slide belong to another width.",
        unit="the number of weights, no biases",
        hints={
            _SLIDE[0]: "That is with 1028 channels and kernels, as printed. Which power of two "
            "is meant?",
            26.4: "That is the printed number, in millions; compute it again with the right "
            "width.",
            round(_ROW[0] / 1e6, 1): "Give the whole number of weights, not the millions.",
            _ROW[0] / 1e6: "Give the whole number of weights, not the millions.",
            round(_ROW[0], -5): "That is rounded; give the whole number of weights.",
            round(_SLIDE[0], -5): "That is the printed number; compute it again with the right "
            "width.",
            _ROW[1]: "That is the separable form; the question is about the convolution.",
            _pair(1024, 1024, 3, 3)[0]: "That is the second row; the third has a 5×5 window.",
            _ROW[0] + 1024: "The table leaves the biases out.",
            25 * 1024: "That is one kernel; there are as many kernels as channels.",
        },
    ),
}
