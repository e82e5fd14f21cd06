"""What each operation of PyTorch does: what it costs, and where its outputs look.

One rule per operation, from PyTorch's own arguments. No torch is needed, only shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlvlib.profile import _moves as _moves  # registers its rules
from dlvlib.profile import cost
from dlvlib.profile._registry import RULES, Effect, Given, Window, own_axes, rule, shape_of
from dlvlib.profile.cost import LayerCost

if TYPE_CHECKING:
    from torch import Tensor

    from dlvlib.profile.trace import Step

ACTIVATIONS = {  # (FLOPs, comparisons) per value; a smooth function is one evaluation
    "relu": (0, 1),
    **dict.fromkeys(("relu6", "hardtanh", "clamp"), (0, 2)),
    **dict.fromkeys(("leaky_relu", "prelu", "elu"), (1, 1)),
    "hardsigmoid": (2, 2),  # relu6(x + 3) / 6
    "hardswish": (3, 2),  # x relu6(x + 3) / 6
    **dict.fromkeys(("tanh", "sigmoid", "gelu", "silu", "mish", "softplus"), (1, 0)),
}
ALIASES = {
    **{"axis": "dim", "keepdims": "keepdim", "x2": "other"},
    **dict.fromkeys(("x", "x1", "tensors"), "input"),
}


def effect_of(step: Step) -> Effect:
    """The effect of a step by its rule, checked against the shape that PyTorch gives.

    Raises:
        ValueError: if there is no rule for the operation, the rule does not understand its
            arguments, or the two shapes differ.
    """
    where, output = f"{step.operation!r} (layer {step.layer!r})", step.outputs[0]
    if step.operation not in RULES:
        raise ValueError(f"an operation must have a cost rule, got {where}")
    if output.ndim and output.shape[0] != 1:
        raise ValueError(f"the batch must stay the first axis, got {where}")
    names, function = RULES[step.operation]
    given = dict(zip(("input", *names), step.args, strict=False))
    given |= {ALIASES.get(name, name): value for name, value in step.kwargs.items()}
    given |= {"all": step.args, "operation": step.operation}
    try:
        effect = function(output, given.pop("input"), given)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the cost rule of {where} must fit its arguments: {error}") from error
    if effect.cost.output_shape != shape_of(output):
        raise ValueError(
            f"the cost rule of {where} must fit its arguments: "
            f"PyTorch gives {shape_of(output)}, the rule {effect.cost.output_shape}"
        )
    return replace(effect, cost=replace(effect.cost, bytes_per_value=output.element_size()))


# Windows that slide over a map


@rule("conv2d", "weight bias stride padding dilation groups")
def _conv2d(output: Tensor, input: Tensor, given: Given) -> Effect:
    weight, padding = given["weight"], given.get("padding", 0)
    kernel = _pair(weight.shape[2:])
    stride, dilation = (_pair(given.get(name, 1)) for name in ("stride", "dilation"))
    shape = shape_of(input)
    if padding == "same":  # zeros on both sides; of an odd number, the larger half comes after
        zeros = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        before, padding = _pair([n // 2 for n in zeros]), 0
        shape = (shape[0], *(n + more for n, more in zip(shape[1:], zeros, strict=True)))
    else:
        before = padding = _pair(0 if padding == "valid" else padding)
    layer = cost.conv2d(
        shape,
        weight.shape[0],
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=given.get("groups", 1),
        bias=given.get("bias") is not None,
    )
    return Effect(layer, (0, None, 2, 3), _windows(kernel, stride, before, dilation))


@rule("max_pool2d max_pool2d_with_indices", "kernel_size stride padding dilation ceil_mode")
@rule("avg_pool2d", "kernel_size stride padding ceil_mode")
def _pool(output: Tensor, input: Tensor, given: Given) -> Effect:
    kernel, padding = _pair(given["kernel_size"]), _pair(given.get("padding", 0))
    stride, dilation = _pair(given.get("stride") or kernel), _pair(given.get("dilation", 1))
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    ceil_mode = given.get("ceil_mode", False)
    layer = cost.max_pool2d(shape_of(input), kernel, ceil_mode=ceil_mode, **options)
    if given["operation"] == "avg_pool2d":  # for n values, n - 1 sums and a quotient
        shape = layer.output_shape
        layer = LayerCost(shape, flops=prod(shape) * prod(kernel))
    return Effect(layer, own_axes(input), _windows(kernel, stride, padding, dilation))


@rule("adaptive_avg_pool2d adaptive_max_pool2d adaptive_max_pool2d_with_indices", "output_size")
def _adaptive_pool(output: Tensor, input: Tensor, given: Given) -> Effect:
    pairs = list(zip(input.shape[2:], output.shape[2:], strict=True))
    windows = {
        axis: None if n % o else Window(n // o, n // o)  # None: windows of two sizes
        for axis, (n, o) in enumerate(pairs, start=2)
    }
    shape, num_read = shape_of(output), input.shape[1]  # by all windows together
    for n, o in pairs:  # window i is [i n // o, ceil((i + 1) n / o))
        num_read *= sum(-(-(i + 1) * n // o) - i * n // o for i in range(o))
    mean = given["operation"] == "adaptive_avg_pool2d"
    counts = {"flops": num_read} if mean else {"comparisons": num_read - prod(shape)}
    return Effect(LayerCost(shape, **counts), own_axes(input), windows)


# Dense layers


@rule("linear", "weight bias")
def _linear(output: Tensor, input: Tensor, given: Given) -> Effect:
    bias, where = given.get("bias") is not None, tuple(input.shape[1:-1])  # at each position
    one = cost.linear(tuple(input.shape[-1:]), given["weight"].shape[0], bias=bias)
    macs, flops = (prod(where) * count for count in (one.macs, one.flops))
    layer = LayerCost((*where, *one.output_shape), macs=macs, flops=flops)
    return Effect(layer, (*range(input.ndim - 1), None))


@rule("matmul mm", "other")
def _matmul(output: Tensor, input: Tensor, given: Given) -> Effect:
    if given["other"].ndim != 2:
        raise ValueError(f"the right factor must be a matrix, got {tuple(given['other'].shape)}")
    return _linear(output, input, {"weight": given["other"].T})


# One value in, one value out


@rule("add radd iadd sub rsub isub mul rmul imul div rdiv idiv truediv rtruediv itruediv", "other")
@rule("subtract multiply divide true_divide pow", "other")
@rule("square neg reciprocal exp log sqrt rsqrt")
def _arithmetic(output: Tensor, input: Any, given: Given) -> Effect:
    shapes = (tuple(getattr(value, "shape", ())) for value in (input, given.get("other")))
    shape = np.broadcast_shapes(*shapes)[1:]
    scaled = 1 if given.get("alpha", 1) == 1 else 2  # alpha * other is one more product
    return Effect(LayerCost(shape, flops=scaled * prod(shape)), own_axes(output))


@rule(" ".join(ACTIVATIONS))
def _activation(output: Tensor, input: Tensor, given: Given) -> Effect:
    shape = shape_of(input)
    flops, comparisons = (n * prod(shape) for n in ACTIVATIONS[given["operation"]])
    return Effect(LayerCost(shape, flops=flops, comparisons=comparisons), own_axes(input))


@rule("batch_norm instance_norm", "running_mean running_var weight bias training")
def _batch_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    if given.get("training") or given.get("use_input_stats"):  # the statistics of each channel
        return _normalise(input, given, range(2, input.ndim))
    return Effect(cost.batch_norm(shape_of(input)), own_axes(input))


@rule("group_norm", "num_groups weight")
def _group_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    return _normalise(input, given, range(1, input.ndim), given["num_groups"])


@rule("layer_norm", "normalized_shape weight")
def _layer_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    return _normalise(input, given, range(input.ndim - len(given["normalized_shape"]), input.ndim))


def _normalise(input: Tensor, given: Given, axes: range, groups: int = 1) -> Effect:
    """Normalise by mean and variance over some axes, found at inference.

    Per value a sum for the mean, a difference, a square, a sum for the variance and a quotient;
    per mean 2 more for epsilon and root; then gamma and beta, 2 per value.
    """
    shape, affine = shape_of(input), given.get("weight") is not None
    num_means = groups * prod(shape[: axes.start - 1])
    flops = (5 + 2 * affine) * prod(shape) + 2 * num_means
    return Effect(LayerCost(shape, flops=flops), own_axes(input), dict.fromkeys(axes))


@rule("local_response_norm", "size")
def _local_response_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    """Per value a sum of `size` squares, and 4 more: scale, shift, power and quotient."""
    shape = shape_of(input)
    layer = LayerCost(shape, flops=prod(shape) * (2 * given["size"] + 4))
    return Effect(layer, own_axes(input), {1: None})


@rule("softmax log_softmax", "dim")
def _softmax(output: Tensor, input: Tensor, given: Given) -> Effect:
    """Made safe by subtracting the largest of the K values, which K - 1 comparisons find.

    K differences, K exp, K - 1 sums, K quotients; for its logarithm K differences in place of
    the quotients, and one logarithm.
    """
    dim, shape = given.get("dim"), shape_of(input)
    axis = range(input.ndim)[1 if dim is None else dim]
    each = prod(shape) // input.shape[axis]  # how many softmaxes of K values
    flops = 4 * prod(shape) - (given["operation"] == "softmax") * each
    layer = LayerCost(shape, flops=flops, comparisons=prod(shape) - each)
    return Effect(layer, own_axes(input), {axis: None})


# Many values in, one out


@rule("mean sum amax amin", "dim keepdim")
def _reduction(output: Tensor, input: Tensor, given: Given) -> Effect:
    dim, axes = given.get("dim"), range(input.ndim)
    dims = {axes[d] for d in ((dim,) if isinstance(dim, int) else dim or axes)}
    keepdim = given.get("keepdim", False)
    kept = tuple(None if a in dims else a for a in axes if keepdim or a not in dims)
    shape = tuple(1 if a is None else input.shape[a] for a in kept)[1:]
    steps = input.numel() - prod(shape)
    costs = {
        "mean": LayerCost(shape, flops=input.numel()),  # the sums, and a quotient
        "sum": LayerCost(shape, flops=steps),
    }
    return Effect(costs.get(given["operation"], LayerCost(shape, comparisons=steps)), kept)


def _pair(value: Any) -> tuple[Any, Any]:
    pair = tuple(value) if isinstance(value, list | tuple) else (value,)
    height, width = pair * 2 if len(pair) == 1 else pair
    return height, width


def _windows(*pairs: Sequence[int]) -> dict[int, Window | None]:
    """The windows over height and width, from the pairs kernel, stride, padding, dilation."""
    return {2 + i: Window(*(pair[i] for pair in pairs)) for i in range(2)}
