from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dlvlib.models.lenet import LeNet5
from dlvlib.profile import receptive_field
from dlvlib.visualize import top_patches

FIELD = SimpleNamespace(size=6, stride=2, start=0)


def cross_detector():
    """Its unit 1 looks for a bright cross of 3x3 pixels, and a pooling follows."""
    features = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.ReLU(inplace=True), nn.MaxPool2d(2)
    )
    cross = torch.tensor([[-1.0, 1, -1], [1, 1, 1], [-1, 1, -1]])
    features[0].weight.data = torch.stack([-cross, cross])[:, None]
    return features, (cross > 0).float()


def planted(cross):
    """Noise with a cross in images 5, 2 and 9, ever fainter; the last touches the corner."""
    batch = 0.1 * torch.rand(12, 1, 10, 12)
    for image, row, column, light in ((5, 4, 7, 1.0), (2, 2, 3, 0.8)):
        batch[image, 0, row - 1 : row + 2, column - 1 : column + 2] = light * cross
    batch[9, 0, :2, :2] = 0.7 * cross[1:, 1:]  # its middle is the first pixel
    return batch


def test_top_patches_finds_what_was_planted():
    features, cross = cross_detector()
    batch = planted(cross)
    field = SimpleNamespace(size=3, stride=1, start=-1)
    found = top_patches(features, batch, field, layer="0", unit=1, count=3, batch_size=5)
    assert found.indices.tolist() == [5, 2, 9]
    assert found.positions.tolist() == [[4, 7], [2, 3], [0, 0]]
    assert found.values.tolist() == pytest.approx([5, 4, 3 * 0.7])
    assert torch.equal(found.patches[0, 0], cross)
    assert torch.equal(found.patches[1, 0], 0.8 * cross)
    outside = 0.7 * cross
    outside[0], outside[:, 0] = 0, 0  # what the image does not have is zero
    assert torch.equal(found.patches[2, 0], outside)

    wide = SimpleNamespace(size=40, stride=1, start=-20)  # beyond every side
    found = top_patches(features, batch, wide, layer="0", unit=1, count=1).patches[0]
    assert found.shape == (1, 40, 40)
    assert torch.equal(found[:, 16:26, 13:25], batch[5])
    assert found.sum().item() == pytest.approx(batch[5].sum().item(), 1e-5)


def test_top_patches_of_a_deeper_layer_with_its_receptive_field():
    features, cross = cross_detector()
    batch = planted(cross)
    field = receptive_field.of(features, (1, 10, 12))[2]
    found = top_patches(features, batch, field, layer="2", unit=1, count=2)
    assert found.positions.tolist() == [[2, 3], [1, 1]]
    expected = [batch[5, 0, 3:7, 5:9], batch[2, 0, 1:5, 1:5]]
    assert torch.equal(found.patches[:, 0], torch.stack(expected))


def test_top_patches_leaves_the_model_as_it_was():
    model = LeNet5()
    model.features.insert(0, nn.Dropout(0.9))
    batch = torch.rand(3, 1, 32, 32)
    found = top_patches(model, batch, FIELD, layer="features.3", unit=0, count=3)
    again = top_patches(model, batch, FIELD, layer="features.3", unit=0, count=3)
    assert torch.equal(found.values, again.values)  # no dropout
    assert found.values.tolist() == sorted(found.values.tolist(), reverse=True)
    many = torch.rand(12, 1, 32, 32)
    assert len(top_patches(model, many, FIELD, layer="features.3", unit=0).values) == 9
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_a_layer_that_runs_twice_has_no_single_map():
    model = nn.Sequential(nn.Conv2d(1, 1, 3))
    model.append(model[0])
    with pytest.raises(ValueError, match="'0' must run once for each image, got 4 runs"):
        top_patches(model, torch.rand(2, 1, 8, 8), FIELD, layer="0", unit=0, count=1)
