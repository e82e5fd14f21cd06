"""What a layer costs for one image at inference: parameters, operations, memory.

Integers in, integers out; no torch. The convention is the lecture's, everywhere in this file:
1 MAC (multiply-accumulate) = 2 FLOPs, a bias = 1 FLOP. So a dot product of n terms counts 2n,
where a strict count of its products and sums gives 2n - 1. Any other sum, product, quotient,
power, exp or tanh is 1 FLOP; a comparison is not a FLOP and is counted apart. A window counts in
full where it reaches over the border.
"""

from dataclasses import replace
from math import prod
from typing import Literal

from dlvlib._common import check_int
from dlvlib.profile import _layer
from dlvlib.profile._layer import LayerCost as LayerCost
from dlvlib.profile._layer import Pair, check_map, check_shape
from dlvlib.profile._layer import Shape as Shape

ACTIVATIONS = {  # (FLOPs, comparisons) per value; a smooth function is one evaluation
    "relu": (0, 1),
    "relu6": (0, 2),
    **dict.fromkeys(("leaky_relu", "prelu", "elu"), (1, 1)),
    "hardsigmoid": (2, 2),  # relu6(x + 3) / 6
    "hardswish": (3, 2),  # x relu6(x + 3) / 6
    **dict.fromkeys(("tanh", "sigmoid", "gelu", "silu", "mish", "softplus"), (1, 0)),
}


def linear(input_shape: Shape, out_features: int, *, bias: bool = True) -> LayerCost:
    """Dense layer that reads every value of its (flattened) input.

    >>> linear((3,), 1).flops  # 3 MACs = 6 FLOPs, and 1 for the bias
    7
    >>> cost = linear((1, 28, 28), 256)
    >>> cost.params, cost.flops, cost.output_bytes
    (200960, 401664, 1024)
    """
    num_inputs = prod(check_shape(input_shape))
    out_features = check_int("out_features", out_features, 1)
    macs = num_inputs * out_features
    return LayerCost(
        output_shape=(out_features,),
        params=macs + bias * out_features,
        macs=macs,
        flops=2 * macs + bias * out_features,
    )


def conv2d(
    input_shape: Shape,
    out_channels: int,
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    padding: Pair | Literal["same", "valid"] = 0,
    dilation: Pair = 1,
    groups: int = 1,
    bias: bool = True,
) -> LayerCost:
    """Convolution of a (C, H, W) map; a kernel reads C / groups channels.

    As in PyTorch, padding "same" (stride 1 only) keeps height and width, and "valid" is 0.

    >>> cost = conv2d((1, 28, 28), 256, 3)
    >>> cost.output_shape, cost.params, cost.flops, cost.output_bytes
    ((256, 26, 26), 2560, 3288064, 692224)
    """
    in_channels, *sizes = check_map(input_shape)
    out_channels = check_int("out_channels", out_channels, 1)
    groups = check_int("groups", groups, 1)
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"groups must divide the channels, got {groups} groups for "
            f"{in_channels} input and {out_channels} output channels"
        )
    kernel = _layer.pair("kernel_size", kernel_size, 1)
    if padding == "same":
        if _layer.pair("stride", stride, 1) != (1, 1):
            raise ValueError(f"stride must be 1 where padding is 'same', got {stride}")
        _layer.pair("dilation", dilation, 1)
    else:
        padding = 0 if padding == "valid" else padding
        sizes = _layer.slide(sizes, kernel, stride, padding, dilation)
    macs_per_value = in_channels // groups * prod(kernel)
    num_values = out_channels * prod(sizes)
    return LayerCost(
        output_shape=(out_channels, *sizes),
        params=out_channels * (macs_per_value + bias),
        macs=num_values * macs_per_value,
        flops=num_values * (2 * macs_per_value + bias),
    )


def depthwise_separable(
    input_shape: Shape,
    out_channels: int,
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    bias: bool = True,
) -> LayerCost:
    """One kernel per channel, then a 1x1 convolution; with `bias`, both have one.

    The sum of the two costs. Only the second map counts as output.

    >>> depthwise_separable((1024, 7, 7), 1024, 3, padding=1, bias=False).params
    1057792
    >>> conv2d((1024, 7, 7), 1024, 3, padding=1, bias=False).params
    9437184
    """
    channels = check_map(input_shape)[0]
    depthwise = conv2d(
        input_shape,
        channels,
        kernel_size,
        stride=stride,
        padding=padding,
        groups=channels,
        bias=bias,
    )
    pointwise = conv2d(depthwise.output_shape, out_channels, 1, bias=bias)
    return replace(
        pointwise,
        params=depthwise.params + pointwise.params,
        macs=depthwise.macs + pointwise.macs,
        flops=depthwise.flops + pointwise.flops,
    )


