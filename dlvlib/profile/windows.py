"""The window that each operation of a network slides over its input, from PyTorch's arguments.

No torch is needed here, only the shapes of the tensors that come in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlvlib.profile.trace import Step

POINTWISE = {  # an output depends on the inputs at its own place only
    *("relu", "hardtanh", "relu6", "leaky_relu", "tanh", "sigmoid", "gelu", "silu"),
    *("batch_norm", "local_response_norm", "dropout", "dropout2d", "feature_dropout"),
    *("add", "iadd", "radd", "sub", "isub", "mul", "imul", "div", "cat", "contiguous", "clone"),
}
COLLAPSING = {  # an output without height and width depends on every place
    *POINTWISE,
    *("mean", "sum", "amax", "flatten", "view", "reshape", "squeeze"),
    *("linear", "softmax", "log_softmax"),
}


def windows_of(step: Step) -> list[tuple[int, ...]] | None:
    """The windows (kernel, stride, padding, dilation) in height and width, if there are any."""
    before, after = step.inputs[0].shape[2:], step.outputs[0].shape[2:]
    if step.operation in WINDOWS:
        return WINDOWS[step.operation](*step.args, **step.kwargs)
    if step.operation in COLLAPSING and after.numel() == 1:
        return [(n,) for n in before] or [(1,), (1,)]
    if step.operation in POINTWISE and all(t.shape[2:] == after for t in step.inputs):
        return [(1,), (1,)]
    return None


# One rule per function that looks around: PyTorch's own arguments -> two windows (height, width).


def _conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if isinstance(padding, str):
        same = [d * (k - 1) // 2 for d, k in zip(_pair(dilation), weight.shape[2:], strict=True)]
        padding = same if padding == "same" else 0
    return _windows(weight.shape[2:], stride, padding, dilation)


def _max_pool2d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    return _windows(kernel_size, stride or kernel_size, padding, dilation)


def _avg_pool2d(input, kernel_size, stride=None, padding=0, *options, **more):
    return _windows(kernel_size, stride or kernel_size, padding, 1)


def _adaptive_avg_pool2d(input, output_size):
    windows = []
    for n, out in zip(input.shape[2:], _pair(output_size), strict=True):
        out = n if out is None else out
        if n % out:
            return None  # windows of two sizes
        windows.append((n // out, n // out))
    return windows


def _getitem(input, index):
    """Slices such as maps[:, :, ::2, ::2]."""
    index = index if isinstance(index, tuple) else (index,)
    if input.ndim != 4 or not all(isinstance(part, slice) for part in index):
        return None
    height, width = (*index, *[slice(None)] * 4)[2:4]
    slices = [height.indices(input.shape[2]), width.indices(input.shape[3])]
    return [(1, step, -start) for start, _, step in slices]


def _pad(input, pad, mode="constant", value=None):
    if input.ndim != 4 or mode != "constant":
        return None
    left, _, top, *_ = (*pad, 0, 0, 0)  # pairs, from the last axis back
    return [(1, 1, top), (1, 1, left)]


WINDOWS = {
    "conv2d": _conv2d,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "getitem": _getitem,
    "pad": _pad,
}


def _windows(kernel, stride, padding, dilation) -> list[tuple[int, int, int, int]]:
    pairs = [_pair(kernel), _pair(stride), _pair(padding), _pair(dilation)]
    return list(zip(*pairs, strict=True))


def _pair(value) -> tuple:
    pair = (value,) if isinstance(value, int) else tuple(value)
    return pair * 2 if len(pair) == 1 else pair
