"""The registry: what an operation does, and the decorator that adds its rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from dlvlib.profile.cost import LayerCost, Shape

if TYPE_CHECKING:
    from torch import Tensor


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


# A rule gets the output, the first argument, and the others by name; RULES holds their order.
Given = dict[str, Any]
Rule = Callable[["Tensor", Any, Given], Effect]
RULES: dict[str, tuple[Sequence[str], Rule]] = {}


def rule(operations: str, names: str = "") -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operations.split(), (names.split(), function)))
        return function

    return register


def free(
    output: Tensor, axes: Iterable[int | None], windows: Mapping[int, Window | None] | None = None
) -> Effect:
    return Effect(LayerCost(shape_of(output)), tuple(axes), windows or {})


def own_axes(tensor: Tensor) -> tuple[int, ...]:
    return tuple(range(tensor.ndim))


def shape_of(tensor: Tensor) -> Shape:
    return tuple(tensor.shape[1:])
