import dataclasses
import math

import numpy as np
import pytest
import torch
from data_helpers import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import functional as TF

from dlvlib import _image_files, data
from dlvlib.data import ImageSet, load, split


def image_set(targets, num_classes, size=2):
    targets = torch.tensor(targets, dtype=torch.int64)
    images = torch.arange(len(targets)).remainder(256).to(torch.uint8)  # an image names itself
    images = images[:, None, None, None].expand(-1, 1, size, size)
    return ImageSet(images, targets, tuple("abcdefghij"[:num_classes]), "letters")


# ImageSet


def test_a_subset_keeps_the_order_and_the_class_names():
    letters = image_set([0, 1, 2], num_classes=4)
    assert (len(letters), letters.num_classes) == (3, 4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        letters.name = "digits"
    for indices in ([2, 0], (2, 0), torch.tensor([2, 0]), np.array([2, 0]), range(2, 0, -2)):
        part, expected = letters.subset(indices), list(indices)
        assert part.targets.tolist() == part.images[:, 0, 0, 0].tolist() == expected
        assert (part.class_names, part.name) == (letters.class_names, "letters")
    assert letters.subset([]).images.shape == (0, 1, 2, 2)
    assert letters.subset(torch.tensor([True, False, True])).targets.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(3, 1, 2, 2)}, "images .* uint8, got Tensor (3, 1, 2, 2) torch."),
        ({"images": np.zeros((3, 1, 2, 2), np.uint8)}, "uint8, got ndarray (3, 1, 2, 2) uint8"),
        ({"images": torch.zeros(3, 2, 2).byte()}, "(N, C, H, W) uint8, got Tensor (3, 2, 2)"),
        ({"targets": torch.zeros(2).long()}, "targets must be (3,) int64, got Tensor (2,)"),
        ({"targets": torch.zeros(3)}, "targets must be (3,) int64, got Tensor (3,) torch."),
        ({"targets": torch.tensor([0, 1, 4])}, "targets must be in [0, 4), got 0 to 4"),
        ({"targets": torch.tensor([0, 1, -1])}, "targets must be in [0, 4), got -1 to 1"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change, message):
    with refused(ValueError, *message.split(" .* ")):
        dataclasses.replace(image_set([0, 1, 2], num_classes=4), **change)


def test_the_checksum_sees_pixels_order_targets_and_class_names():
    letters = image_set([0, 1, 2], num_classes=4)
    pixels = letters.images.clone()
    pixels[1, 0, 1, 1] += 1
    others = [
        dataclasses.replace(letters, images=pixels),
        dataclasses.replace(letters, images=letters.images.reshape(3, 4, 1, 1)),
        dataclasses.replace(letters, targets=torch.tensor([0, 1, 3])),
        dataclasses.replace(letters, class_names=("a", "b", "c", "x")),
        letters.subset([1, 0, 2]),
    ]
    assert len({letters.checksum, *(other.checksum for other in others)}) == 6
    assert letters.subset([0, 1, 2]).checksum == letters.checksum  # whatever the memory layout
    assert letters.subset(slice(None, None, 2)).checksum == letters.subset([0, 2]).checksum
    as_numpy = dataclasses.replace(letters, class_names=tuple(np.array(letters.class_names)))
    assert as_numpy.checksum == letters.checksum
    assert dataclasses.replace(letters, name="else").checksum == letters.checksum


# digits


SPLITS = {  # seed: checksum of a tenth of the training images; records and pages depend on it
    0: "2ce76c9d7408cfba56773b17c6d933a3207df52fc1c04de52b7f6c6ec7756600",
    7: "5f4abf73f26eaed68ef0e5f281ab743bd49921c734a687adcee0b1fa75c4d081",
}


