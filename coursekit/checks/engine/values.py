"""Compare and describe what answers are made of: numbers, shapes, tensors, tuples, words."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coursekit.checks.engine.sandbox import Raised


def as_number(answer: object) -> float | None:
    """Return a float for a number or a one-element tensor or array, else None."""
    if isinstance(answer, (bool, str, bytes)):
        return None
    try:
        # float() warns of a tensor with a graph, and NumPy refuses it an array of one value.
        return float(answer.item() if hasattr(answer, "item") else answer)
    except Exception:  # any object may refuse in its own way
        return None


def as_shape(answer: object) -> tuple[int, ...] | None:
    """Return a tuple of whole numbers for a tuple, list, array, tensor or single number."""
    answer = listed(answer)
    sizes = answer if isinstance(answer, (tuple, list)) else (answer,)
    numbers = [as_number(size) for size in sizes]
    if not all(n is not None and math.isfinite(n) and n == int(n) for n in numbers):
        return None
    return tuple(int(n) for n in numbers)


def listed(value: Any) -> Any:
    """Return a list for an array or a tensor with an axis or more, else the value itself."""
    return value.tolist() if isinstance(value, (Tensor, np.ndarray)) and value.ndim else value


def written(number: float, digits: int) -> str:
    """Write a number for a hint: whole numbers in full, others with some significant digits.

    >>> written(1806336.0, 4), written(0.65625, 4)
    ('1,806,336', '0.6562')
    """
    return f"{number:,.0f}" if number.is_integer() else f"{number:.{digits}g}"


def same(found: Any, expected: Any) -> bool:
    """Whether two values agree: numbers and tensors up to rounding, everything else exactly.

    A one-element tensor agrees with the number in it, and an array with the list or tuple of its
    values. Shapes must be equal, not broadcastable.
    """
    if isinstance(expected, (bool, str, Raised)) or expected is None:
        return type(found) is type(expected) and found == expected
    if isinstance(expected, Tensor):
        return (
            isinstance(found, Tensor)
            and found.shape == expected.shape
            and torch.allclose(found.double(), expected.double(), rtol=1e-4, atol=1e-5)
        )
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(same(found[key], expected[key]) for key in expected)
        )
    if isinstance(expected, (tuple, list)):
        found = listed(found)
        return (
            isinstance(found, (tuple, list))
            and len(found) == len(expected)
            and all(map(same, found, expected))
        )
    number = as_number(found)
    return number is not None and math.isclose(number, float(expected), rel_tol=1e-4, abs_tol=1e-5)


def difference(found: Any, expected: Any) -> str:
    """Say in a few words how `found` differs from `expected`; the shape is looked at first."""
    if isinstance(expected, dict) and isinstance(found, dict) and found.keys() == expected.keys():
        key = next(key for key in expected if not same(found[key], expected[key]))
        return f"{key}: {difference(found[key], expected[key])}"
    if isinstance(expected, Tensor):
        if not isinstance(found, Tensor):
            return f"it returned {name_of(found)} where a tensor is right"
        if found.shape != expected.shape:
            return f"got shape {tuple(found.shape)} where {tuple(expected.shape)} is right"
        far = (found.double() - expected.double()).abs().max().item()
        return f"the shape is right, the values are off by up to {far:.2g}"
    if isinstance(expected, (tuple, list)):
        found = listed(found)
        if isinstance(found, (tuple, list)) and all(map(_is_short, (found, expected))):
            return f"got {tuple(found)} where {tuple(expected)} is right"
        if not isinstance(found, (tuple, list)) or len(found) != len(expected):
            many = isinstance(found, (tuple, list)) and len(found) > 1
            returned = f"{len(found)} values" if many else name_of(found)
            return f"it returned {returned} where {len(expected)} values are right"
        pairs = enumerate(zip(found, expected, strict=True), start=1)
        number, pair = next((i, pair) for i, pair in pairs if not same(*pair))
        return f"value {number} of {len(expected)}: {difference(*pair)}"
    number = as_number(found)
    if number is None or isinstance(expected, (bool, str)):
        right = (
            f"{expected!r}" if isinstance(expected, (bool, str)) else written(float(expected), 4)
        )
        return f"it returned {name_of(found)} where {right} is right"
    return f"it gives {written(number, 4)} where {written(float(expected), 4)} is right"


def name_of(value: object) -> str:
    """Name a value in a sentence, without trusting its own description."""
    if value is None:
        return "nothing (None)"
    if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) < 30):
        return repr(value)
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'AEIOaeio' else 'a'} {kind}"


def _is_short(values: tuple | list) -> bool:
    """Whether a few whole numbers and words are all there is, so that a hint can show them."""
    words = (isinstance(v, int) or (isinstance(v, str) and len(v) < 30) for v in values)
    return len(values) < 10 and all(words)
