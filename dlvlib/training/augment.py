"""The batches of an epoch: chosen, cropped, flipped and cut out as one gather on the device.

An epoch draws its random numbers once, on the CPU, from (seed, epoch) alone: every device, any
number of processes and a run that was resumed see the same batches.
"""

import math

import torch
from torch import Tensor

from dlvlib.runtime import scale_pixels
from dlvlib.training.config import TrainConfig
from dlvlib.training.distributed import Processes, Shard
from dlvlib.training.evaluation import Dataset
from dlvlib.training.schedules import epoch_seeds


class Batches:
    """The training images on their device, in the order and with the augmentation of an epoch."""

    def __init__(
        self,
        train: Dataset,
        config: TrainConfig,
        device: torch.device,
        dtype: torch.dtype,
        processes: Processes,
    ) -> None:
        self.images, self.targets = train.images.to(device), train.targets.to(device)  # once
        self.config, self.dtype, self.processes = config, dtype, processes
        count = len(self.images)
        self.num_steps = math.ceil(count / config.batch_size)
        self.num_whole_steps = count // config.batch_size  # all, or all but the last
        self.order = torch.empty(count, dtype=torch.int64, device=device)
        self.draws: Tensor | None = None
        if config.crop_padding or config.flip or config.cutout:
            self.draws = torch.empty(5, count, dtype=torch.int64, device=device)
        self.start_epoch(1)

    def start_epoch(self, epoch: int) -> None:
        """Draw the order of the epoch, and how the image at each position is augmented.

        Both are written in place: a CUDA graph reads them at their addresses.
        """
        count, size = len(self.images), self.images.shape[2:]
        order_seed, _, augment_seed = epoch_seeds(self.config.seed, epoch)
        generator = torch.Generator("cpu").manual_seed(order_seed)
        self.order.copy_(torch.randperm(count, generator=generator, device="cpu"))
        if self.draws is not None:
            self.draws.copy_(draw(count, (size[0], size[1]), self.config, augment_seed))

    def shards(self, step: int) -> list[Shard]:
        """Return the positions of a step's batch; the last batch may be smaller."""
        size = self.config.batch_size
        batch = range(step * size, min((step + 1) * size, len(self.images)))
        return self.processes.shards(batch, self.config.accumulate)

    def load(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        """Return what the network sees at these positions of the epoch, and the targets.

        Shape:
            (B, C, H, W) of the network's type, a copy; and (B,) int64.
        """
        index = self.order[rows]
        if self.draws is None:
            images = self.images.index_select(0, index)  # on a CPU, 20 times as fast as [index]
        else:
            images = gather(self.images, index, self.draws[:, rows], self.config)
        images = scale_pixels(images).to(self.dtype)
        if self.config.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return images, self.targets.index_select(0, index)


def draw(count: int, size: tuple[int, int], config: TrainConfig, seed: int) -> Tensor:
    """Draw how `count` images of `size` (H, W) are augmented.

    Returns:
        (5, count) int64. Rows 0 and 1: top and left of the crop in the padded image, in
        [0, 2 * crop_padding]. Row 2: 1 for a flip, else 0. Rows 3 and 4: top and left of the
        square, which may lie partly outside; its centre is uniform over the pixels.

    Source: cutout after DeVries and Taylor (2017), https://arxiv.org/abs/1708.04552.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    offsets = 2 * config.crop_padding + 1
    limits = (offsets, offsets, 2, *size)
    rows = [torch.randint(n, (count,), generator=generator, device="cpu") for n in limits]
    draws = torch.stack(rows)
    draws[2] *= config.flip
    draws[3:] -= config.cutout // 2
    return draws


def gather(images: Tensor, index: Tensor, draws: Tensor, config: TrainConfig) -> Tensor:
    """Return ``images[index]``, each padded, cropped, flipped, and with a black square.

    Each pixel of the result knows which pixel of which image it shows, so choosing the batch and
    all three operations are one indexing.

    Shape:
        images: (N, C, H, W) of any type, index: (B,) int64, draws: (5, B); the result is
        (B, C, H, W).
    """
    top, left, flip, hole_top, hole_left = draws[:, :, None]  # each (B, 1)
    height, width = images.shape[2:]
    y = torch.arange(height, device=images.device)  # of the result
    x = torch.arange(width, device=images.device)
    rows = y + top - config.crop_padding  # (B, H), of the image
    columns = torch.where(flip == 1, width - 1 - x, x) + left - config.crop_padding  # (B, W)
    shown = _inside(rows, height)[:, :, None] & _inside(columns, width)[:, None, :]
    if config.cutout:
        in_hole_y = _inside(y - hole_top, config.cutout)
        in_hole_x = _inside(x - hole_left, config.cutout)
        shown &= ~(in_hole_y[:, :, None] & in_hole_x[:, None, :])  # (B, H, W)
    channels = torch.arange(images.shape[1], device=images.device)
    picked = images[
        index[:, None, None, None],
        channels[:, None, None],
        rows.clamp(0, height - 1)[:, None, :, None],
        columns.clamp(0, width - 1)[:, None, None, :],
    ]  # (B, C, H, W)
    return picked * shown[:, None]


def _inside(values: Tensor, size: int) -> Tensor:
    return (values >= 0) & (values < size)