def max_pool2d(
    input_shape: Shape,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> LayerCost:
    """Largest of each window: comparisons only. `stride` is by default the kernel size.

    >>> cost = max_pool2d((1, 28, 28), 2)
    >>> cost.output_shape, cost.params, cost.flops, cost.comparisons, cost.output_bytes
    ((1, 14, 14), 0, 0, 588, 784)
    """
    layer, num_taps = _layer.pool(input_shape, kernel_size, stride, padding, dilation, ceil_mode)
    return replace(layer, comparisons=prod(layer.output_shape) * (num_taps - 1))


def avg_pool2d(
    input_shape: Shape,
    kernel_size: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
) -> LayerCost:
    """Mean of each window: for n values, n - 1 sums and a quotient make n FLOPs.

    >>> avg_pool2d((6, 28, 28), 2).flops
    4704
    """
    layer, num_taps = _layer.pool(input_shape, kernel_size, stride, padding, 1, ceil_mode)
    return replace(layer, flops=prod(layer.output_shape) * num_taps)


def adaptive_avg_pool2d(input_shape: Shape, output_size: Pair) -> LayerCost:
    """Mean over windows that cut any map into `output_size`; n FLOPs for n values.

    Window i of o on an axis of n pixels is [floor(i n / o), ceil((i + 1) n / o)).
    """
    layer, num_taps = _layer.adaptive_pool(input_shape, output_size)
    return replace(layer, flops=num_taps)


def adaptive_max_pool2d(input_shape: Shape, output_size: Pair) -> LayerCost:
    """Largest of each window of `adaptive_avg_pool2d`: comparisons only."""
    layer, num_taps = _layer.adaptive_pool(input_shape, output_size)
    return replace(layer, comparisons=num_taps - prod(layer.output_shape))


def batch_norm(input_shape: Shape, *, affine: bool = True) -> LayerCost:
    """One product and one sum per value; the parameters are gamma and beta.

    Mean and variance of the data are buffers, not parameters. At inference all four fold into
    one scale and one shift per channel.

    >>> batch_norm((64, 8, 8)).params, batch_norm((64, 8, 8)).flops
    (128, 8192)
    """
    shape = check_shape(input_shape)
    return LayerCost(shape, 2 * shape[0] * affine, flops=2 * prod(shape))


def group_norm(input_shape: Shape, num_groups: int, *, affine: bool = True) -> LayerCost:
    """Normalisation by the mean and variance of each group of channels, found at inference.

    Per value a sum for the mean, a difference, a square, a sum for the variance and a quotient;
    per group 2 more for epsilon and root; then gamma and beta, 2 per value.
    """
    shape = check_shape(input_shape)
    num_groups = check_int("num_groups", num_groups, 1)
    if shape[0] % num_groups:
        raise ValueError(f"num_groups must divide the {shape[0]} channels, got {num_groups}")
    flops = (5 + 2 * affine) * prod(shape) + 2 * num_groups
    return LayerCost(shape, 2 * shape[0] * affine, flops=flops)


def layer_norm(input_shape: Shape, normalized_shape: Shape, *, affine: bool = True) -> LayerCost:
    """`group_norm` over the last axes, whose sizes are `normalized_shape`.

    >>> layer_norm((7, 7, 96), (96,)).params
    192
    """
    shape, last = check_shape(input_shape), check_shape(normalized_shape)
    if shape[-len(last) :] != last:
        raise ValueError(f"normalized_shape must end the input shape {shape}, got {last}")
    flops = (5 + 2 * affine) * prod(shape) + 2 * (prod(shape) // prod(last))
    return LayerCost(shape, 2 * prod(last) * affine, flops=flops)


def local_response_norm(input_shape: Shape, size: int) -> LayerCost:
    """Per value a sum of `size` squares, and 4 more: scale, shift, power and quotient."""
    shape = check_map(input_shape)
    return LayerCost(shape, flops=prod(shape) * (2 * check_int("size", size, 1) + 4))


def activation(input_shape: Shape, kind: str = "relu") -> LayerCost:
    """One of `ACTIVATIONS`, applied to each value.

    >>> activation((6, 28, 28)).comparisons, activation((6, 28, 28), "tanh").flops
    (4704, 4704)
    """
    shape = check_shape(input_shape)
    if kind not in ACTIVATIONS:
        raise ValueError(f"kind must be one of {', '.join(ACTIVATIONS)}, got {kind!r}")
    flops, comparisons = (count * prod(shape) for count in ACTIVATIONS[kind])
    return LayerCost(shape, flops=flops, comparisons=comparisons)


def softmax(input_shape: Shape, *, log: bool = False) -> LayerCost:
    """Softmax over the K values of a vector, made safe by subtracting the largest: 4K - 1 FLOPs.

    K differences, K exp, K - 1 sums, K quotients; K - 1 comparisons find the largest. With `log`,
    one logarithm more, and K differences in place of the quotients.
    """
    shape = check_shape(input_shape)
    if len(shape) != 1:
        raise ValueError(f"input_shape of a softmax must be (K,), got {shape}")
    return LayerCost(shape, flops=4 * shape[0] - 1 + log, comparisons=shape[0] - 1)


def elementwise(output_shape: Shape) -> LayerCost:
    """A sum, difference, product or quotient of maps, or of a map and a number: 1 FLOP a value."""
    shape = tuple(check_int("each size in output_shape", size, 1) for size in output_shape)
    return LayerCost(shape, flops=prod(shape))
