import copy
from collections import OrderedDict

import numpy as np
import pytest
import torch
from models_helpers import Forward
from torch import nn

from dlvlib.models import build
from dlvlib.models.lenet import LeNet5
from dlvlib.visualize import (
    class_activation_map,
    deconvolve,
    grad_cam,
    occlusion_map,
    randomize,
    saliency,
    top_patches,
)

# All methods


def in_place(batch):
    """Normalise in place, as many networks of the web do."""
    return batch.sub_(0.5).div_(0.25)


HEAD = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
METHODS = {
    "class_activation_map": lambda model, batch: class_activation_map(
        nn.Sequential(OrderedDict(features=model[:2], head=HEAD)), batch, torch.tensor([0, 1])
    ),
    "grad_cam": lambda model, batch: grad_cam(model, batch, torch.tensor([0, 1]), layer="1"),
    "deconvolve": lambda model, batch: deconvolve(model, batch, layer="1", unit=0),
    "saliency": lambda model, batch: saliency(model, batch, torch.tensor([0, 1])),
    "occlusion_map": lambda model, batch: occlusion_map(model, batch[0], 1, patch=4, stride=8),
    "top_patches": lambda model, batch: top_patches(model[:2], batch, [0], count=2)[0].patches,
}


@pytest.mark.parametrize("method", METHODS)
def test_images_are_never_changed_and_pixels_may_be_uint8(method):
    first = nn.ReLU(inplace=True) if method == "deconvolve" else Forward(in_place)
    model = nn.Sequential(first, nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pixels = torch.randint(0, 256, (2, 1, 12, 12), dtype=torch.uint8)
    batch = pixels / 255 - (0.5 if method == "deconvolve" else 0)
    before = batch.clone()
    found = METHODS[method](model, batch)
    assert torch.equal(batch, before)
    assert torch.equal(METHODS[method](model, batch), found)
    expected = METHODS[method](model, pixels / 255)
    torch.testing.assert_close(METHODS[method](model, pixels), expected)


def test_integers_of_any_type_and_a_default_device_change_nothing():
    model, batch, targets = LeNet5(), torch.rand(2, 1, 32, 32), torch.tensor([3, 9])
    slopes = saliency(model, batch, targets)
    for dtype in (torch.uint8, torch.int32):
        assert torch.equal(saliency(model, batch, targets.to(dtype)), slopes)
    expected = [p.clone() for p in randomize(model, seed=3).parameters()]
    back = deconvolve(model.features, batch, layer="5", unit=2)
    with torch.device("meta"):  # stands for a GPU: what is created there has no values
        found = list(randomize(model, seed=3).parameters())
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        assert torch.equal(deconvolve(model.features, batch, layer="5", unit=2), back)


BATCH, TARGETS = torch.zeros(2, 1, 32, 32), torch.tensor([0, 1])
ONE_LAYER = {"images": torch.zeros(1, 1, 8, 8), "layer": "0"}
BAD_INPUT = {  # options of a right call; changes of them, and what the message must hold
    deconvolve: (
        {"features": LeNet5().features, "images": BATCH, "layer": "2", "unit": 0},
        [
            ({"layer": "6"}, "one of 0, 1, 2, 3, 4, 5, got '6'"),
            ({"layer": ""}, "one of 0, 1, 2, 3, 4, 5, got ''"),
            ({"unit": 6}, "unit must be an integer in [0, 5], got 6"),
            ({"position": (14, 0)}, "row must be an integer in [0, 13], got 14"),
            ({"position": (0, -1)}, "column must be an integer in [0, 13], got -1"),
            ({"features": LeNet5()}, "must be an nn.Sequential, got LeNet5"),
            *(
                ({"features": nn.Sequential(layer), **ONE_LAYER}, f"can be undone, got {layer}")
                for layer in (
                    nn.AvgPool2d(2),
                    nn.Conv2d(1, 1, 3, padding="same"),
                    nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"),
                    nn.BatchNorm2d(1, affine=False),
                    nn.BatchNorm2d(1, track_running_stats=False),
                )
            ),
        ],
    ),
    saliency: (
        {"model": LeNet5(), "images": BATCH, "targets": TARGETS},
        [
            ({"targets": torch.tensor([0, 10])}, "target must be an integer in [0, 9], got 10"),
            ({"targets": torch.tensor([1])}, "targets must be (2,), got (1,)"),
        ],
    ),
    occlusion_map: (
        {"model": LeNet5(), "image": BATCH[0], "target": 0, "patch": 4, "stride": 9},
        [
            ({"target": -1}, "target must be an integer in [0, 9], got -1"),
            ({"patch": 33}, "patch must be an integer in [1, 32], got 33"),
            ({"stride": 0}, "stride must be an integer >= 1, got 0"),
            ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
            ({"image": BATCH}, "(C, H, W), got (2, 1, 32, 32)"),
        ],
    ),
    class_activation_map: (
        {"model": build("resnet20", in_channels=1), "images": BATCH, "targets": TARGETS},
        [
            ({"targets": torch.tensor([0, 10])}, "target must be an integer in [0, 9], got 10"),
            ({"model": LeNet5()}, "pooling, flattening and one dense layer, got Flatten, Linear"),
            ({"model": nn.Linear(1, 1)}, "pooling, flattening and one dense layer, got NoneType"),
        ],
    ),
    grad_cam: (
        {"model": LeNet5(), "images": BATCH, "targets": TARGETS, "layer": "features"},
        [
            ({"layer": "stem"}, "layer must be one of features, features.0, "),
            ({"layer": "head.5"}, "must output (B, C', H', W') maps once, got [(2, 10)]"),
            ({"targets": torch.tensor([0, -1])}, "target must be an integer in [0, 9], got -1"),
        ],
    ),
    top_patches: (
        {"features": LeNet5().features[:3], "images": BATCH, "units": [0], "count": 1},
        [
            ({"features": LeNet5()}, "(B, C', H', W') maps, got (2, 10)"),
            ({"units": [0, 6]}, "unit must be an integer in [0, 5], got 6"),
            ({"margin": 7}, "margin must be an integer in [0, 6], got 7"),
            ({"count": 3}, "count must be an integer in [1, 2], got 3"),
            ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
        ],
    ),
}


@pytest.mark.parametrize("method", BAD_INPUT)
def test_bad_input_names_the_rule_and_the_value(method):
    options, changes = BAD_INPUT[method]
    method(**options)
    for change, message in changes:
        with pytest.raises(ValueError) as error:
            method(**{**options, **change})
        assert message in str(error.value)


# Saliency


def test_saliency_is_the_slope_of_the_logit():
    model = LeNet5().double()
    model.head.insert(1, nn.Dropout(0.5))  # must not act
    batch, targets = torch.rand(2, 1, 32, 32).double(), torch.tensor([3, 7])
    with torch.no_grad():  # must not matter
        found = saliency(model, batch, targets)
    assert model.training and all(p.grad is None for p in model.parameters())
    slopes = torch.autograd.functional.jacobian(model.eval(), batch)  # (2, 10, 2, 1, 32, 32)
    torch.testing.assert_close(found, slopes[[0, 1], targets, [0, 1]])


# Occlusion


COLOUR = torch.tensor([1.0, 2, 3]).view(3, 1, 1)


@pytest.mark.parametrize(
    ("options", "stride", "colour"),
    [
        ({"batch_size": 4}, 1, 0.5),
        ({"stride": 2, "fill": 2.0}, 2, 2.0),
        ({"stride": 3, "fill": COLOUR}, 3, COLOUR),
    ],
)
def test_occlusion_is_the_probability_of_each_covered_image(options, stride, colour):
    layers = [nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Dropout(0.9), nn.Linear(120, 5)]
    model, image = nn.Sequential(*layers), torch.rand(3, 7, 8)
    found = occlusion_map(model, image, 2, patch=3, **options)
    assert model.training
    expected = torch.empty(len(range(0, 5, stride)), len(range(0, 6, stride)))
    for row, column in np.ndindex(expected.shape):
        covered, top, left = image.clone(), stride * row, stride * column
        covered[:, top : top + 3, left : left + 3] = colour
        expected[row, column] = model.eval()(covered[None]).softmax(1)[0, 2]
    torch.testing.assert_close(found, expected)


# The control


def test_a_randomized_copy_keeps_scales_and_the_means_of_vectors_and_nothing_else():
    model = nn.Sequential(nn.Linear(100, 10_000), nn.BatchNorm1d(10_000), nn.Linear(1, 1))
    model[0].weight.data.normal_(3, 0.5)
    model[0].bias.data.normal_(2, 0.1)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    drawn, again, other = (randomize(model, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    torch.testing.assert_close(again.state_dict(), drawn.state_dict(), rtol=0, atol=0)
    weight, bias = drawn[0].weight, drawn[0].bias
    assert weight.requires_grad and not torch.equal(other[0].weight, weight)
    found = [x.item() for x in (weight.mean(), weight.std(), bias.mean(), bias.std())]
    assert found == pytest.approx([0, 0.5, 2, 0.1], rel=0.05, abs=0.005)
    both = torch.stack([weight.flatten(), model[0].weight.flatten()])
    assert abs(torch.corrcoef(both)[0, 1]) < 0.02
    assert torch.equal(drawn[1].running_var, torch.ones(10_000))
    assert torch.equal(drawn[2].bias, model[2].bias)  # a single number is its own mean


def test_a_randomized_copy_is_normalised_for_the_images_it_is_given():
    model, images = build("alexnet_small").eval(), torch.rand(8, 3, 32, 32)
    drawn = randomize(model, seed=1, images=images)
    assert not any(layer.training for layer in drawn.modules())
    conv, norm = drawn.features[0][:2]
    maps = conv(images)
    torch.testing.assert_close(norm.running_mean, maps.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(norm.running_var, maps.var(dim=(0, 2, 3)))
