"""What one traced operation costs: from PyTorch's own arguments to the rules of `dlvlib.profile.cost`."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from dlvlib.profile import cost
from dlvlib.profile.cost import LayerCost, Shape
from dlvlib.profile.trace import Step


def price_of(step: Step) -> LayerCost:
    """The cost of a step by its rule, held against the shape that PyTorch gives.

    Raises:
        ValueError: if there is no rule for the operation, or the two shapes differ.
    """
    where = f"{step.operation!r} (layer {step.layer!r})"
    shape = _shape(step.outputs[0])
    if step.operation in FREE:
        price = LayerCost(output_shape=shape)
    elif step.operation in RULES:
        price = RULES[step.operation](*step.args, **step.kwargs)
    else:
        raise ValueError(
            f"an operation must have a cost rule, got {where}; "
            f"there are rules for {', '.join(sorted(FREE | RULES.keys()))}"
        )
    if price.output_shape != shape:
        raise ValueError(
            f"the cost rule of {where} does not fit its arguments: "
            f"PyTorch gives {shape}, the rule {price.output_shape}"
        )
    return replace(price, bytes_per_value=step.outputs[0].element_size())


# One rule per PyTorch function: its own arguments -> the cost. What only moves values is free.

FREE = {
    *("flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose"),
    *("getitem", "pad", "contiguous", "clone", "detach", "to"),
}


def _conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    kernel_size = tuple(weight.shape[2:])
    if isinstance(padding, str):
        same = padding == "same"
        padding = tuple(
            same * d * (k - 1) // 2 for d, k in zip(dilation, kernel_size, strict=True)
        )
    return cost.conv2d(
        _shape(input),
        weight.shape[0],
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias is not None,
    )


def _linear(input, weight, bias=None):
    if input.ndim != 2:
        raise ValueError(f"the input of a dense layer must be (B, D), got {tuple(input.shape)}")
    return cost.linear(_shape(input), weight.shape[0], bias=bias is not None)


def _max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **_):
    return cost.max_pool2d(
        _shape(input),
        kernel_size,
        stride=stride or None,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def _avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, *_, **__):
    return cost.avg_pool2d(
        _shape(input), kernel_size, stride=stride or None, padding=padding, ceil_mode=ceil_mode
    )


def _adaptive_avg_pool2d(input, output_size):
    if not isinstance(output_size, int):  # None keeps a size
        output_size = tuple(o or n for o, n in zip(output_size, input.shape[2:], strict=True))
    return cost.adaptive_avg_pool2d(_shape(input), output_size)


def _mean(input, dim, keepdim=False):
    pooled = cost.global_avg_pool2d(_shape(input))
    return pooled if keepdim else replace(pooled, output_shape=pooled.output_shape[:1])


def _batch_norm(input, running_mean, running_var, weight=None, bias=None, *_, **__):
    return cost.batch_norm(_shape(input), affine=weight is not None)


def _local_response_norm(input, size, *_, **__):
    return cost.local_response_norm(_shape(input), size)


def _softmax(input, *_, **__):
    return cost.softmax(_shape(input))


def _dropout(input, *_, **__):
    return cost.dropout(_shape(input))


def _add(input, other, **_):
    return cost.add([_shape(input), _shape(other)])


def _cat(tensors, dim=0):
    return cost.concatenate([_shape(tensor) for tensor in tensors])


def _activation(kind: str) -> Callable[..., LayerCost]:
    return lambda input, *_, **__: cost.activation(_shape(input), kind)


RULES: dict[str, Callable[..., LayerCost]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "mean": _mean,
    "batch_norm": _batch_norm,
    "local_response_norm": _local_response_norm,
    "softmax": _softmax,
    "dropout": _dropout,
    "add": _add,
    "iadd": _add,
    "cat": _cat,
    **{kind: _activation(kind) for kind in cost.ACTIVATIONS},
    "hardtanh": _activation("relu6"),  # what nn.ReLU6 calls
}


def _shape(tensor: Tensor) -> Shape:
    return tuple(tensor.shape[1:])
