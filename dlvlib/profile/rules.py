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
    names, rule = RULES[step.operation]
    given = dict(zip(("input", *names), step.args, strict=False))
    given |= {ALIASES.get(name, name): value for name, value in step.kwargs.items()}
    given |= {"all": step.args, "operation": step.operation}
    try:
        effect = rule(output, given.pop("input"), given)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the cost rule of {where} must fit its arguments: {error}") from error
    if effect.cost.output_shape != _shape(output):
        raise ValueError(
            f"the cost rule of {where} must fit its arguments: "
            f"PyTorch gives {_shape(output)}, the rule {effect.cost.output_shape}"
        )
    return replace(effect, cost=replace(effect.cost, bytes_per_value=output.element_size()))


# A rule gets the output, the first argument, and the others by name; RULES holds their order.
Given = dict[str, Any]
Rule = Callable[["Tensor", Any, Given], Effect]
RULES: dict[str, tuple[Sequence[str], Rule]] = {}
ALIASES = {
    **{"axis": "dim", "keepdims": "keepdim", "x2": "other"},
    **dict.fromkeys(("x", "x1", "tensors"), "input"),
}


def _register(operations: str, names: str, rule: Rule) -> None:
    RULES.update(dict.fromkeys(operations.split(), (names.split(), rule)))


def _rule(operations: str, names: str = "") -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _register(operations, names, rule)
        return rule

    return register


# Windows that slide over a map


@_rule("conv2d", "weight bias stride padding dilation groups")
def _conv2d(output: Tensor, input: Tensor, given: Given) -> Effect:
    weight, padding = given["weight"], given.get("padding", 0)
    kernel = _pair(weight.shape[2:])
    stride, dilation = (_pair(given.get(name, 1)) for name in ("stride", "dilation"))
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
        groups=given.get("groups", 1),
        bias=given.get("bias") is not None,
    )
    return Effect(layer, (0, None, 2, 3), _windows(kernel, stride, before, dilation))


def _pool(layer_cost: Callable[..., LayerCost], *names: str) -> Rule:
    def rule(output: Tensor, input: Tensor, given: Given) -> Effect:
        kernel, more = _pair(given["kernel_size"]), {"padding": 0, "dilation": 1} | given
        stride = _pair(given.get("stride") or kernel)
        options = {name: _pair(more[name]) for name in names}
        ceil_mode = given.get("ceil_mode", False)
        layer = layer_cost(_shape(input), kernel, stride=stride, ceil_mode=ceil_mode, **options)
        windows = _windows(kernel, stride, _pair(more["padding"]), _pair(more["dilation"]))
        return Effect(layer, _own(input), windows)

    return rule


_register(
    "max_pool2d max_pool2d_with_indices",
    "kernel_size stride padding dilation ceil_mode",
    _pool(cost.max_pool2d, "padding", "dilation"),
)
_register("avg_pool2d", "kernel_size stride padding ceil_mode", _pool(cost.avg_pool2d, "padding"))


