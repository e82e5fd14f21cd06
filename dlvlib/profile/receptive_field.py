"""Receptive field: the input pixels that one value of a layer can depend on.

`grow` and `of` compute the theoretical field, from kernels and strides alone.
`effective_receptive_field` measures how much each pixel really counts.

Source: Araujo, Norris and Sim (2019), "Computing receptive fields of convolutional neural
networks", https://doi.org/10.23915/distill.00021
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from dlvlib._common import check_int
from dlvlib.profile._registry import Effect, Window
from dlvlib.profile.rules import effect_of

if TYPE_CHECKING:  # `grow` is plain arithmetic: torch is imported only where a model comes in
    from torch import Tensor, nn

    from dlvlib.profile.trace import Step


@dataclass(frozen=True)
class ReceptiveField:
    """The field along one axis: output i sees `size` pixels, the first at start + i * stride.

    A negative start reaches into the padding. The size is that of a value in the middle of a
    large enough image, from the first pixel to the last, with the gaps that dilation leaves;
    `pixels` lists what is really seen.
    """

    size: int = 1
    stride: int = 1
    start: int = 0
    layer: str = ""
    # The layers below, each with the window that slides over it; the lengths of image and layer.
    _sources: tuple[tuple[ReceptiveField, Window], ...] = field(
        default=(), repr=False, compare=False
    )
    _lengths: tuple[int, int] | None = field(default=None, repr=False, compare=False)

    def after(self, kernel: int, stride: int, padding: int, dilation: int) -> ReceptiveField:
        """The field once a window slides over the layer that has this one.

        Two neighbours in the window lie `dilation` values apart, and these see pixels
        `self.stride` apart.
        """
        return ReceptiveField(
            size=self.size + (kernel - 1) * dilation * self.stride,
            stride=self.stride * stride,
            start=self.start - padding * self.stride,
            _sources=((self, Window(kernel, stride, padding, dilation)),),
        )

    def pixels(self, index: int, image_size: int) -> Sequence[int]:
        """The real pixels, of an image `image_size` long, that output `index` depends on.

        A range, or a list where dilation or slicing leaves gaps. What lies in the padding of a
        layer, or beyond its last position, is no pixel. A field found by tracing knows where its
        layers end for the image traced; for another size only the image cuts it.

        Raises:
            ValueError: if `index` is not an integer >= 0, or `image_size` not one >= 1.
        """
        index, image_size = check_int("index", index), check_int("image_size", image_size, 1)
        layers = self._layers()
        lengths: dict[int, int | None] = {}
        for layer in layers:
            lengths[id(layer)] = layer._length(image_size, lengths)
        seen: set[int] = set()
        positions = {id(layer): set[int]() for layer in layers}
        positions[id(self)].add(index)
        for layer in reversed(layers):
            here = positions.pop(id(layer))
            for source, (kernel, stride, padding, dilation) in layer._sources:
                reads = {i * stride - padding + j * dilation for i in here for j in range(kernel)}
                length = lengths[id(source)]
                positions[id(source)] |= {at for at in reads if length is None or 0 <= at < length}
            if not layer._sources:
                firsts = (layer.start + i * layer.stride for i in here)
                seen.update(*(range(first, first + layer.size) for first in firsts))
        pixels = sorted(seen.intersection(range(image_size)))
        span = range(pixels[0], pixels[-1] + 1) if pixels else range(0)
        return span if len(span) == len(pixels) else pixels

    def _layers(self) -> list[ReceptiveField]:
        """This field and all that it was made from, each after its sources."""
        order, found, stack = [], set(), [(self, False)]
        while stack:
            layer, sources_done = stack.pop()
            if sources_done:
                order.append(layer)
            elif id(layer) not in found:
                found.add(id(layer))
                stack += [(layer, True), *((source, False) for source, _ in layer._sources)]
        return order

    def _length(self, image_size: int, lengths: dict[int, int | None]) -> int | None:
        """How many positions there are, given those of the sources; None if unknown."""
        if not self._sources:
            return image_size
        if self._lengths is not None:
            return self._lengths[1] if self._lengths[0] == image_size else None
        [(source, window)] = self._sources
        below = lengths[id(source)]
        if below is None:
            return None
        reach = window.dilation * (window.kernel - 1) + 1
        return max(0, (below + 2 * window.padding - reach) // window.stride + 1)


Fields = tuple[ReceptiveField, ReceptiveField]  # height, width


def grow(windows: Iterable[Sequence[int]]) -> list[ReceptiveField]:
    """The field after each layer of a chain, from plain numbers.

    Args:
        windows: per layer (kernel, stride, padding, dilation); all but the first may be left out,
            and are then 1, 0 and 1.

    Raises:
        ValueError: if a window has another length, a kernel, stride or dilation is not an integer
            >= 1, or a padding not one >= 0.

    >>> lenet = [(5,), (2, 2), (5,), (2, 2), (5,)]  # the last: a dense layer on a 5x5 map
    >>> [field.size for field in grow(lenet)]
    [5, 6, 14, 16, 32]
    """
    fields, field = [], ReceptiveField()
    for window in windows:
        if not 1 <= len(window) <= 4:
            raise ValueError(f"a window must have 1 to 4 numbers, got {tuple(window)}")
        numbers = zip(Window._fields, (*window, *(1, 0, 1)[len(window) - 1 :]), strict=True)
        field = field.after(*(check_int(name, n, int(name != "padding")) for name, n in numbers))
        fields.append(field)
    return fields


def of(
    model: nn.Module, input_shape: tuple[int, int, int], *, axis: str = "height"
) -> list[ReceptiveField]:
    """The field of every layer, in the order of the forward pass.

    Where branches meet, it reaches from the first to the last pixel that any of them sees. A
    dense layer sees what its whole input map sees.

    Args:
        model: called on one image; it is not changed.
        input_shape: (C, H, W) of the image. It matters for dense and global layers only.
        axis: "height" or "width".

    Raises:
        ValueError: if the axis is another, or a layer has no single field (see `follow`).

    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.MaxPool2d(2))
    >>> of(model, (1, 32, 32))[1]
    ReceptiveField(size=6, stride=2, start=0, layer='1')
    """
    from dlvlib.profile.trace import trace

    if axis not in ("height", "width"):
        raise ValueError(f"axis must be 'height' or 'width', got {axis!r}")
    records = []
    steps = trace(model, input_shape)
    for step, fields in zip(steps, follow(steps), strict=True):
        if fields is None:
            raise ValueError(
                "every layer must have one receptive field for all its outputs, "
                f"got none for {step.layer!r} ({step.operation})"
            )
        records.append(replace(fields[axis == "width"], layer=step.layer))
    return records


def effective_receptive_field(model: nn.Module, images: Tensor) -> Tensor:
    """How strongly each pixel moves the central output: mean `|gradient|`, summing to 1.

    Args:
        model: its output is (B, C', H', W') or (B, K); all channels, or logits, are added up.
        images: (B, C, H, W) float, random or real; the more, the smoother.

    Returns:
        (H, W) float on the CPU.

    Raises:
        ValueError: if the images or the output have another shape or type, no pixel has any
            influence, or a gradient is not finite.

    Source: Luo, Li, Urtasun and Zemel (2016), "Understanding the effective receptive field in
    deep convolutional neural networks", https://arxiv.org/abs/1701.04128

    >>> import torch
    >>> share = effective_receptive_field(torch.nn.AvgPool2d(3, stride=1), torch.rand(2, 1, 5, 5))
    >>> round(share[1:4, 1:4].sum().item(), 4)
    1.0
    """
    import torch

    from dlvlib.runtime import mode

    if images.ndim != 4 or not images.is_floating_point():
        got = f"{tuple(images.shape)} {images.dtype}"
        raise ValueError(f"images must be (B, C, H, W) float, got {got}")
    images = images.detach().clone().requires_grad_()
    with mode(model, training=False), torch.enable_grad():
        output = model(images.clone())  # a model may work in place
        if output.ndim not in (2, 4):
            shape = tuple(output.shape)
            raise ValueError(f"the output must be (B, C', H', W') or (B, K), got {shape}")
        if output.ndim == 4:
            output = output[:, :, output.shape[2] // 2, output.shape[3] // 2]  # (B, C')
        total = output.sum() + 0 * images.sum()  # 0, and no error, for a constant output
        (gradients,) = torch.autograd.grad(total, images)
    share = gradients.abs().mean(dim=(0, 1)).cpu()  # (H, W)
    total = share.sum().item()
    if not 0 < total < float("inf"):
        raise ValueError(f"the gradients must be finite and not all 0, got a total of {total}")
    return share / total


def follow(steps: Sequence[Step]) -> list[Fields | None]:
    """The fields (height, width) after each step of a trace.

    None where no single one describes all outputs: after uneven adaptive pooling, where branches
    of different stride meet, where a statistic of the whole map is spread over it again (group
    normalisation, squeeze-and-excitation), and for operations without a rule.
    """
    if not steps:
        return []
    image = steps[0].inputs[0]  # (1, C, H, W)
    trails: dict[int, list[_Trail | None]] = {
        id(image): [_Trail(ReceptiveField(), axis) for axis in (2, 3)]
    }
    followed: list[Fields | None] = []
    for step in steps:
        height, width = (
            _advance(step, [trails[id(tensor)][i] for tensor in step.inputs], image.shape[2 + i])
            for i in range(2)
        )
        trails |= {id(tensor): [height, width] for tensor in step.outputs}
        followed.append((height.field, width.field) if height and width else None)
    return followed


class _Trail(NamedTuple):
    """What a tensor sees along one axis of the image, and which of its own axes moves there."""

    field: ReceptiveField
    axis: int | None  # None: all its values see the same


def _advance(step: Step, trails: list[_Trail | None], image_size: int) -> _Trail | None:
    """What the output of a step sees along one axis of the image, from what its inputs see."""
    try:
        effect = effect_of(step)
    except ValueError:
        return None
    sources: list[tuple[ReceptiveField, Window]] = []
    axes: set[int | None] = set()
    for tensor, trail in zip(step.inputs, trails, strict=True):
        window, axis = _look(step, effect, tensor, trail.axis) if trail else (None, None)
        if trail is None or window is None:
            return None
        sources.append((trail.field, window))
        axes.add(axis)
    if len(axes) > 1:
        return None
    (axis,) = axes
    fields = [field.after(*window) for field, window in sources]
    if axis is not None and len({field.stride for field in fields}) > 1:
        return None
    start = min(field.start for field in fields)
    size = max(field.start + field.size for field in fields) - start
    stride = max(field.stride for field in fields)
    if axis is None:
        sources = [(field, window._replace(stride=0)) for field, window in sources]
    lengths = (image_size, 1 if axis is None else step.outputs[0].shape[axis])
    return _Trail(ReceptiveField(size, stride, start, "", tuple(sources), lengths), axis)


def _look(
    step: Step, effect: Effect, tensor: Tensor, axis: int | None
) -> tuple[Window | None, int | None]:
    """The window over an axis of an input, and the axis of the output that follows it."""
    if axis is None or (step.operation == "setitem" and tensor is step.args[0]):
        return Window(), axis  # what is written into keeps its other values
    output, length = step.outputs[0], tensor.shape[axis]
    if effect.axes == (*range(output.ndim),):  # broadcast: the last axes are matched
        axis += max(0, output.ndim - tensor.ndim)
    if axis not in effect.axes:
        return effect.windows.get(axis, Window(length)), None
    followed_by = effect.axes.index(axis)
    spread = length == 1 != output.shape[followed_by]  # one value over the whole axis
    return effect.windows.get(axis, None if spread else Window()), followed_by
