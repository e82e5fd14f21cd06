"""Class activation maps against their definition, Grad-CAM against the `grad-cam` package."""

import pytest
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from dlvlib.models import build
from dlvlib.visualize import class_activation_map, grad_cam


@pytest.mark.parametrize("name", ["resnet20", "efficientnet_lite0"])
def test_class_activation_maps_by_their_definition_and_as_grad_cam_of_the_last_maps(name):
    model = build(name, num_classes=10).requires_grad_(False)
    images, targets = torch.randn(2, 3, 64, 96), torch.tensor([3, 7])
    maps = class_activation_map(model, images, targets)
    with torch.no_grad():  # gradients are needed all the same
        positive = grad_cam(model, images, targets, layer="features")
    assert model.training
    assert maps.shape == (2, *model.eval().features(images).shape[2:])
    logits = model(images).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(maps.mean(dim=(1, 2)), logits - model.head[-1].bias[targets])
    assert positive.max() > 0
    torch.testing.assert_close(positive, maps.relu() / maps[0].numel(), atol=1e-6, rtol=1e-4)


def scale(maps):
    """Each map to [0, 1], as the package does before and after it enlarges them."""
    maps = maps - maps.amin((1, 2), keepdim=True)
    return maps / (1e-7 + maps.amax((1, 2), keepdim=True))


@pytest.mark.parametrize(
    ("name", "layer"), [("alexnet_small", "features.4"), ("resnet20", "features.2.1.relu")]
)
def test_grad_cam_is_that_of_the_package(name, layer):
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
    with pytest.raises(ValueError, match=r"must output .* maps once, got \[\(1, 1, 3, 3\), \("):
        grad_cam(model, torch.rand(1, 1, 3, 3), torch.tensor([0]), layer="0")
