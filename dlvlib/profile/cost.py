"""What a layer costs for one image at inference: parameters, operations, memory.

Integers in, integers out; no torch. The convention is the lecture's, everywhere in this file:
1 MAC (multiply-accumulate) = 2 FLOPs, a bias = 1 FLOP. So a dot product of n terms counts 2n,
where a strict count of its products and sums gives 2n - 1. Any other sum, product, quotient,
power, exp or tanh is 1 FLOP; a comparison is not a FLOP and is counted apart. A window counts in
full where it reaches over the border.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

from dlvlib._common import check_int

Shape = tuple[int, ...]
Pair = int | tuple[int, int]  # one number for both axes, or (height, width)


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
    )


def conv2d(
    input_shape: Shape,
    out_channels: int,
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    bias: bool = True,
) -> LayerCost:
    """Convolution of a (C, H, W) map; a kernel reads C / groups channels.

    >>> cost = conv2d((1, 28, 28), 256, 3)
    >>> cost.output_shape, cost.params, cost.flops, cost.output_bytes
    ((256, 26, 26), 2560, 3288064, 692224)
    """
    in_channels, *sizes = _check_map(input_shape)
    out_channels = check_int("out_channels", out_channels, 1)
    groups = check_int("groups", groups, 1)
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"groups must divide the channels, got {groups} groups for "
            f"{in_channels} input and {out_channels} output channels"
        )
    kernel = _pair("kernel_size", kernel_size, 1)
    sizes = _slide(sizes, kernel, stride, padding, dilation)
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
    channels = _check_map(input_shape)[0]
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
    channels, *sizes = _check_map(input_shape)
    window = _pair("kernel_size", kernel_size, 1)
    if any(2 * p > k for p, k in zip(_pair("padding", padding, 0), window, strict=True)):
        raise ValueError(
            "padding of a pooling window must be at most half its size, "
            f"got {padding} for {kernel_size}"
        )
    stride = window if stride is None else stride
    shape = (channels, *_slide(sizes, window, stride, padding, dilation, ceil_mode))
    return LayerCost(shape, comparisons=prod(shape) * (prod(window) - 1))


def batch_norm(input_shape: Shape) -> LayerCost:
    """One product and one sum per value; the parameters are gamma and beta.

    Mean and variance of the data are buffers, not parameters. At inference all four fold into
    one scale and one shift per channel.

    >>> batch_norm((64, 8, 8)).params, batch_norm((64, 8, 8)).flops
    (128, 8192)
    """
    shape = _check_shape(input_shape)
    return LayerCost(shape, 2 * shape[0], flops=2 * prod(shape))


def _check_shape(shape: Shape) -> Shape:
    if not len(shape):
        raise ValueError(f"input_shape must have at least one axis, got {shape!r}")
    return tuple(check_int(f"each size in input_shape {tuple(shape)}", n, 1) for n in shape)


def _check_map(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"input_shape must be (C, H, W), got {tuple(shape)}")
    return _check_shape(shape)


def _pair(name: str, value: Pair, least: int) -> tuple[int, int]:
    both = tuple(value) if isinstance(value, Iterable) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{name} must be one integer or (height, width), got {value!r}")
    height, width = (check_int(name, number, least) for number in both)
    return height, width


def _slide(
    sizes: Sequence[int],
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool = False,
) -> list[int]:
    """Return how often a window fits in height and width."""
    outputs = []
    kernels, strides = _pair("kernel_size", kernel, 1), _pair("stride", stride, 1)
    paddings, dilations = _pair("padding", padding, 0), _pair("dilation", dilation, 1)
    for axis, n, k, s, p, d in zip(
        ("height", "width"), sizes, kernels, strides, paddings, dilations, strict=True
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
    return outputs
