"""Answers as plain data: convert, compare and describe numbers, shapes, tensors, tuples, words."""

import math
import re
import textwrap
from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

MAX_ELEMENTS = 10**7  # of a tensor that is compared
MAX_ECHO = 30  # characters of an answer that a message repeats
HALF = (torch.float16, torch.bfloat16)
PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Other:
    """A value that is not plain data; only the name of its type is known."""

    kind: str


@dataclass(frozen=True)
class Raised:
    """What a call raised instead of returning: the type of the exception and its text."""

    kind: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> "Raised":
        try:
            text = str(error)
        except BaseException:  # an exception may refuse to describe itself
            text = "without a message"
        return cls(type(error).__name__, text)

    def __str__(self) -> str:
        return textwrap.shorten(f"{self.kind}: {self.text}", width=200, placeholder=" ...")


def is_plain(value: object, depth: int = 5) -> bool:
    """Whether a value is made of Python's own numbers, words and containers, or is a tensor.

    Nothing of the value's own is called to find out.
    """
    if type(value) in PLAIN or value is Ellipsis:
        return True
    if type(value) is Tensor:
        return value.device.type == "cpu" and value.layout == torch.strided
    if type(value) is np.ndarray:
        return value.dtype.kind in "biuf"
    if type(value) in (tuple, list, set, frozenset):
        return depth > 0 and all(is_plain(item, depth - 1) for item in value)  # type: ignore[attr-defined]
    return False


def to_plain(value: Any) -> Any:
    """Return a copy of a value that is made of numbers, words, tensors, arrays and containers.

    Numbers of other types become floats, everything else an `Other`.
    """
    if type(value) in (*PLAIN, Raised, Other):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Tensor):
        kept = not value.is_complex() and value.numel() <= MAX_ELEMENTS
        return value.detach().cpu().to_dense().clone() if kept else Other(type(value).__name__)
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind == "U":
            return value.tolist()
        kept = value.dtype.kind in "biuf" and value.size <= MAX_ELEMENTS
        return np.array(value) if kept else Other(type(value).__name__)
    if isinstance(value, dict):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    for container in (tuple, list, set, frozenset):
        if isinstance(value, container):
            return container(map(to_plain, value))
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except Exception:  # any object may refuse in its own way
        return Other(type(value).__name__)


def as_number(answer: object) -> float | None:
    """Return a float for a number or a one-element tensor or array, else None."""
    if isinstance(answer, (Tensor, np.ndarray)) and math.prod(answer.shape) == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return None
    try:
        return float(answer)
    except OverflowError:
        return math.inf if answer > 0 else -math.inf


def as_shape(answer: object) -> tuple[int, ...] | None:
    """Return a tuple of whole numbers for a tuple, list, array, tensor or single number."""
    answer = to_list(answer)
    sizes = answer if isinstance(answer, (tuple, list)) else (answer,)
    numbers = [number for number in map(as_number, sizes) if number is not None]
    if len(numbers) < len(sizes) or not all(number.is_integer() for number in numbers):
        return None  # an infinite number is not an integer either
    return tuple(map(int, numbers))


def to_list(value: Any) -> Any:
    """Return a list for an array or a tensor with an axis or more, else the value itself."""
    return value.tolist() if isinstance(value, (Tensor, np.ndarray)) and value.ndim else value


