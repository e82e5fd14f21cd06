"""Receptive field: the input pixels that one value of a layer can depend on.

`grow` and `of` compute the theoretical field, from kernels and strides alone.
`effective_receptive_field` measures how much each pixel really counts.

Source: Araujo, Norris and Sim (2019), "Computing receptive fields of convolutional neural
networks", https://doi.org/10.23915/distill.00021
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dlvlib.profile.windows import windows_of

if TYPE_CHECKING:  # `grow` is plain arithmetic: torch is imported only where a model comes in
    from torch import Tensor, nn

    from dlvlib.profile.trace import Step


@dataclass(frozen=True)
class ReceptiveField:
    """The field along one axis: output i sees `size` pixels, the first at start + i * stride.

    A negative start reaches into the padding. The size is that of a value in the middle of a
    large enough image; `pixels` clips it.
    """

    size: int = 1
    stride: int = 1
    start: int = 0
    layer: str = ""

    def after(
        self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> ReceptiveField:
        """The field once a window slides over the layer that has this one.

        Two neighbours in the window lie `dilation` values apart, and these see pixels
        `self.stride` apart.
        """
        return ReceptiveField(
            size=self.size + (kernel - 1) * dilation * self.stride,
            stride=self.stride * stride,
            start=self.start - padding * self.stride,
        )

    def pixels(self, index: int, image_size: int) -> range:
        """The real pixels, of an image `image_size` long, in the field of output `index`."""
        first = self.start + index * self.stride
        return range(max(first, 0), min(first + self.size, image_size))


Fields = tuple[ReceptiveField, ReceptiveField]  # height, width


def grow(windows: Iterable[Sequence[int]]) -> list[ReceptiveField]:
    """The field after each layer of a chain, from plain numbers.

    Args:
        windows: per layer (kernel, stride, padding, dilation); all but the first may be left out,
            and are then 1, 0 and 1.

    Raises:
        ValueError: if a kernel, stride or dilation is below 1, or a padding below 0.

    >>> lenet = [(5,), (2, 2), (5,), (2, 2), (5,)]  # the last: a dense layer on a 5x5 map
    >>> [field.size for field in grow(lenet)]
    [5, 6, 14, 16, 32]
    """
    fields, field = [], ReceptiveField()
    for window in windows:
        kernel, stride, padding, dilation = (*window, *(1, 0, 1)[len(window) - 1 :])
        if min(kernel, stride, dilation) < 1 or padding < 0:
            raise ValueError(
                "kernel, stride and dilation must be >= 1 and padding >= 0, "
                f"got {(kernel, stride, padding, dilation)}"
            )
        field = field.after(kernel, stride, padding, dilation)
        fields.append(field)
    return fields


def of(
    model: nn.Module, input_shape: tuple[int, int, int], *, axis: str = "height"
) -> list[ReceptiveField]:
    """The field of every layer, in the order of the forward pass.

    Where branches meet, it reaches from the first to the last pixel that any of them sees. A
    dense layer sees what its whole input map sees.

    Args:
        model: called on one image; what it holds stays as it is.
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
    """How strongly each pixel moves the central output: mean |gradient|, summing to 1.

    Args:
        model: its output is (B, C', H', W') or (B, K); all channels, or logits, are added up.
        images: (B, C, H, W) float, random or real; the more, the smoother.

    Returns:
        (H, W) float on the CPU.

    Raises:
        ValueError: if no pixel has any influence, or a gradient is not finite.

    Source: Luo, Li, Urtasun and Zemel (2016), "Understanding the effective receptive field in
    deep convolutional neural networks", https://arxiv.org/abs/1701.04128

    >>> import torch
    >>> share = effective_receptive_field(torch.nn.AvgPool2d(3, stride=1), torch.rand(2, 1, 5, 5))
    >>> round(share[1:4, 1:4].sum().item(), 4)
    1.0
    """
    import torch

    from dlvlib.runtime import mode

    images = images.detach().clone().requires_grad_()
    with mode(model, training=False):
        output = model(images)
    if output.ndim == 4:
        output = output[:, :, output.shape[2] // 2, output.shape[3] // 2]  # (B, C')
    (gradients,) = torch.autograd.grad(output.sum(), images)
    share = gradients.abs().mean(dim=(0, 1)).cpu()  # (H, W)
    total = share.sum().item()
    if not 0 < total < float("inf"):
        raise ValueError(f"the gradients must be finite and not all 0, got a total of {total}")
    return share / total


def follow(steps: Iterable[Step]) -> list[Fields | None]:
    """The fields (height, width) after each step of a trace.

    None stands where there is no single one: after uneven adaptive pooling, where branches of
    different stride meet, and for operations without a rule.
    """
    found, of_tensor = [], {}
    for step in steps:
        branches = [
            of_tensor.get(id(t), (ReceptiveField(), ReceptiveField())) for t in step.inputs
        ]
        fields, windows = _join(branches), windows_of(step)
        if fields is not None and windows is not None:
            fields = tuple(f.after(*window) for f, window in zip(fields, windows, strict=True))
        else:
            fields = None
        of_tensor |= {id(tensor): fields for tensor in step.outputs}
        found.append(fields)
    return found


def _join(branches: list[Fields | None]) -> Fields | None:
    if None in branches:
        return None
    joined = []
    for fields in zip(*branches, strict=True):  # height, then width
        if len({field.stride for field in fields}) > 1:
            return None
        start = min(field.start for field in fields)
        end = max(field.start + field.size for field in fields)
        joined.append(ReceptiveField(end - start, fields[0].stride, start))
    return tuple(joined)
