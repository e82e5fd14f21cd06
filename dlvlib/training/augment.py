"""Crop, flip and cutout for a whole batch at once, as one gather on the device.

The random numbers are drawn on the CPU, a handful per image, so that every device and any number
of processes see the same augmented batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dlvlib.runtime import scale_pixels
from dlvlib.training.config import TrainConfig
from dlvlib.training.schedules import step_generator


@dataclass(frozen=True, eq=False)
class Draws:
    """The chances of one batch; every field has shape (B,).

    `top`, `left` in [0, 2 * crop_padding]: the corner of the crop in the padded image.
    `hole_top`, `hole_left`: the corner of the square, which may lie partly outside the image.
    """

    top: Tensor
    left: Tensor
    flip: Tensor  # 0 or 1
    hole_top: Tensor
    hole_left: Tensor

    def part(self, where: slice, device: torch.device) -> "Draws":
        """Return the draws of some images of the batch, on their device, in one transfer."""
        fields = (self.top, self.left, self.flip, self.hole_top, self.hole_left)
        rows = torch.stack([field[where] for field in fields])  # (5, B)
        return Draws(*rows.to(device, non_blocking=True))


def draw(
    count: int, size: tuple[int, int], config: TrainConfig, *, epoch: int, step: int
) -> Draws | None:
    """Draw the chances for `count` images of `size` (H, W); None if the recipe leaves them alone.

    The numbers depend on `config.seed`, `epoch` and `step` (within the epoch) and nothing else.
    The centre of the square is uniform over the pixels, as in DeVries and Taylor (2017),
    https://arxiv.org/abs/1708.04552.
    """
    if not (config.crop_padding or config.flip or config.cutout):
        return None
    generator = step_generator(config.seed, epoch, step)

    def below(limit: int) -> Tensor:
        return torch.randint(limit, (count,), generator=generator)

    offsets = 2 * config.crop_padding + 1
    top, left, flip = below(offsets), below(offsets), below(2) * config.flip
    half = config.cutout // 2
    return Draws(top, left, flip, below(size[0]) - half, below(size[1]) - half)


def load_batch(
    images: Tensor, batch: Tensor, draws: Draws | None, where: slice, config: TrainConfig
) -> Tensor:
    """Return what the network sees of ``images[batch[where]]``: augmented, as floats."""
    index = batch[where]
    if draws is None:
        pixels = images[index]
    else:
        pixels = gather_batch(images, index, draws.part(where, images.device), config)
    return as_input(pixels, config)


def as_input(pixels: Tensor, config: TrainConfig) -> Tensor:
    """Scale pixels to [0, 1] and put them into the memory format of the recipe."""
    pixels = scale_pixels(pixels)
    return pixels.contiguous(memory_format=torch.channels_last) if config.channels_last else pixels


def gather_batch(images: Tensor, index: Tensor, draws: Draws, config: TrainConfig) -> Tensor:
    """Return ``images[index]``, each padded, cropped, flipped, and with a black square.

    Each pixel of the result knows which pixel of which image it shows, so choosing the batch and
    all three operations are one indexing.

    Shape:
        images: (N, C, H, W) of any type, index: (B,) int64; the result is (B, C, H, W).
    """
    height, width = images.shape[2:]
    y = torch.arange(height, device=images.device)  # of the result
    x = torch.arange(width, device=images.device)
    from_x = torch.where(draws.flip[:, None] == 1, width - 1 - x, x)  # (B, W)
    rows = y + draws.top[:, None] - config.crop_padding  # (B, H), of the image
    columns = from_x + draws.left[:, None] - config.crop_padding  # (B, W)
    shown = _inside(rows, 0, height)[:, :, None] & _inside(columns, 0, width)[:, None, :]
    if config.cutout:
        in_hole_y = _inside(y - draws.hole_top[:, None], 0, config.cutout)
        in_hole_x = _inside(x - draws.hole_left[:, None], 0, config.cutout)
        shown &= ~(in_hole_y[:, :, None] & in_hole_x[:, None, :])  # (B, H, W)
    channels = torch.arange(images.shape[1], device=images.device)
    picked = images[
        index[:, None, None, None],
        channels[:, None, None],
        rows.clamp(0, height - 1)[:, None, :, None],
        columns.clamp(0, width - 1)[:, None, None, :],
    ]  # (B, C, H, W)
    return picked * shown[:, None]


def _inside(values: Tensor, low: int, high: int) -> Tensor:
    return (values >= low) & (values < high)
