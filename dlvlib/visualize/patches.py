"""What excites a unit: the patches of real images to which it responds most strongly."""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlvlib._common import check_int
from dlvlib.runtime import scale_pixels
from dlvlib.visualize.common import strongest, watched


class Field(Protocol):
    """Output i sees `size` pixels, the first at start + i * stride, in height and width."""

    size: int
    stride: int
    start: int


@dataclass(frozen=True, eq=False)
class TopPatches:
    """What excites a unit most, the strongest first.

    Shape:
        values: (N,) float, the activations.
        indices: (N,) int64, which image.
        positions: (N, 2) int64, row and column in the map of the unit.
        patches: (N, C, size, size) float, the pixels that the unit sees there; zero outside the
            image.
    """

    values: Tensor
    indices: Tensor
    positions: Tensor
    patches: Tensor


@torch.no_grad()
def top_patches(
    model: nn.Module,
    images: Tensor,
    field: Field,
    *,
    layer: str,
    unit: int,
    count: int = 9,
    batch_size: int = 256,
) -> TopPatches:
    """The patches that excite a unit most, at most one from each image.

    Args:
        model: any network, or its `.features`; used in eval mode.
        images: (B, C, H, W) float, or uint8 that is scaled to [0, 1].
        field: receptive field of the layer, as from `dlvlib.profile.receptive_field.of`.
        layer: name of a layer in `model.named_modules()`; its output is (B, C', H', W').
        unit: channel of that layer.
        count: how many patches, at most B.
        batch_size: images that go through the model at once.

    Raises:
        ValueError: if there is no such layer or unit, its output is not a map, or a number is out
            of range.
    """
    count = check_int("count", count, 1, len(images))
    batch_size = check_int("batch_size", batch_size, 1)
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def watch(_module: nn.Module, _inputs: object, maps: Tensor) -> None:
        seen.append(strongest(maps, unit))  # at once: a ReLU that follows may work in place

    with watched(model, layer, watch):
        for first in range(0, len(images), batch_size):
            model(scale_pixels(images[first : first + batch_size]))
    values, rows, columns = (torch.cat(parts) for parts in zip(*seen, strict=True))  # (B,) each
    if len(values) != len(images):
        raise ValueError(f"layer {layer!r} must run once for each image, got {len(values)} runs")
    indices = values.argsort(descending=True, stable=True)[:count]
    positions = torch.stack([rows, columns], dim=1)[indices]
    patches = [
        _crop(scale_pixels(images[index]), field, row, column)
        for index, (row, column) in zip(indices.tolist(), positions.tolist(), strict=True)
    ]
    return TopPatches(values[indices], indices, positions, torch.stack(patches))


def _crop(image: Tensor, field: Field, row: int, column: int) -> Tensor:
    """The pixels in the field of one output; what lies outside the image is zero."""
    _, height, width = image.shape
    top, left = (field.start + index * field.stride for index in (row, column))
    bottom, right = top + field.size, left + field.size
    return F.pad(image, (-left, right - width, -top, bottom - height))  # negative: cut off
