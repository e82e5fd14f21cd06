"""What each operation of PyTorch does: what it costs, and where its outputs look.

One rule per operation, from PyTorch's own arguments. No torch is needed, only shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dlvlib.profile import cost
from dlvlib.profile.cost import LayerCost, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from dlvlib.profile.trace import Step


class Window(NamedTuple):
    """Along one axis, output i reads inputs i * stride - padding + j * dilation, j < kernel."""

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1


@dataclass(frozen=True)
class Effect:
    """What one operation does.

    Attributes:
        cost: for one image.
        axes: for each axis of the output, the axis of the input that it follows, or None if it
            follows none. An output depends on all positions along an axis that is not followed.
        windows: by axis of the input, where an output looks along it; if left out, at its own
            position only; None if no window describes it.
    """

    cost: LayerCost
    axes: tuple[int | None, ...]
    windows: Mapping[int, Window | None] = field(default_factory=dict)


def effect_of(step: Step) -> Effect:
    """The effect of a step by its rule, held against the shape that PyTorch gives.

    Raises:
        ValueError: if there is no rule for the operation, the rule does not understand its
            arguments, or the two shapes differ.
    """
    where, output = f"{step.operation!r} (layer {step.layer!r})", step.outputs[0]
    if step.operation not in RULES:
        raise ValueError(f"an operation must have a cost rule, got {where}")
    if output.ndim and any(t.shape[:1] != (1,) for t in (*step.inputs, output) if t.ndim):
        raise ValueError(f"the batch must stay the first axis, got {where}")
    kwargs = {ALIASES.get(name, name): value for name, value in step.kwargs.items()}
    try:
        effect = RULES[step.operation](output, *step.args, **kwargs)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"the cost rule of {where} must fit its arguments: {error}") from error
    if effect.cost.output_shape != _shape(output):
        raise ValueError(
            f"the cost rule of {where} must fit its arguments: "
            f"PyTorch gives {_shape(output)}, the rule {effect.cost.output_shape}"
        )
    return replace(effect, cost=replace(effect.cost, bytes_per_value=output.element_size()))


Rule = Callable[..., Effect]  # the output, then PyTorch's own arguments
RULES: dict[str, Rule] = {}
ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}


def _rule(*operations: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operations, function))
        return function

    return register


# Windows that slide over a map


@_rule("conv2d")
def _conv2d(
    _: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Effect:
    kernel, stride, dilation = _pair(weight.shape[2:]), _pair(stride), _pair(dilation)
    if padding == "same":  # PyTorch: of an odd number, the larger half comes after
        before = _pair([d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True)])
    else:
        before = padding = _pair(0 if padding == "valid" else padding)
    layer = cost.conv2d(
        _shape(input),
        weight.shape[0],
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias is not None,
    )
    return Effect(layer, (0, None, 2, 3), _windows(kernel, stride, before, dilation))


@_rule("max_pool2d", "max_pool2d_with_indices")
def _max_pool2d(
    _: Tensor,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Effect:
    kernel, padding, dilation = _pair(kernel_size), _pair(padding), _pair(dilation)
    stride = _pair(stride) if stride else kernel
    layer = cost.max_pool2d(
        _shape(input),
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )
    return Effect(layer, (0, 1, 2, 3), _windows(kernel, stride, padding, dilation))


@_rule("avg_pool2d")
def _avg_pool2d(
    _: Tensor,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Effect:
    kernel, padding = _pair(kernel_size), _pair(padding)
    stride = _pair(stride) if stride else kernel
    layer = cost.avg_pool2d(
        _shape(input), kernel, stride=stride, padding=padding, ceil_mode=ceil_mode
    )
    return Effect(layer, (0, 1, 2, 3), _windows(kernel, stride, padding, (1, 1)))


def _adaptive_pool(pool: Callable[[Shape, tuple[int, int]], LayerCost]) -> Rule:
    def rule(_: Tensor, input: Tensor, output_size: Any, return_indices: bool = False) -> Effect:
        sizes = [o or n for o, n in zip(_pair(output_size), input.shape[2:], strict=True)]
        windows = {
            axis: None if n % o else Window(n // o, n // o)  # None: windows of two sizes
            for axis, n, o in zip((2, 3), input.shape[2:], sizes, strict=True)
        }
        return Effect(pool(_shape(input), (sizes[0], sizes[1])), (0, 1, 2, 3), windows)

    return rule


RULES["adaptive_avg_pool2d"] = _adaptive_pool(cost.adaptive_avg_pool2d)
RULES["adaptive_max_pool2d"] = _adaptive_pool(cost.adaptive_max_pool2d)


# Dense layers


@_rule("linear")
def _linear(_: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Effect:
    layer = cost.linear(tuple(input.shape[-1:]), weight.shape[0], bias=bias is not None)
    return Effect(_repeat(layer, input.shape[1:-1]), (*range(input.ndim - 1), None))


@_rule("matmul", "mm")
def _matmul(_: Tensor, input: Tensor, other: Tensor) -> Effect:
    if other.ndim != 2:
        raise ValueError(f"the right factor must be a matrix, got {tuple(other.shape)}")
    return _linear(_, input, other.T)


# One value in, one value out


@_rule(
    *(side + name for side in ("", "r", "i") for name in ("add", "sub", "mul", "div", "truediv")),
    *("subtract", "multiply", "divide", "true_divide", "pow", "square", "neg"),
    *("reciprocal", "exp", "log", "sqrt", "rsqrt"),
)
def _arithmetic(
    output: Tensor, input: Any, other: Any = 1, *, alpha: float = 1, **_: Any
) -> Effect:
    shapes = (tuple(getattr(value, "shape", ())) for value in (input, other))
    layer = cost.elementwise(np.broadcast_shapes(*shapes)[1:])
    scaled = 1 if alpha == 1 else 2  # alpha * other is a product more
    return Effect(replace(layer, flops=scaled * layer.flops), _own(output))


def _activation(kind: str) -> Rule:
    return lambda _, input, *args, **kwargs: Effect(
        cost.activation(_shape(input), kind), _own(input)
    )


RULES |= {kind: _activation(kind) for kind in cost.ACTIVATIONS}
RULES |= dict.fromkeys(("hardtanh", "clamp"), _activation("relu6"))  # two comparisons


@_rule("batch_norm")
def _batch_norm(
    output: Tensor,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    *args: Any,
    **kwargs: Any,
) -> Effect:
    if training:  # no running statistics: those of the image
        return _instance_norm(output, input, weight=weight)
    return Effect(cost.batch_norm(_shape(input), affine=weight is not None), _own(input))


@_rule("instance_norm")
def _instance_norm(
    _: Tensor,
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    **kwargs: Any,
) -> Effect:
    if not use_input_stats:
        return Effect(cost.batch_norm(_shape(input), affine=weight is not None), _own(input))
    layer = cost.group_norm(_shape(input), input.shape[1], affine=weight is not None)
    return Effect(layer, _own(input), dict.fromkeys(range(2, input.ndim)))


@_rule("group_norm")
def _group_norm(
    _: Tensor, input: Tensor, num_groups: int, weight: Tensor | None = None, *args: Any, **__: Any
) -> Effect:
    layer = cost.group_norm(_shape(input), num_groups, affine=weight is not None)
    return Effect(layer, _own(input), dict.fromkeys(range(1, input.ndim)))


@_rule("layer_norm")
def _layer_norm(
    _: Tensor,
    input: Tensor,
    normalized_shape: Iterable[int],
    weight: Tensor | None = None,
    *args: Any,
    **kwargs: Any,
) -> Effect:
    last = tuple(normalized_shape)
    layer = cost.layer_norm(_shape(input), last, affine=weight is not None)
    return Effect(layer, _own(input), dict.fromkeys(range(input.ndim - len(last), input.ndim)))


@_rule("local_response_norm")
def _local_response_norm(_: Tensor, input: Tensor, size: int, *args: Any, **__: Any) -> Effect:
    return Effect(cost.local_response_norm(_shape(input), size), _own(input), {1: None})


def _softmax(log: bool) -> Rule:
    def rule(_: Tensor, input: Tensor, dim: int | None = None, *args: Any, **__: Any) -> Effect:
        axis = range(input.ndim)[1 if dim is None else dim]
        vector = cost.softmax((input.shape[axis],), log=log)
        others = prod(n for i, n in enumerate(input.shape) if i != axis)
        layer = replace(_repeat(vector, (others,)), output_shape=_shape(input))
        return Effect(layer, _own(input), {axis: None})

    return rule


RULES |= {"softmax": _softmax(log=False), "log_softmax": _softmax(log=True)}


# Many values in, one out


def _reduction(operation: str) -> Rule:
    def rule(
        _: Tensor, input: Tensor, dim: Any = None, keepdim: bool = False, **__: Any
    ) -> Effect:
        axes = range(input.ndim)
        dims = {axes[d] for d in ((dim,) if isinstance(dim, int) else dim or axes)}
        kept = tuple(None if a in dims else a for a in axes if keepdim or a not in dims)
        shape = tuple(1 if a is None else input.shape[a] for a in kept)[1:]
        sums = input.numel() - prod(shape)
        layer = LayerCost(
            shape,
            flops={"mean": input.numel(), "sum": sums}.get(operation, 0),
            comparisons=0 if operation in ("mean", "sum") else sums,
        )
        return Effect(layer, kept)

    return rule


RULES |= {name: _reduction(name) for name in ("mean", "sum", "amax", "amin")}


# What only moves values is free


@_rule(
    *("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"),
    *("feature_dropout", "feature_alpha_dropout", "contiguous", "clone", "detach", "data"),
    *(
        "channel_shuffle",
        "to",
        "type",
        "type_as",
        "float",
        "double",
        "half",
        "bfloat16",
        "copy",
        "requires_grad",
    ),
)
def _unchanged(output: Tensor, *args: Any, **kwargs: Any) -> Effect:
    return _free(output, _own(output))


@_rule("cat", "concat", "concatenate")
def _cat(output: Tensor, tensors: list[Tensor], dim: int = 0) -> Effect:
    axis = range(output.ndim)[dim]
    if axis != 1:
        return _free(output, _own(output), {axis: None})
    return Effect(cost.concatenate([_shape(tensor) for tensor in tensors]), _own(output))


@_rule("chunk", "split")
def _chunk(output: Tensor, input: Tensor, size: Any, dim: int = 0) -> Effect:
    """The first part stands for all: its shape is shown."""
    return _free(output, _own(output), {range(input.ndim)[dim]: None})


@_rule("stack")
def _stack(output: Tensor, tensors: list[Tensor], dim: int = 0) -> Effect:
    axes: list[int | None] = [*range(output.ndim - 1)]
    axes.insert(range(output.ndim)[dim], None)
    return _free(output, axes)


@_rule("permute")
def _permute(output: Tensor, input: Tensor, *dims: Any, **kwargs: Any) -> Effect:
    dims = kwargs.get("dims", dims[0] if isinstance(dims[0], list | tuple) else dims)
    return _free(output, (range(input.ndim)[dim] for dim in dims))


@_rule("transpose", "swapaxes", "swapdims")
def _transpose(output: Tensor, input: Tensor, dim0: int, dim1: int) -> Effect:
    axes = [*range(input.ndim)]
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return _free(output, axes)


RULES["mT"] = lambda output, input: _transpose(output, input, -2, -1)


@_rule("unsqueeze")
def _unsqueeze(output: Tensor, input: Tensor, dim: int) -> Effect:
    return _stack(output, [input], dim)


@_rule("flatten", "view", "reshape", "squeeze", "view_as", "reshape_as", "unflatten")
def _reshape(output: Tensor, input: Tensor, *args: Any, **kwargs: Any) -> Effect:
    """An axis is followed where it is cut from the same values before and after."""
    starts = {(prod(input.shape[:a]), n): a for a, n in enumerate(input.shape)}
    axes = [starts.get((prod(output.shape[:a]), n)) for a, n in enumerate(output.shape)]
    return _free(output, axes)


@_rule("expand", "expand_as")
def _expand(output: Tensor, input: Tensor, *args: Any, **kwargs: Any) -> Effect:
    new = output.ndim - input.ndim
    same = (a >= new and n == input.shape[a - new] for a, n in enumerate(output.shape))
    return _free(output, (a - new if kept else None for a, kept in enumerate(same)))


@_rule("pad")
def _pad(
    output: Tensor, input: Tensor, pad: list[int], mode: str = "constant", value: float | None = 0
) -> Effect:
    before = zip(reversed(range(input.ndim)), pad[::2], strict=False)  # from the last axis back
    windows = {a: Window(padding=n) if mode == "constant" else None for a, n in before}
    return _free(output, _own(output), windows)


@_rule("getitem")
def _getitem(output: Tensor, input: Tensor, index: Any) -> Effect:
    axes: list[int | None] = []
    windows: dict[int, Window | None] = {}
    for axis, part in _parts(index, input.ndim):
        if part is None:
            axes.append(None)
        elif isinstance(part, slice):
            start, _, step = part.indices(input.shape[axis])
            axes.append(axis)
            windows[axis] = Window(stride=step, padding=-start)
        elif isinstance(part, int):
            windows[axis] = None
        else:
            raise ValueError(f"an index must be of integers, slices and None, got {part!r}")
    return _free(output, axes, windows)


@_rule("setitem")
def _setitem(output: Tensor, input: Tensor, index: Any, value: Any) -> Effect:
    """Read as padding: a value of the image at its place among zeros."""
    windows: dict[int, Window | None] = {}
    for axis, part in _parts(index, input.ndim):
        if isinstance(part, slice) and getattr(value, "ndim", 0) == input.ndim:
            start, stop, step = part.indices(input.shape[axis])
            fits = step == 1 and stop - start == value.shape[axis]
            windows[axis] = Window(padding=start) if fits else None
        elif getattr(value, "ndim", 0):
            windows |= dict.fromkeys(range(input.ndim))
    return _free(output, _own(output), windows)


def _parts(index: Any, ndim: int) -> list[tuple[int, Any]]:
    """Return the parts of an index, each with the axis it applies to."""
    index = index if isinstance(index, tuple) else (index,)
    gap = [slice(None)] * (ndim - sum(part is not None and part is not ... for part in index))
    at = next((i for i, part in enumerate(index) if part is ...), len(index))
    parts, axis = [], 0
    for part in (*index[:at], *gap, *index[at + 1 :]):
        parts.append((axis, part))
        axis += part is not None
    return parts


def _free(
    output: Tensor, axes: Iterable[int | None], windows: Mapping[int, Window | None] | None = None
) -> Effect:
    return Effect(LayerCost(_shape(output)), tuple(axes), windows or {})


def _own(tensor: Tensor) -> tuple[int, ...]:
    return tuple(range(tensor.ndim))


def _shape(tensor: Tensor) -> Shape:
    return tuple(tensor.shape[1:])


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
