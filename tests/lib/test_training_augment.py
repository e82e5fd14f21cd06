"""Crop, flip and cutout as one gather, against the same done image by image."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_helpers import config, digits, one_thread, same, small_net, weights  # noqa: F401

from dlvlib.training import epoch_seeds, fit
from dlvlib.training.augment import draw, gather_batch
from dlvlib.training.schedules import step_generator

ALL = slice(None)
CPU = torch.device("cpu")


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


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(
    "options",
    [
        {"crop_padding": 4},
        {"flip": True},
        {"cutout": 5},
        {"cutout": 4},
        {"crop_padding": 4, "flip": True, "cutout": 6},
        {"crop_padding": 20, "cutout": 40},
    ],
)
def test_a_batch_equals_its_images_one_by_one(options, dtype):
    images = torch.from_numpy(
        np.random.default_rng(0).integers(1, 256, (30, 3, 9, 12), dtype=np.uint8)
    ).to(dtype)
    index = torch.randperm(30, generator=torch.Generator().manual_seed(0))[:25]
    settings = config(**options)
    draws = draw(25, (9, 12), settings, epoch=1, step=0)
    ours = gather_batch(images, index, draws, settings)
    for i in range(25):
        fields = (draws.top, draws.left, draws.flip, draws.hole_top, draws.hole_left)
        chances = [int(field[i]) for field in fields]
        assert torch.equal(ours[i], one_image(images[index[i]], *chances, settings)), i
    assert ours.dtype == dtype and ours.shape == (25, 3, 9, 12)


def test_the_chances_cover_their_range_evenly():
    settings = config(crop_padding=4, flip=True, cutout=8)
    draws = draw(18_000, (32, 24), settings, epoch=1, step=0)
    for field, low, high in (
        (draws.top, 0, 8),
        (draws.left, 0, 8),
        (draws.flip, 0, 1),
        (draws.hole_top, -4, 27),
        (draws.hole_left, -4, 19),
    ):
        counts = (field - low).bincount()
        assert field.min() == low and field.max() == high
        expected = 18_000 / (high - low + 1)
        assert (counts - expected).abs().max() < 5 * expected**0.5
    together = torch.stack([draws.top, draws.left]).double()
    assert abs(torch.corrcoef(together)[0, 1]) < 0.04


def test_the_chances_follow_seed_epoch_and_step_and_nothing_else():
    def tops(seed, epoch, step):
        return draw(50, (8, 8), config(seed=seed, crop_padding=4), epoch=epoch, step=step).top

    torch.manual_seed(1)
    first = tops(0, 1, 2)
    torch.manual_seed(2)
    assert torch.equal(first, tops(0, 1, 2))
    others = [tops(1, 1, 2), tops(0, 2, 2), tops(0, 1, 3), tops(0, 2, 1)]
    assert not any(torch.equal(first, other) for other in others)
    assert step_generator(0, 1, 2).initial_seed() != step_generator(0, 2, 1).initial_seed()


def test_a_part_of_a_batch_has_its_own_draws():
    settings = config(crop_padding=4, flip=True, cutout=3)
    images, index = digits(30).images, torch.arange(20)
    draws = draw(20, (8, 8), settings, epoch=1, step=0)
    whole = gather_batch(images, index, draws.part(ALL, CPU), settings)
    part = gather_batch(images, index[5:9], draws.part(slice(5, 9), CPU), settings)
    assert torch.equal(part, whole[5:9])


def test_a_recipe_without_augmentation_draws_nothing():
    assert draw(5, (8, 8), config(), epoch=1, step=0) is None


def test_fit_shows_the_network_augmented_images_in_training_only():
    seen = {True: [], False: []}

    class Spy(nn.Module):
        def forward(self, images):
            seen[self.training].append(images.clone())
            return images

    data = digits(40)
    settings = config(crop_padding=2, flip=True, cutout=3, batch_size=40, seed=1)
    fit(nn.Sequential(Spy(), small_net()), data, data, settings)
    plain = data.images.float() / 255
    assert len(seen[True]) == 2
    for epoch, shown in enumerate(seen[True], 1):
        generator = torch.Generator().manual_seed(epoch_seeds(1, epoch)[0])
        order = torch.randperm(40, generator=generator)
        draws = draw(40, (8, 8), settings, epoch=epoch, step=0)
        assert torch.equal(shown, gather_batch(plain, order, draws, settings))
    assert all(torch.equal(images, plain[: len(images)]) for images in seen[False])


def test_augmentation_does_not_disturb_the_dropout_masks():
    data = digits(40)
    data.images[:] = 0  # black images stay black, however they are cropped
    first, second = small_net(dropout=0.5), small_net(dropout=0.5)
    fit(first, data, None, config(lr=0.1))
    fit(second, data, None, config(lr=0.1, crop_padding=4, flip=True, cutout=2))
    assert same(weights(first), weights(second))
