"""Crop, flip and cutout as one gather, against the same done image by image."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_helpers import Spy, config, digits, small_net

from dlvlib.training import epoch_seeds, fit
from dlvlib.training.augment import Batches, draw, gather
from dlvlib.training.distributed import Processes


def one_image(image, top, left, flip, hole_top, hole_left, settings):
    """The reference: (C, H, W) padded, cropped, flipped, a square blackened, in that order."""
    height, width = image.shape[1:]
    padded = F.pad(image, (settings.crop_padding,) * 4)
    crop = padded[:, top : top + height, left : left + width].clone()
    if flip:
        crop = crop.flip(2)
    if settings.cutout:
        rows = slice(max(hole_top, 0), max(hole_top + settings.cutout, 0))
        columns = slice(max(hole_left, 0), max(hole_left + settings.cutout, 0))
        crop[:, rows, columns] = 0
    return crop


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (torch.uint8, {"crop_padding": 4}),
        (torch.uint8, {"flip": True}),
        (torch.float32, {"cutout": 5}),
        (torch.float32, {"crop_padding": 4, "flip": True, "cutout": 6}),
        (torch.uint8, {"crop_padding": 20, "cutout": 40}),
    ],
)
def test_a_batch_equals_its_images_one_by_one(options, dtype):
    pixels = np.random.default_rng(0).integers(1, 256, (30, 3, 9, 12), dtype=np.uint8)
    images = torch.from_numpy(pixels).to(dtype)
    index = torch.randperm(30, generator=torch.Generator().manual_seed(0))[:25]
    settings = config(**options)
    draws = draw(25, (9, 12), settings, seed=1)
    ours = gather(images, index, draws, settings)
    for i in range(25):
        expected = one_image(images[index[i]], *draws[:, i].tolist(), settings)
        assert torch.equal(ours[i], expected), i
    assert ours.dtype == dtype and ours.shape == (25, 3, 9, 12)


def test_the_draws_cover_their_range_evenly():
    draws = draw(18_000, (32, 24), config(crop_padding=4, flip=True, cutout=8), seed=0)
    ranges = ((0, 8), (0, 8), (0, 1), (-4, 27), (-4, 19))  # top, left, flip, corner of the square
    for row, (low, high) in zip(draws, ranges, strict=True):
        counts = (row - low).bincount()
        assert row.min() == low and row.max() == high
        expected = 18_000 / (high - low + 1)
        assert (counts - expected).abs().max() < 5 * expected**0.5
    assert draws.double().corrcoef().triu(1).abs().max() < 0.04
    assert draw(50, (32, 24), config(crop_padding=4), seed=0)[2].max() == 0


def batches_of(data, settings, epoch):
    batches = Batches(data, settings, torch.device("cpu"), torch.float32, Processes())
    batches.start_epoch(epoch)
    return batches


def test_an_epoch_follows_from_seed_and_number_and_nothing_else():
    data = digits(40)

    def first_batch(seed, epoch, rows=slice(0, 32)):
        settings = config(seed=seed, crop_padding=4, flip=True, cutout=3)
        return batches_of(data, settings, epoch).load(rows)[0]

    torch.manual_seed(1)
    first = first_batch(0, 1)
    torch.manual_seed(2)
    assert torch.equal(first, first_batch(0, 1))
    assert not any(torch.equal(first, first_batch(*other)) for other in [(1, 1), (0, 2)])
    assert len(set(epoch_seeds(0, 1))) == 3
    assert torch.equal(first_batch(0, 1, slice(5, 9)), first[5:9])


def test_the_network_sees_augmented_images_in_training_only():
    data, spy = digits(40), Spy()
    settings = config(crop_padding=2, flip=True, cutout=3, batch_size=30, seed=1)
    fit(nn.Sequential(spy, small_net()), data, data, settings)
    shown = spy.training_batches()
    for epoch in (1, 2):
        expected = batches_of(data, settings, epoch).load(slice(0, 40))[0]
        assert torch.equal(torch.cat(shown[2 * epoch - 2 : 2 * epoch]), expected)
    plain = data.images.float() / 255
    assert all(torch.equal(images, plain[: len(images)]) for mode, images in spy.seen if not mode)
