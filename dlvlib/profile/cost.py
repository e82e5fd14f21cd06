"""What a layer costs for one image at inference: parameters, operations, memory.

Integers in, integers out; no torch. The convention is the lecture's, everywhere in this file:
1 MAC (multiply-accumulate) = 2 FLOPs, a bias = 1 FLOP. So a dot product of n terms counts 2n,
where a strict count of its products and sums gives 2n - 1. Any other sum, product, quotient,
power, exp or tanh is 1 FLOP; a comparison is not a FLOP and is counted apart. A window counts in
full where it reaches over the border.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from dlvlib._common import check_int

Shape = tuple[int, ...]
Pair = int | tuple[int, int]  # one number for both axes, or (height, width)

ACTIVATIONS = {  # (FLOPs, comparisons) per value; a smooth function is one evaluation
    "relu": (0, 1),
    "relu6": (0, 2),
    **dict.fromkeys(("leaky_relu", "prelu", "elu"), (1, 1)),
    "hardsigmoid": (2, 2),  # relu6(x + 3) / 6
    "hardswish": (3, 2),  # x relu6(x + 3) / 6
    **dict.fromkeys(("tanh", "sigmoid", "gelu", "silu", "mish", "softplus"), (1, 0)),
}


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs for one image.

    Shapes leave the batch axis out. `macs` counts the dot products of dense and convolutional
    layers only; `flops` counts everything, 1 MAC = 2 FLOPs and a bias = 1 FLOP.
    """

    output_shape: Shape
    params: int = 0
    macs: int = 0
    flops: int = 0
    comparisons: int = 0
    input_constraint: str = "any shape"
    bytes_per_value: int = 4  # float32

    @property
    def output_bytes(self) -> int:
        return prod(self.output_shape) * self.bytes_per_value

    @property
    def param_bytes(self) -> int:
        return self.params * self.bytes_per_value


def linear(input_shape: Shape, out_features: int, *, bias: bool = True) -> LayerCost:
    """Dense layer that reads every value of its (flattened) input.

    >>> linear((3,), 1).flops  # 3 MACs = 6 FLOPs, and 1 for the bias
    7
    >>> cost = linear((1, 28, 28), 256)
    >>> cost.params, cost.flops, cost.output_bytes
    (200960, 401664, 1024)
    """
    num_inputs = prod(_check_shape(input_shape))
    out_features = check_int("out_features", out_features, 1)
    macs = num_inputs * out_features
    return LayerCost(
        output_shape=(out_features,),
        params=macs + bias * out_features,
        macs=macs,
        flops=2 * macs + bias * out_features,
        input_constraint=f"exactly {num_inputs} values: fixes the image size",
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
    in_channels, height, width = _check_map(input_shape)
    out_channels = check_int("out_channels", out_channels, 1)
    groups = check_int("groups", groups, 1)
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"groups must divide the channels, got {groups} groups for "
            f"{in_channels} input and {out_channels} output channels"
        )
    kernel = _pair("kernel_size", kernel_size, 1)
    if padding == "same":
        if _pair("stride", stride, 1) != (1, 1):
            raise ValueError(f"stride must be 1 where padding is 'same', got {stride}")
        size: tuple[int, ...] = (height, width)
        least: tuple[int, ...] = (1, 1)
    else:
        padding = 0 if padding == "valid" else padding
        size, least = _slide((height, width), kernel, stride, padding, dilation)
    macs_per_value = in_channels // groups * prod(kernel)
    num_values = out_channels * prod(size)
    return LayerCost(
        output_shape=(out_channels, *size),
        params=out_channels * (macs_per_value + bias),
        macs=num_values * macs_per_value,
        flops=num_values * (2 * macs_per_value + bias),
        input_constraint=f"{in_channels} channels, at least {least[0]}x{least[1]} pixels",
    )


