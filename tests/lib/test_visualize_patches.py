import pytest
import torch
from torch import nn

from dlvlib.models.lenet import LeNet5
from dlvlib.visualize import top_patches


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
    away, found = top_patches(features[:1], batch, (0, 1), count=3, batch_size=5)
    assert found.indices.tolist() == [5, 2, 9]
    assert found.positions.tolist() == [[4, 7], [2, 3], [0, 0]]
    assert found.corners.tolist() == [[3, 6], [1, 2], [-1, -1]]
    assert found.values.tolist() == pytest.approx([5, 4, 3 * 0.7])
    assert torch.equal(found.patches[0, 0], cross)
    assert torch.equal(found.patches[1, 0], 0.8 * cross)
    outside = 0.7 * cross
    outside[0], outside[:, 0] = 0, 0  # what the image does not have is zero
    assert torch.equal(found.patches[2, 0], outside)
    (alone,) = top_patches(features[:1], batch, [0], count=3)  # the unit that prefers no cross
    assert torch.equal(alone.patches, away.patches) and alone.values[0] < 3

    wide = nn.Conv2d(1, 1, 40, padding=20, bias=False)  # sees beyond every side
    wide.weight.data.zero_()[0, 0, 20, 20] = 1
    ((patch, *_),) = (one.patches for one in top_patches(wide, batch, [0], count=1))
    brightest = divmod(batch[:, 0].amax(dim=0).argmax().item(), 12)
    assert patch.shape == (1, 40, 40) and patch[0, 20, 20] == batch[:, 0][:, *brightest].max()
    assert patch.sum().item() == pytest.approx(batch[5].sum().item(), 1e-5)


def test_places_at_the_border_are_left_out():
    features, cross = cross_detector()
    batch = torch.zeros(2, 1, 10, 12)
    for image, *places in ((0, (3, 8, 0.5), (7, 9, 1)), (1, (6, 3, 0.4), (7, 9, 1))):
        for row, column, light in places:
            batch[image, 0, row - 1 : row + 2, column - 1 : column + 2] = light * cross
    for margin, positions in ((0, [[7, 9], [7, 9]]), (3, [[3, 8], [6, 3]])):
        (found,) = top_patches(features[:1], batch, [1], count=2, margin=margin)
        assert found.positions.tolist() == positions


def test_top_patches_of_a_deeper_layer():
    features, cross = cross_detector()
    batch = planted(cross)
    (found,) = top_patches(features, batch, [1], count=2)
    assert found.positions.tolist() == [[2, 3], [1, 1]]
    expected = [batch[5, 0, 3:7, 5:9], batch[2, 0, 1:5, 1:5]]
    assert torch.equal(found.patches[:, 0], torch.stack(expected))


def test_top_patches_leaves_the_model_as_it_was():
    model = LeNet5().features
    model.insert(0, nn.Dropout(0.9))
    batch = torch.rand(12, 1, 32, 32)
    (found,), (again,) = (top_patches(model[:4], batch, [0]) for _ in range(2))
    assert torch.equal(found.values, again.values)  # no dropout
    assert found.values.tolist() == sorted(found.values.tolist(), reverse=True)
    assert len(found.values) == 9 and model.training