def number_in_text(text: str) -> str | None:
    """Return how Python writes the number that a text means, None if it holds no number.

    >>> number_in_text("0,2"), number_in_text("200 960 FLOPs"), number_in_text("20 %")
    ('0.2', '200_960', '0.2')
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if re.fullmatch(r"[\d.]+(\s*[-+*/]\s*[\d.]+)+", text):
        return text  # an expression, for instance 1/5
    found = re.fullmatch(
        r"([-+]?)(\d[\d.,_'\s]*?(?:e[-+]?\d+)?|[.,]\d+)\s*(%?)[a-zµ .]*", text, re.I
    )
    if found is None or len(text) > MAX_ECHO:
        return None
    sign, digits, percent = found.groups()
    if re.fullmatch(r"[1-9]\d{0,2}([,_'\s]\d{3})+", digits):
        digits = re.sub(r"\D", "_", digits)
    else:
        digits = digits.replace(",", ".")
    try:
        number = float(digits)
    except ValueError:
        return None
    digits = f"{number / 100:g}" if percent else digits
    return sign.replace("+", "") + ("0" * digits.startswith(".")) + digits


def format_number(number: float, digits: int = 6) -> str:
    """Format a number for a hint: whole numbers in full, others with some significant digits.

    >>> format_number(1806336.0), format_number(0.65625, 4)
    ('1,806,336', '0.6562')
    """
    whole = number.is_integer() and abs(number) < 10**15
    return f"{number:,.0f}" if whole else f"{number:.{digits}g}"


def agrees(found: Any, expected: Any) -> bool:
    """Whether two values agree: numbers and tensors up to rounding, everything else exactly.

    A one-element tensor agrees with the number in it, and an array with the list or tuple of its
    values. Shapes must be equal, not broadcastable.
    """
    if isinstance(expected, (bool, str, set, frozenset, Raised, Other)) or expected is None:
        return type(found) is type(expected) and bool(found == expected)
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
            and all(agrees(found[key], expected[key]) for key in expected)
        )
    if isinstance(expected, (tuple, list)):
        found = to_list(found)
        return (
            isinstance(found, (tuple, list))
            and len(found) == len(expected)
            and all(map(agrees, found, expected))
        )
    number = as_number(found)
    return number is not None and math.isclose(number, float(expected), rel_tol=1e-4, abs_tol=1e-5)


def difference(found: Any, expected: Any) -> str:
    """Describe in a few words how `found` differs from `expected`; the shape comes first."""
    if isinstance(expected, dict) and isinstance(found, dict) and found.keys() == expected.keys():
        key = next(key for key in expected if not agrees(found[key], expected[key]))
        if isinstance(found[key], bool) and isinstance(expected[key], bool):
            return f"{key}: this should be {str(expected[key]).lower()}"
        return f"{key}: {difference(found[key], expected[key])}"
    if isinstance(expected, Tensor):
        if not isinstance(found, Tensor):
            return f"it returned {name_of(found)} where a tensor is expected"
        if found.shape != expected.shape:
            return f"got shape {tuple(found.shape)} where {tuple(expected.shape)} is expected"
        far = (found.double() - expected.double()).abs().max().item()
        return f"the shape is right, the values are off by up to {far:.2g}{_if_half(found)}"
    if isinstance(expected, (tuple, list)):
        return _difference_of_lists(to_list(found), expected, _if_half(found))
    number = as_number(found)
    if isinstance(expected, (bool, str)) or expected is None:
        return f"it returned {name_of(found)} where {expected!r} is expected"
    right = float(expected)
    if number is None:
        return f"it returned {name_of(found)} where {format_number(right, 4)} is expected"
    digits = next((n for n in (4, 8) if format_number(number, n) != format_number(right, n)), 16)
    texts = format_number(number, digits), format_number(right, digits)
    return f"it gives {texts[0]} where {texts[1]} is expected{_if_half(found)}"


def _difference_of_lists(found: Any, expected: tuple[Any, ...] | list[Any], note: str) -> str:
    is_list = isinstance(found, (tuple, list))
    if is_list and _is_short(found) and _is_short(expected):
        return f"got {tuple(found)} where {tuple(expected)} is expected"
    if not is_list or len(found) != len(expected):
        returned = count_of(found) if is_list and len(found) > 1 else name_of(found)
        are = "is" if len(expected) == 1 else "are"
        return f"it returned {returned} where {count_of(expected)} {are} expected"
    pairs = enumerate(zip(found, expected, strict=True), start=1)
    number, pair = next((i, pair) for i, pair in pairs if not agrees(*pair))
    return f"value {number} of {len(expected)}: {difference(*pair)}{note}"


def printable(text: str) -> str:
    """Return a text with a space for what a terminal could obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def count_of(values: Sized) -> str:
    """Return for instance "1 value"."""
    return f"{len(values)} value{'s' * (len(values) != 1)}"


def _if_half(found: Any) -> str:
    """What to add about a value whose type explains a small difference."""
    half = isinstance(found, Tensor) and found.dtype in HALF
    half = half or (isinstance(found, np.ndarray) and found.dtype == np.float16)
    name = str(found.dtype).removeprefix("torch.") if half else ""
    return f"; {name} keeps about three digits, so compute in float32" if half else ""


def name_of(value: object) -> str:
    """Name a value in a sentence, without trusting its own description."""
    if value is None:
        return "nothing (None)"
    if type(value) in (bool, float) or (isinstance(value, str) and len(value) < MAX_ECHO):
        return repr(value)
    if isinstance(value, str):
        return "a long text"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else "a very large number"
    kind = (value.kind if isinstance(value, Other) else type(value).__name__)[:MAX_ECHO]
    return f"{'an' if kind[0] in 'AEIOaeio' else 'a'} {kind}"


def _is_short(values: tuple[Any, ...] | list[Any]) -> bool:
    """Whether a few whole numbers and words are all there is, so that a hint can show them."""
    words = (
        (isinstance(v, int) and abs(v) < 10**15) or (isinstance(v, str) and len(v) < MAX_ECHO)
        for v in values
    )
    return len(values) < 10 and all(words)