def test_digits_and_their_splits_are_the_same_everywhere():
    train, test = load("digits")
    assert (len(train), len(test)) == (1437, 360)
    assert train.checksum == "5bd9284671e656beb358cc2bbd00b414f15fabca2e7260aa3f87bbd564d106b4"
    assert test.checksum == "38bc27b5d14ba0c4d24c22f948b295a100683c4ef5d18944b8849c6fc98ca9be"
    state = torch.get_rng_state()
    for seed, checksum in SPLITS.items():
        for kind in (int, np.int64, np.uint32):
            assert split(train, seed=kind(seed))[1].checksum == checksum
    assert torch.equal(torch.get_rng_state(), state)
    large, large_test = load("digits", image_size=np.int64(32))
    assert data.describe(large, large_test) == {
        "name": "digits",
        "checksum": "249cd746b77bc168e13c7861c3ac2366eed21d6cf822fe0d0c576687857255a3",
        "test_checksum": large_test.checksum,
        "num_train": 1437,
        "num_test": 360,
        "image_size": 32,
    }


def test_resizing_agrees_with_torchvision(monkeypatch):
    monkeypatch.setattr(_image_files, "_RESIZE_CHUNK", 100)  # so that 360 images are four chunks
    _, native = load("digits")
    _, test = load("digits", image_size=5)
    exact = TF.resize(native.images.float(), [5, 5], antialias=True)
    assert test.images.shape == (360, 1, 5, 5)
    assert torch.equal(test.images, exact.round().to(torch.uint8))
    assert torch.equal(test.targets, native.targets)
    assert load("digits", image_size=8)[1].checksum == native.checksum


def test_an_unknown_name_lists_what_exists():
    names = "digits, mnist, fashion_mnist, cifar10"
    for name in ("imagenet", "MNIST", "no/such/folder", "~nobody-here/pets"):
        with refused(ValueError, f"must be one of {names}, or an existing folder", repr(name)):
            load(name)


# split

FRACTIONS = st.sampled_from([0.07, 0.1, 0.2, 0.29, 1 / 3, 0.5, 0.9])


@given(
    counts=st.lists(st.integers(15, 50), min_size=1, max_size=5),
    fraction=FRACTIONS,
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_a_split_is_stratified_disjoint_complete_and_repeatable(counts, fraction, seed):
    targets = [label for label, count in enumerate(counts) for _ in range(count)]
    np.random.default_rng(0).shuffle(targets)
    whole = image_set(targets, len(counts) + 1)  # one class has no image, as in a subset
    train, val = split(whole, fraction=fraction, seed=seed)
    ids = [part.images[:, 0, 0, 0].tolist() for part in (train, val)]
    assert sorted(ids[0] + ids[1]) == list(range(len(whole)))
    assert ids == [sorted(ids[0]), sorted(ids[1])]
    assert train.targets.tolist() + val.targets.tolist() == [targets[i] for i in ids[0] + ids[1]]
    assert len(val) == math.ceil(round(fraction * len(whole), 6))
    for label, count in enumerate(counts):
        assert abs((val.targets == label).sum().item() - fraction * count) < 1 + 1e-9
    assert split(whole, fraction=fraction, seed=seed)[1].checksum == val.checksum


@pytest.mark.parametrize(
    ("argument", "values", "rule"),
    [
        ("fraction", [0, 1, 1.5, -0.1, math.nan, True, "0.1"], "lie between 0 and 1, both excl"),
        ("seed", [-1, 2**32, 0.5, True], "be an integer in [0, 4294967295]"),
        ("image_size", [0, -1, 32.0, "32", (32, 32), True], "be an integer >= 1"),
    ],
)
def test_bad_arguments_are_refused(argument, values, rule):
    letters = image_set([0] * 9, 1)
    for value in values:
        with refused(ValueError, f"{argument} must {rule}", f"got {value!r}"):
            if argument == "image_size":
                load("digits", image_size=value)
            split(letters, **{argument: value})


def test_a_class_too_small_to_split_is_named():
    rule = "both parts must hold every class"
    for fraction, sent in ((0.1, 0), (0.9, 3)):
        with refused(ValueError, rule, fraction, f"{sent} of the 3 of class 'b'", "add images"):
            split(image_set([0] * 27 + [1] * 3, 2), fraction=fraction)
