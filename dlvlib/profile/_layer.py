"""The record of a layer's cost, checks of shapes, and how often a window fits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


def check_shape(shape: Shape) -> Shape:
    if not len(shape):
        raise ValueError(f"input_shape must have at least one axis, got {shape!r}")
    return tuple(check_int(f"each size in input_shape {tuple(shape)}", n, 1) for n in shape)


def check_map(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"input_shape must be (C, H, W), got {tuple(shape)}")
    return check_shape(shape)


def pair(name: str, value: Pair, least: int) -> tuple[int, int]:
    both = tuple(value) if isinstance(value, Iterable) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{name} must be one integer or (height, width), got {value!r}")
    height, width = (check_int(name, number, least) for number in both)
    return height, width


def slide(
    sizes: Sequence[int],
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool = False,
) -> list[int]:
    """Return how often a window fits in height and width."""
    outputs = []
    kernels, strides = pair("kernel_size", kernel, 1), pair("stride", stride, 1)
    paddings, dilations = pair("padding", padding, 0), pair("dilation", dilation, 1)
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


def pool(
    input_shape: Shape,
    kernel: Pair,
    stride: Pair | None,
    padding: Pair,
    dilation: Pair,
    ceil: bool,
) -> tuple[LayerCost, int]:
    """Return a layer with the output shape of a pooling, and the number of values in a window."""
    channels, *sizes = check_map(input_shape)
    window = pair("kernel_size", kernel, 1)
    if any(2 * p > k for p, k in zip(pair("padding", padding, 0), window, strict=True)):
        raise ValueError(
            "padding of a pooling window must be at most half its size, "
            f"got {padding} for {kernel}"
        )
    stride = window if stride is None else stride
    size = slide(sizes, window, stride, padding, dilation, ceil)
    return LayerCost((channels, *size)), prod(window)


def adaptive_pool(input_shape: Shape, output_size: Pair) -> tuple[LayerCost, int]:
    """Return a layer with the output shape, and the number of values in all windows together."""
    channels, *sizes = check_map(input_shape)
    outputs = pair("output_size", output_size, 1)
    num_taps = channels
    for n, o in zip(sizes, outputs, strict=True):
        num_taps *= sum(-(-(i + 1) * n // o) - i * n // o for i in range(o))
    return LayerCost((channels, *outputs)), num_taps