def _adaptive_pool(layer_cost: Callable[[Shape, tuple[int, int]], LayerCost]) -> Rule:
    def rule(output: Tensor, input: Tensor, given: Given) -> Effect:
        pairs = zip(_pair(given["output_size"]), input.shape[2:], strict=True)
        sizes = [n if o is None else o for o, n in pairs]
        windows = {
            axis: None if n % o else Window(n // o, n // o)  # None: windows of two sizes
            for axis, n, o in zip((2, 3), input.shape[2:], sizes, strict=True)
        }
        return Effect(layer_cost(_shape(input), _pair(sizes)), _own(input), windows)

    return rule


_register("adaptive_avg_pool2d", "output_size", _adaptive_pool(cost.adaptive_avg_pool2d))
_register("adaptive_max_pool2d", "output_size", _adaptive_pool(cost.adaptive_max_pool2d))


# Dense layers


@_rule("linear", "weight bias")
def _linear(output: Tensor, input: Tensor, given: Given) -> Effect:
    bias = given.get("bias") is not None
    layer = cost.linear(tuple(input.shape[-1:]), given["weight"].shape[0], bias=bias)
    return Effect(_repeat(layer, input.shape[1:-1]), (*range(input.ndim - 1), None))


@_rule("matmul mm", "other")
def _matmul(output: Tensor, input: Tensor, given: Given) -> Effect:
    if given["other"].ndim != 2:
        raise ValueError(f"the right factor must be a matrix, got {tuple(given['other'].shape)}")
    return _linear(output, input, {"weight": given["other"].T})


# One value in, one value out


@_rule(
    "add radd iadd sub rsub isub mul rmul imul div rdiv idiv truediv rtruediv itruediv", "other"
)
@_rule("subtract multiply divide true_divide pow", "other")
@_rule("square neg reciprocal exp log sqrt rsqrt")
def _arithmetic(output: Tensor, input: Any, given: Given) -> Effect:
    shapes = (tuple(getattr(value, "shape", ())) for value in (input, given.get("other")))
    layer = cost.elementwise(np.broadcast_shapes(*shapes)[1:])
    scaled = 1 if given.get("alpha", 1) == 1 else 2  # alpha * other is one more product
    return Effect(replace(layer, flops=scaled * layer.flops), _own(output))


def _activation(kind: str) -> Rule:
    return lambda output, input, given: Effect(cost.activation(_shape(input), kind), _own(input))


for _kind in cost.ACTIVATIONS:
    _register(_kind, "", _activation(_kind))
_register("hardtanh clamp", "", _activation("relu6"))  # two comparisons


@_rule("batch_norm instance_norm", "running_mean running_var weight bias training")
def _batch_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    of_image = given.get("training") or given.get("use_input_stats")
    affine = given.get("weight") is not None
    if of_image or given.get("running_mean") is None:  # the statistics of each channel
        layer = cost.group_norm(_shape(input), input.shape[1], affine=affine)
        return Effect(layer, _own(input), dict.fromkeys(range(2, input.ndim)))
    return Effect(cost.batch_norm(_shape(input), affine=affine), _own(input))


@_rule("group_norm", "num_groups weight")
def _group_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    affine = given.get("weight") is not None
    layer = cost.group_norm(_shape(input), given["num_groups"], affine=affine)
    return Effect(layer, _own(input), dict.fromkeys(range(1, input.ndim)))


@_rule("layer_norm", "normalized_shape weight")
def _layer_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    last = tuple(given["normalized_shape"])
    layer = cost.layer_norm(_shape(input), last, affine=given.get("weight") is not None)
    return Effect(layer, _own(input), dict.fromkeys(range(input.ndim - len(last), input.ndim)))


@_rule("local_response_norm", "size")
def _local_response_norm(output: Tensor, input: Tensor, given: Given) -> Effect:
    return Effect(cost.local_response_norm(_shape(input), given["size"]), _own(input), {1: None})


@_rule("softmax log_softmax", "dim")
def _softmax(output: Tensor, input: Tensor, given: Given) -> Effect:
    dim = given.get("dim")
    axis = range(input.ndim)[1 if dim is None else dim]
    others = [n for i, n in enumerate(input.shape) if i != axis]
    layer = _repeat(
        cost.softmax((input.shape[axis],), log=given["operation"] == "log_softmax"), others
    )
    return Effect(replace(layer, output_shape=_shape(input)), _own(input), {axis: None})


# Many values in, one out


@_rule("mean sum amax amin", "dim keepdim")
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


# What only moves values is free


@_rule("dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout")
@_rule("contiguous clone detach data copy requires_grad channel_shuffle")
@_rule("to type type_as float double half bfloat16")
def _unchanged(output: Tensor, input: Tensor, given: Given) -> Effect:
    return _free(output, _own(output))


@_rule("cat concat concatenate", "dim")
def _cat(output: Tensor, input: list[Tensor], given: Given) -> Effect:
    axis = range(output.ndim)[given.get("dim", 0)]
    if axis != 1:
        return _free(output, _own(output), {axis: None})
    return Effect(cost.concatenate([_shape(tensor) for tensor in input]), _own(output))


@_rule("chunk split", "size dim")
def _chunk(output: Tensor, input: Tensor, given: Given) -> Effect:
    """The shape is that of the first part."""
    return _free(output, _own(output), {range(input.ndim)[given.get("dim", 0)]: None})


@_rule("stack unsqueeze", "dim")
def _stack(output: Tensor, input: Any, given: Given) -> Effect:
    axes: list[int | None] = [*range(output.ndim - 1)]
    axes.insert(range(output.ndim)[given.get("dim", 0)], None)
    return _free(output, axes)


@_rule("permute", "dims")
def _permute(output: Tensor, input: Tensor, given: Given) -> Effect:
    dims = given["dims"] if isinstance(given["dims"], list | tuple) else given["all"][1:]
    return _free(output, (range(input.ndim)[dim] for dim in dims))


@_rule("transpose swapaxes swapdims", "dim0 dim1")
@_rule("mT")
def _transpose(output: Tensor, input: Tensor, given: Given) -> Effect:
    axes, first, second = [*range(input.ndim)], given.get("dim0", -2), given.get("dim1", -1)
    axes[first], axes[second] = axes[second], axes[first]
    return _free(output, axes)


@_rule("flatten view reshape squeeze view_as reshape_as unflatten")
def _reshape(output: Tensor, input: Tensor, given: Given) -> Effect:
    """An axis is followed where it is cut from the same values before and after."""
    starts = {(prod(input.shape[:a]), n): a for a, n in enumerate(input.shape)}
    axes = [starts.get((prod(output.shape[:a]), n)) for a, n in enumerate(output.shape)]
    return _free(output, axes)


@_rule("expand expand_as")
def _expand(output: Tensor, input: Tensor, given: Given) -> Effect:
    new = output.ndim - input.ndim
    same = (a >= new and n == input.shape[a - new] for a, n in enumerate(output.shape))
    return _free(output, (a - new if kept else None for a, kept in enumerate(same)))


@_rule("pad", "pad mode")
def _pad(output: Tensor, input: Tensor, given: Given) -> Effect:
    zeros = given.get("mode", "constant") == "constant"
    before = zip(reversed(range(input.ndim)), given["pad"][::2], strict=False)  # last axis first
    return _free(
        output, _own(output), {a: Window(padding=n) if zeros else None for a, n in before}
    )


@_rule("getitem", "index")
def _getitem(output: Tensor, input: Tensor, given: Given) -> Effect:
    axes: list[int | None] = []
    windows: dict[int, Window | None] = {}
    for axis, part in _parts(given["index"], input.ndim):
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


@_rule("setitem", "index value")
def _setitem(output: Tensor, input: Tensor, given: Given) -> Effect:
    """Read as padding: a value of the image at its position among zeros."""
    shape = getattr(given["value"], "shape", ())
    windows: dict[int, Window | None] = {}
    for axis, part in _parts(given["index"], input.ndim):
        windows[axis] = None
        if isinstance(part, slice) and len(shape) == input.ndim:
            start, stop, step = part.indices(input.shape[axis])
            if step == 1 and stop - start == shape[axis]:
                windows[axis] = Window(padding=start)
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
