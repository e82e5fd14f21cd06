"""What excites a unit: the patches of real images to which it responds most strongly."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlvlib._common import check_int
from dlvlib.profile import receptive_field
from dlvlib.runtime import mode, scale_pixels
from dlvlib.visualize.common import strongest


@dataclass(frozen=True, eq=False)
class TopPatches:
    """What excites a unit most, the strongest first.

    Shape:
        values: (N,) float, the activations.
        indices: (N,) int64, which image.
        positions: (N, 2) int64, row and column in the map of the unit.
        corners: (N, 2) int64, row and column of the patch's first pixel; negative outside.
        patches: (N, C, size, size) float, the receptive field of the unit there; zero outside
            the image.
    """

    values: Tensor
    indices: Tensor
    positions: Tensor
    corners: Tensor
    patches: Tensor


@torch.no_grad()
def top_patches(
    features: nn.Module,
    images: Tensor,
    units: Sequence[int],
    *,
    count: int = 9,
    margin: int = 0,
    batch_size: int = 256,
) -> list[TopPatches]:
    """The patches that excite each unit most, at most one from each image.

    Args:
        features: (B, C, H, W) images -> (B, C', H', W') maps, such as the first layers of a
            network; used in eval mode.
        images: (B, C, H, W) float, or uint8 that is scaled to [0, 1].
        units: channels of the maps.
        count: of each unit, at most B.
        margin: places on each side of the maps that are left out, since a unit looks into the
            padding there.
        batch_size: images that go through the network at once.

    Raises:
        ValueError: if the output is not maps with one receptive field, or a number is out of
            range.
    """
    count = check_int("count", count, 1, len(images))
    batch_size = check_int("batch_size", batch_size, 1)
    seen = []  # per batch and unit: values, rows, columns
    with mode(features, training=False):
        for first in range(0, len(images), batch_size):
            maps = features(scale_pixels(images[first : first + batch_size]))
            seen.append([strongest(maps, unit, margin) for unit in units])
    _, channels, height, width = images.shape
    *_, field = receptive_field.of(features, (channels, height, width))
    found = []
    for batches in zip(*seen, strict=True):
        values, rows, columns = (torch.cat(parts) for parts in zip(*batches, strict=True))
        indices = values.argsort(descending=True, stable=True)[:count]
        positions = torch.stack([rows, columns], dim=1)[indices]
        corners = field.start + field.stride * positions
        patches = torch.stack(
            [
                _crop(scale_pixels(images[index]), top, left, field.size)
                for index, (top, left) in zip(indices.tolist(), corners.tolist(), strict=True)
            ]
        )
        found.append(TopPatches(values[indices], indices, positions, corners, patches))
    return found


def _crop(image: Tensor, top: int, left: int, size: int) -> Tensor:
    """A square of the image; what lies outside is zero."""
    _, height, width = image.shape
    bottom, right = top + size, left + size
    return F.pad(image, (-left, right - width, -top, bottom - height))  # negative: cut off