def depthwise_separable(
    input_shape: Shape,
    out_channels: int,
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    bias: bool = True,
) -> LayerCost:
    """One kernel per channel, then a 1x1 convolution; with `bias`, both have one.

    The sum of the two costs. Only the second map counts as output.

    >>> depthwise_separable((1024, 7, 7), 1024, 3, padding=1, bias=False).params
    1057792
    >>> conv2d((1024, 7, 7), 1024, 3, padding=1, bias=False).params
    9437184
    """
    channels = _check_map(input_shape)[0]
    depthwise = conv2d(
        input_shape,
        channels,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=channels,
        bias=bias,
    )
    pointwise = conv2d(depthwise.output_shape, out_channels, 1, bias=bias)
    return LayerCost(
        output_shape=pointwise.output_shape,
        params=depthwise.params + pointwise.params,
        macs=depthwise.macs + pointwise.macs,
        flops=depthwise.flops + pointwise.flops,
        input_constraint=depthwise.input_constraint,
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
    output_shape, num_taps, least = _pool(
        input_shape, kernel_size, stride, padding, dilation, ceil_mode
    )
    comparisons = prod(output_shape) * (num_taps - 1)
    return LayerCost(output_shape=output_shape, comparisons=comparisons, input_constraint=least)


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
    output_shape, num_taps, least = _pool(input_shape, kernel_size, stride, padding, 1, ceil_mode)
    flops = prod(output_shape) * num_taps
    return LayerCost(output_shape=output_shape, flops=flops, input_constraint=least)


def adaptive_avg_pool2d(input_shape: Shape, output_size: Pair) -> LayerCost:
    """Mean over windows that cut any map into `output_size`; n FLOPs for n values.

    Window i of o on an axis of n pixels is [floor(i n / o), ceil((i + 1) n / o)).

    >>> adaptive_avg_pool2d((256, 6, 6), 6).output_shape
    (256, 6, 6)
    """
    output_shape, num_taps = _adaptive_pool(input_shape, output_size)
    return LayerCost(output_shape, flops=num_taps, input_constraint="any height and width")


def adaptive_max_pool2d(input_shape: Shape, output_size: Pair) -> LayerCost:
    """Largest of each window of `adaptive_avg_pool2d`: comparisons only.

    >>> adaptive_max_pool2d((512, 7, 7), 1).comparisons
    24576
    """
    output_shape, num_taps = _adaptive_pool(input_shape, output_size)
    comparisons = num_taps - prod(output_shape)
    return LayerCost(
        output_shape, comparisons=comparisons, input_constraint="any height and width"
    )


def global_avg_pool2d(input_shape: Shape) -> LayerCost:
    """Mean of each channel, which frees what follows from the image size.

    >>> cost = global_avg_pool2d((512, 7, 7))
    >>> cost.output_shape, cost.flops
    ((512, 1, 1), 25088)
    """
    return adaptive_avg_pool2d(input_shape, 1)


def batch_norm(input_shape: Shape, *, affine: bool = True) -> LayerCost:
    """One product and one sum per value; the parameters are gamma and beta.

    Mean and variance of the data are buffers, not parameters. At inference all four fold into
    one scale and one shift per channel.

    >>> batch_norm((64, 8, 8)).params, batch_norm((64, 8, 8)).flops
    (128, 8192)
    """
    shape = _check_shape(input_shape)
    return LayerCost(
        shape,
        params=2 * shape[0] * affine,
        flops=2 * prod(shape),
        input_constraint=f"{shape[0]} channels",
    )


def group_norm(input_shape: Shape, num_groups: int, *, affine: bool = True) -> LayerCost:
    """Normalisation by the mean and variance of each group of channels, found at inference.

    Per value a sum for the mean, a difference, a square, a sum for the variance and a quotient;
    per group 2 more for epsilon and root; then gamma and beta, 2 per value.

    >>> group_norm((64, 8, 8), 32).params, group_norm((64, 8, 8), 32).flops
    (128, 28736)
    """
    shape = _check_shape(input_shape)
    num_groups = check_int("num_groups", num_groups, 1)
    if shape[0] % num_groups:
        raise ValueError(f"num_groups must divide the {shape[0]} channels, got {num_groups}")
    return LayerCost(
        shape,
        params=2 * shape[0] * affine,
        flops=(5 + 2 * affine) * prod(shape) + 2 * num_groups,
        input_constraint=f"{shape[0]} channels",
    )


def layer_norm(input_shape: Shape, normalized_shape: Shape, *, affine: bool = True) -> LayerCost:
    """`group_norm` over the last axes, whose sizes are `normalized_shape`.

    >>> layer_norm((7, 7, 96), (96,)).params
    192
    """
    shape, last = _check_shape(input_shape), _check_shape(normalized_shape)
    if shape[-len(last) :] != last:
        raise ValueError(f"normalized_shape must end the input shape {shape}, got {last}")
    flops = (5 + 2 * affine) * prod(shape) + 2 * (prod(shape) // prod(last))
    return LayerCost(
        shape, params=2 * prod(last) * affine, flops=flops, input_constraint=f"ends in {last}"
    )


def local_response_norm(input_shape: Shape, size: int) -> LayerCost:
    """Local response normalisation: per value a sum of `size` squares and 4 more operations.

    The 4 are scale, shift, power and quotient.

    >>> local_response_norm((96, 55, 55), 5).flops
    4065600
    """
    shape = _check_map(input_shape)
    flops = prod(shape) * (2 * check_int("size", size, 1) + 4)
    return LayerCost(shape, flops=flops, input_constraint="a (C, H, W) map")


def activation(input_shape: Shape, kind: str = "relu") -> LayerCost:
    """One of `ACTIVATIONS`, applied to each value.

    >>> activation((6, 28, 28)).comparisons, activation((6, 28, 28), "tanh").flops
    (4704, 4704)
    """
    shape = _check_shape(input_shape)
    if kind not in ACTIVATIONS:
        raise ValueError(f"kind must be one of {', '.join(ACTIVATIONS)}, got {kind!r}")
    flops, comparisons = (count * prod(shape) for count in ACTIVATIONS[kind])
    return LayerCost(shape, flops=flops, comparisons=comparisons)


def dropout(input_shape: Shape) -> LayerCost:
    """Nothing: at inference dropout passes its input on.

    >>> dropout((4096,)).flops
    0
    """
    return LayerCost(output_shape=_check_shape(input_shape))


def softmax(input_shape: Shape, *, log: bool = False) -> LayerCost:
    """Softmax over the K values of a vector, made safe by subtracting the largest: 4K - 1 FLOPs.

    K differences, K exp, K - 1 sums, K quotients; K - 1 comparisons find the largest. With `log`,
    one logarithm more, and K differences in place of the quotients.

    >>> softmax((10,)).flops
    39
    """
    shape = _check_shape(input_shape)
    if len(shape) != 1:
        raise ValueError(f"input_shape of a softmax must be (K,), got {shape}")
    return LayerCost(shape, flops=4 * shape[0] - 1 + log, comparisons=shape[0] - 1)


def flatten(input_shape: Shape) -> LayerCost:
    """A vector with the same values, at no cost.

    >>> flatten((16, 5, 5)).output_shape
    (400,)
    """
    return LayerCost(output_shape=(prod(_check_shape(input_shape)),))


def add(input_shapes: Sequence[Shape]) -> LayerCost:
    """Sum of maps of one shape, as at the end of a residual block.

    >>> add([(64, 8, 8), (64, 8, 8)]).flops
    4096
    """
    first, *others = [_check_shape(shape) for shape in _check_several(input_shapes, 2)]
    if any(shape != first for shape in others):
        raise ValueError(f"input_shapes of a sum must be equal, got {[first, *others]}")
    flops = len(others) * prod(first)
    return LayerCost(output_shape=first, flops=flops, input_constraint="equal shapes")


def elementwise(output_shape: Shape) -> LayerCost:
    """A sum, difference, product or quotient of maps, or of a map and a number: 1 FLOP a value.

    >>> elementwise((64, 8, 8)).flops  # a map times one factor a channel
    4096
    """
    shape = tuple(check_int("each size in output_shape", size, 1) for size in output_shape)
    return LayerCost(shape, flops=prod(shape))


def concatenate(input_shapes: Sequence[Shape]) -> LayerCost:
    """The channels of all maps in one, as at the end of an Inception block. No arithmetic.

    >>> concatenate([(64, 8, 8), (32, 8, 8)]).output_shape
    (96, 8, 8)
    """
    first, *others = [_check_shape(shape) for shape in _check_several(input_shapes, 1)]
    if any(shape[1:] != first[1:] for shape in others):
        raise ValueError(
            f"input_shapes must agree in all but the channels, got {[first, *others]}"
        )
    channels = sum(shape[0] for shape in [first, *others])
    return LayerCost(
        output_shape=(channels, *first[1:]), input_constraint="equal height and width"
    )


def _pool(
    input_shape: Shape,
    kernel_size: Pair,
    stride: Pair | None,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
) -> tuple[Shape, int, str]:
    """Return the output shape, the number of values in a window, and the input constraint."""
    channels, *sizes = _check_map(input_shape)
    kernel = _pair("kernel_size", kernel_size, 1)
    if any(2 * p > k for p, k in zip(_pair("padding", padding, 0), kernel, strict=True)):
        raise ValueError(
            f"padding of a pooling window must be at most half its size, "
            f"got {padding} for {kernel_size}"
        )
    stride = kernel if stride is None else stride
    size, least = _slide(sizes, kernel, stride, padding, dilation, ceil_mode)
    return (channels, *size), prod(kernel), f"at least {least[0]}x{least[1]} pixels"


def _adaptive_pool(input_shape: Shape, output_size: Pair) -> tuple[Shape, int]:
    """Return the output shape and the number of values in all windows together."""
    channels, *sizes = _check_map(input_shape)
    outputs = _pair("output_size", output_size, 1)
    taps = [  # on one axis, over all windows
        sum(-(-(i + 1) * n // o) - i * n // o for i in range(o))
        for n, o in zip(sizes, outputs, strict=True)
    ]
    return (channels, *outputs), channels * prod(taps)


def _slide(
    sizes: Sequence[int],
    kernel: tuple[int, int],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool = False,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how often a window fits in height and width, and the least size it fits."""
    outputs, least = [], []
    for axis, n, k, s, p, d in zip(
        ("height", "width"),
        sizes,
        kernel,
        _pair("stride", stride, 1),
        _pair("padding", padding, 0),
        _pair("dilation", dilation, 1),
        strict=True,
    ):
        reach = d * (k - 1) + 1
        slack = s - 1 if ceil_mode else 0  # how far the last window may hang over
        count = (n + 2 * p - reach + slack) // s + 1
        if count < 1:
            raise ValueError(
                f"the window must fit the padded input, got {reach} > {n + 2 * p} in {axis}"
            )
        if ceil_mode and (count - 1) * s >= n + p:  # PyTorch: no window begins in the padding
            count -= 1
        outputs.append(count)
        least.append(max(1, reach - 2 * p - slack))
    return tuple(outputs), tuple(least)


def _pair(name: str, value: Pair, least: int) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, Iterable) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be one integer or (height, width), got {value!r}")
    height, width = (check_int(name, number, least) for number in pair)
    return height, width


def _check_shape(shape: Shape) -> Shape:
    if not len(shape):
        raise ValueError(f"input_shape must have at least one axis, got {shape!r}")
    return tuple(check_int(f"each size in input_shape {tuple(shape)}", n, 1) for n in shape)


def _check_map(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"input_shape must be (C, H, W), got {tuple(shape)}")
    return _check_shape(shape)


def _check_several(shapes: Sequence[Shape], least: int) -> Sequence[Shape]:
    if len(shapes) < least:
        raise ValueError(f"input_shapes must hold at least {least}, got {list(shapes)}")
    return shapes
