"""Class activation maps against their definition, Grad-CAM against the `grad-cam` package."""

import pytest
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from dlvlib.models import build
from dlvlib.visualize import class_activation_map, grad_cam


@pytest.fixture(params=["resnet20", "efficientnet_lite0"])
def model(request):
    torch.manual_seed(0)
    return build(request.param, num_classes=10)


def test_the_mean_of_a_class_activation_map_is_the_logit_without_its_bias(model):
    images, targets = torch.randn(2, 3, 64, 96), torch.tensor([3, 7])
    found = class_activation_map(model, images, targets)
    assert model.training
    assert found.shape == (2, *model.eval().features(images).shape[2:])
    with torch.no_grad():
        logits = model(images).gather(1, targets[:, None])[:, 0]
    expected = logits - model.head[-1].bias[targets]
    torch.testing.assert_close(found.mean(dim=(1, 2)), expected)


def test_grad_cam_of_the_last_maps_is_the_positive_part_of_the_class_activation_map(model):
    images, targets = torch.randn(2, 3, 64, 96), torch.tensor([3, 7])
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():  # neither may matter
        found = grad_cam(model, images, targets, layer="features")
    maps = class_activation_map(model, images, targets)
    assert found.max() > 0
    torch.testing.assert_close(found, maps.relu() / maps[0].numel(), atol=1e-6, rtol=1e-4)


def scale(maps):
    """Each map to [0, 1], as the package does before and after it enlarges them."""
    maps = maps - maps.amin((1, 2), keepdim=True)
    return maps / (1e-7 + maps.amax((1, 2), keepdim=True))


@pytest.mark.parametrize(
    ("name", "layer"), [("alexnet_small", "features.4"), ("resnet20", "features.2.1.relu")]
)
def test_grad_cam_is_that_of_the_package(name, layer):
    torch.manual_seed(0)
    model = build(name).eval()
    images, targets = torch.randn(3, 3, 32, 32), torch.tensor([0, 4, 9])
    found = grad_cam(model, images, targets, layer=layer)
    with GradCAM(model, [model.get_submodule(layer)]) as package:
        theirs = package(images, [ClassifierOutputTarget(t) for t in targets.tolist()])
    assert found.shape[1] < 32 and (found == 0).any() and (found > 0).any()
    ours = scale(F.interpolate(scale(found)[None], 32, mode="bilinear")[0])
    torch.testing.assert_close(ours, torch.from_numpy(theirs), atol=1e-5, rtol=0)


def test_grad_cam_refuses_a_layer_that_runs_twice():
    model = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model.insert(1, model[0])
    with pytest.raises(
        ValueError, match=r"layer '0' must output .* maps once, got \[\(1, 1, 3, 3"
    ):
        grad_cam(model, torch.rand(1, 1, 3, 3), torch.tensor([0]), layer="0")
