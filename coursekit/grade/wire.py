"""Answers as JSON, from a worker to the grader: nothing that is read can run as code."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coursekit.checks.engine.values import Other, Raised

NUMPY_TYPES = (
    *("float16", "float32", "float64", "bool"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)
TORCH_TYPES = (*NUMPY_TYPES, "bfloat16")
CONTAINERS: dict[str, Callable[[Any], Any]] = {
    kind.__name__: kind for kind in (tuple, list, set, frozenset)
}


def encode(value: Any) -> Any:
    """Return plain data, as `values.to_plain` makes it, in a form that JSON can hold.

    >>> encode((1, {"a"}))
    ['tuple', 1, ['set', 'a']]
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if value is Ellipsis:
        return ["..."]
    if kind is Tensor and str(value.dtype).removeprefix("torch.") in TORCH_TYPES:
        name = str(value.dtype).removeprefix("torch.")
        return ["tensor", name, list(value.shape), value.flatten().tolist()]
    if kind is np.ndarray and value.dtype.name in NUMPY_TYPES:
        return ["array", value.dtype.name, list(value.shape), value.ravel().tolist()]
    if kind is dict:
        return ["dict", *([encode(key), encode(item)] for key, item in value.items())]
    if kind.__name__ in CONTAINERS and kind is CONTAINERS[kind.__name__]:
        return [kind.__name__, *map(encode, value)]
    if kind is Raised:
        return ["Raised", value.kind, value.text]
    return ["Other", value.kind if kind is Other else kind.__name__]


def decode(data: Any) -> Any:
    """Return the value that `encode` was given.

    Raises:
        ValueError: if it is not of that form; a worker that runs hostile code may send anything.
    """
    try:
        return _decode(data)
    except (ValueError, LookupError, TypeError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"an answer must be encoded data, got {type(error).__name__}") from None


def _decode(data: Any) -> Any:
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    if not isinstance(data, list):
        raise TypeError
    kind, *items = data
    if kind == "...":
        return Ellipsis
    if kind in ("tensor", "array"):
        name, shape, values = items
        if kind == "tensor" and name in TORCH_TYPES:
            return torch.tensor(values, dtype=getattr(torch, name)).reshape(shape)
        if kind == "array" and name in NUMPY_TYPES:
            return np.array(values, dtype=name).reshape(shape)
        raise TypeError
    if kind == "dict":
        return {_decode(key): _decode(item) for key, item in items}
    if kind in ("Raised", "Other"):
        return (Raised if kind == "Raised" else Other)(*map(str, items))
    return CONTAINERS[kind](map(_decode, items))
