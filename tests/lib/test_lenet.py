import pytest
import torch

from dlvlib.models.lenet import LeNet5

SHAPES = [
    *[(6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 10, 10), (16, 5, 5)],
    *[(400,), (120,), (120,), (84,), (84,), (10,)],
]
PARAMS = {
    "features.0": 156,
    "features.3": 2_416,
    "head.1": 48_120,
    "head.3": 10_164,
    "head.5": 850,
}


def test_every_layer_has_the_shape_and_the_parameters_of_the_lecture():
    model = LeNet5()
    images, shapes = torch.zeros(2, 1, 32, 32), []
    for layer in [*model.features, *model.head]:
        images = layer(images)
        shapes.append(tuple(images.shape[1:]))
    assert shapes == SHAPES
    counts = {
        name: sum(p.numel() for p in layer.parameters())
        for name, layer in model.named_modules()
        if not list(layer.children()) and list(layer.parameters())
    }
    assert counts == PARAMS
    assert sum(counts.values()) == 61_706


@pytest.mark.parametrize("num_classes", [1, 7, 10])
def test_gradients_reach_every_parameter(num_classes):
    model = LeNet5(num_classes=num_classes)
    model(torch.rand(3, 1, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert model.train()(torch.rand(3, 1, 32, 32)).shape == (3, num_classes)


def test_it_exports():
    model = LeNet5().eval()
    images = torch.rand(2, 1, 32, 32)
    exported = torch.export.export(model, (images,))
    assert torch.equal(exported.module()(images), model(images))


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="at least 32x32 for lenet5, got 28x28"):
        LeNet5()(torch.zeros(1, 1, 28, 28))
    with pytest.raises(ValueError, match="must have 1 channel for lenet5, got 3"):
        LeNet5()(torch.zeros(1, 3, 32, 32))
