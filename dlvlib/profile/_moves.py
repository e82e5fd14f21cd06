"""Rules of the operations that only move values, and so are free."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from dlvlib.profile._registry import Effect, Given, Window, free, own_axes, rule

if TYPE_CHECKING:
    from torch import Tensor


@rule("dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout")
@rule("contiguous clone detach data copy requires_grad channel_shuffle")
@rule("to type type_as float double half bfloat16")
def _unchanged(output: Tensor, input: Tensor, given: Given) -> Effect:
    return free(output, own_axes(output))


@rule("cat concat concatenate", "dim")
@rule("chunk split", "size dim")  # the output is the first part
def _along_an_axis(output: Tensor, input: Any, given: Given) -> Effect:
    return free(output, own_axes(output), {range(output.ndim)[given.get("dim", 0)]: None})


@rule("stack unsqueeze", "dim")
def _stack(output: Tensor, input: Any, given: Given) -> Effect:
    new = range(output.ndim)[given.get("dim", 0)]
    return free(output, (None if a == new else a - (a > new) for a in range(output.ndim)))


@rule("permute", "dims")
def _permute(output: Tensor, input: Tensor, given: Given) -> Effect:
    dims = given["dims"] if isinstance(given["dims"], list | tuple) else given["all"][1:]
    return free(output, (range(input.ndim)[dim] for dim in dims))


@rule("transpose swapaxes swapdims", "dim0 dim1")
@rule("mT")
def _transpose(output: Tensor, input: Tensor, given: Given) -> Effect:
    axes, first, second = [*range(input.ndim)], given.get("dim0", -2), given.get("dim1", -1)
    axes[first], axes[second] = axes[second], axes[first]
    return free(output, axes)


@rule("flatten view reshape squeeze view_as reshape_as unflatten")
def _reshape(output: Tensor, input: Tensor, given: Given) -> Effect:
    """An axis is followed where it is cut from the same values before and after."""
    starts = {(prod(input.shape[:a]), n): a for a, n in enumerate(input.shape)}
    axes = [starts.get((prod(output.shape[:a]), n)) for a, n in enumerate(output.shape)]
    return free(output, axes)


@rule("expand expand_as")
def _expand(output: Tensor, input: Tensor, given: Given) -> Effect:
    new = output.ndim - input.ndim
    same = (a >= new and n == input.shape[a - new] for a, n in enumerate(output.shape))
    return free(output, (a - new if kept else None for a, kept in enumerate(same)))


@rule("pad", "pad mode")
def _pad(output: Tensor, input: Tensor, given: Given) -> Effect:
    zeros = given.get("mode", "constant") == "constant"
    before = zip(reversed(range(input.ndim)), given["pad"][::2], strict=False)  # last axis first
    return free(
        output, own_axes(output), {a: Window(padding=n) if zeros else None for a, n in before}
    )


@rule("getitem", "index")
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
    return free(output, axes, windows)


@rule("setitem", "index value")
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
    return free(output, own_axes(output), windows)


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
