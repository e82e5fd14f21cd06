"""What each operation of PyTorch does: what it costs, and where its outputs look.

One rule per operation, from PyTorch's own arguments. No torch is needed, only shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
    if padding == "same":  # PyTorch: of an odd number, the larger half comes after
        before = _pair([d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)])
    else:
        before = padding = _pair(0 if padding == "valid" else padding)
    layer = cost.conv2d(
        shape_of(input),
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
def _max_pool(output: Tensor, input: Tensor, given: Given) -> Effect:
    return _pool(cost.max_pool2d, input, given, dilation=_pair(given.get("dilation", 1)))


@rule("avg_pool2d", "kernel_size stride padding ceil_mode")
def _avg_pool(output: Tensor, input: Tensor, given: Given) -> Effect:
    return _pool(cost.avg_pool2d, input, given)


def _pool(
    layer_cost: Callable[..., LayerCost], input: Tensor, given: Given, **options: tuple[int, int]
) -> Effect:
    kernel, padding = _pair(given["kernel_size"]), _pair(given.get("padding", 0))
    stride, ceil_mode = _pair(given.get("stride") or kernel), given.get("ceil_mode", False)
    options |= {"stride": stride, "padding": padding}
    layer = layer_cost(shape_of(input), kernel, ceil_mode=ceil_mode, **options)
    windows = _windows(kernel, stride, padding, options.get("dilation", (1, 1)))
    return Effect(layer, own_axes(input), windows)


@rule("adaptive_avg_pool2d adaptive_max_pool2d", "output_size")
def _adaptive_pool(output: Tensor, input: Tensor, given: Given) -> Effect:
    sizes = output.shape[2:]
    windows = {
        axis: None if n % o else Window(n // o, n // o)  # None: windows of two sizes
        for axis, n, o in zip((2, 3), input.shape[2:], sizes, strict=True)
    }
    mean = given["operation"] == "adaptive_avg_pool2d"
    layer_cost = cost.adaptive_avg_pool2d if mean else cost.adaptive_max_pool2d
    return Effect(layer_cost(shape_of(input), _pair(sizes)), own_axes(input), windows)


# Dense layers


@rule("linear", "weight bias")
def _linear(output: Tensor, input: Tensor, given: Given) -> Effect:
    bias = given.get("bias") is not None
    layer = cost.linear(tuple(input.shape[-1:]), given["weight"].shape[0], bias=bias)
    return Effect(_repeat(layer, input.shape[1:-1]), (*range(input.ndim - 1), None))


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
    layer = cost.elementwise(np.broadcast_shapes(*shapes)[1:])
    scaled = 1 if given.get("alpha", 1) == 1 else 2  # alpha * other is one more product
    return Effect(replace(layer, flops=scaled * layer.flops), own_axes(output))


@rule(" ".join(cost.ACTIVATIONS))
@rule("hardtanh clamp")
def _activation(output: Tensor, input: Tensor, given: Given) -> Effect:
    kind = given["operation"] if given["operation"] in cost.ACTIVATIONS else "relu6"
    return Effect(cost.activation(shape_of(input), kind), own_axes(input))


@rule("batch_norm instance_norm", "running_mean running_var weight bias training")
def _batch_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    affine = given.get("weight") is not None
    if given.get("training") or given.get("use_input_stats"):  # the statistics of each channel
        layer = cost.group_norm(shape_of(input), input.shape[1], affine=affine)
        return Effect(layer, own_axes(input), dict.fromkeys(range(2, input.ndim)))
    return Effect(cost.batch_norm(shape_of(input), affine=affine), own_axes(input))


@rule("group_norm", "num_groups weight")
def _group_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    affine = given.get("weight") is not None
    layer = cost.group_norm(shape_of(input), given["num_groups"], affine=affine)
    return Effect(layer, own_axes(input), dict.fromkeys(range(1, input.ndim)))


@rule("layer_norm", "normalized_shape weight")
def _layer_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    last = tuple(given["normalized_shape"])
    layer = cost.layer_norm(shape_of(input), last, affine=given.get("weight") is not None)
    return Effect(layer, own_axes(input), dict.fromkeys(range(input.ndim - len(last), input.ndim)))


@rule("local_response_norm", "size")
def _local_response_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    layer = cost.local_response_norm(shape_of(input), given["size"])
    return Effect(layer, own_axes(input), {1: None})


@rule("softmax log_softmax", "dim")
def _softmax(output: Tensor, input: Tensor, given: Given) -> Effect:
    dim = given.get("dim")
    axis = range(input.ndim)[1 if dim is None else dim]
    others = [n for i, n in enumerate(input.shape) if i != axis]
    of_one = cost.softmax((input.shape[axis],), log=given["operation"] == "log_softmax")
    layer = _repeat(of_one, others)
    return Effect(replace(layer, output_shape=shape_of(input)), own_axes(input), {axis: None})


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


def _repeat(layer: LayerCost, times: Iterable[int]) -> LayerCost:
    """Return the cost of a layer that runs at each of some positions."""
    times = tuple(times)
    return replace(
        layer,
        output_shape=(*times, *layer.output_shape),
        macs=prod(times) * layer.macs,
        flops=prod(times) * layer.flops,
        comparisons=prod(times) * layer.comparisons,
    )


def _pair(value: Any) -> tuple[Any, Any]:
    pair = tuple(value) if isinstance(value, list | tuple) else (value,)
    height, width = pair * 2 if len(pair) == 1 else pair
    return height, width


def _windows(*pairs: Sequence[int]) -> dict[int, Window | None]:
    """The windows over height and width, from the pairs kernel, stride, padding, dilation."""
    return {2 + i: Window(*(pair[i] for pair in pairs)) for i in range(2)}
