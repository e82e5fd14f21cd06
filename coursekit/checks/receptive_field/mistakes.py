"""The usual mistakes with receptive fields, each as the wrong computation behind it."""

import operator
from collections.abc import Callable, Sequence
from itertools import accumulate

from dlvlib.profile import receptive_field

Windows = Sequence[tuple[int, ...]]  # of each layer: kernel, stride, perhaps padding, dilation
Sizes = Callable[[Windows], list[int]]

PRODUCT = "The jump is the product of all strides so far, not only the last one."
NO_PADDING = "The padding is forgotten: it moves the field."


def _by(
    *,
    span: Callable[[int, int, int, int], int] = lambda kernel, stride, dilation, jump: (
        (kernel - 1) * dilation * jump
    ),
    step: Callable[[int, int, int], int] = lambda stride, dilation, jump: jump * stride,
) -> Sizes:
    """The sizes from a recurrence: `span` is added to the field, `step` is the next jump."""

    def sizes(windows: Windows) -> list[int]:
        size, jump, found = 1, 1, []
        for kernel, stride, *more in windows:
            dilation = more[1] if len(more) > 1 else 1
            size += span(kernel, stride, dilation, jump)
            jump = step(stride, dilation, jump)
            found.append(size)
        return found

    return sizes


SIZES: dict[Sizes, str] = {  # what a mistake makes of the sizes after each layer, and its hint
    _by(step=lambda stride, dilation, jump: 1): "The strides are forgotten: above a stride, "
    "neighbours lie several pixels apart.",
    _by(
        span=lambda kernel, stride, dilation, jump: (kernel - 1) * dilation * jump * stride
    ): "A stride counts for the layers above it, not for its own: change the jump last.",
    _by(span=lambda kernel, stride, dilation, jump: kernel * dilation * jump): "From the first to "
    "the last of k neighbours there are k - 1 steps, not k.",
    _by(step=lambda stride, dilation, jump: stride): PRODUCT,
    _by(step=lambda stride, dilation, jump: jump + stride - 1): "Strides multiply; they are not "
    "added.",
    lambda windows: list(accumulate(kernel for kernel, *_ in windows)): "Windows overlap: their "
    "sizes are not simply added.",
    lambda windows: list(
        accumulate((window[1] for window in windows), operator.mul)
    ): "That is the product of the strides, the distance between two neighbours.",
}
DILATED: dict[Sizes, str] = {
    _by(span=lambda kernel, stride, dilation, jump: (kernel - 1) * jump): "The dilation is "
    "forgotten: the values that a window reads may lie several apart.",
    _by(step=lambda stride, dilation, jump: jump * stride * dilation): "A dilation spreads the "
    "values inside its own window; only a stride changes the jump.",
    _by(span=lambda kernel, stride, dilation, jump: (kernel * dilation - 1) * jump): "A window of "
    "k values with dilation d spans (k - 1) d + 1 values, not k d.",
}


def padded(windows: Windows) -> list[int]:
    """What the sizes would be if padding enlarged a field."""
    fields = receptive_field.grow(windows)
    return [field.size - 2 * field.start for field in fields]  # padding moves the start down


def seen(
    windows: Windows, index: int, *, sign: int = 1, beyond: int = 0, cut: bool = False
) -> tuple[int, int]:
    """The first and the last pixel in the field of output `index`; right with the defaults.

    `sign` 0 forgets the padding, and -1 moves the field the wrong way.
    """
    field = receptive_field.grow(windows)[-1]
    first = sign * field.start + index * field.stride
    return max(first, 0) if cut else first, first + field.size - 1 + beyond


SEEN: dict[Callable[[Windows, int], tuple[int, int]], str] = {
    lambda windows, index: seen(windows, index, sign=0): NO_PADDING,
    lambda windows, index: seen(windows, index, sign=-1): "The padding has the wrong sign: output "
    "0 begins in the padding, before pixel 0.",
    lambda windows, index: seen(windows, index, beyond=1): "The last pixel is one too far: a "
    "window of k ends k - 1 after its first value.",
    lambda windows, index: seen(windows[::-1], index): "The layers are in the wrong order: begin "
    "with the last one and go down to the image.",
    lambda windows, index: seen(windows, 0): "The index is forgotten: that is the field of output "
    "0.",
    lambda windows, index: seen(windows, index, cut=True): "Do not cut at pixel 0: the part in "
    "the padding is asked for too.",
}
