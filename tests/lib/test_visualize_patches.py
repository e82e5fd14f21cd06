import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlvlib.visualize import top_patches


def without_bias(padding):
    """Layers that are 0 where the image is 0, so that padding is the same as black pixels."""
    torch.manual_seed(0)
    conv = [nn.Conv2d(1, 3, 3, stride=2, bias=False), nn.Conv2d(3, 3, (5, 5), bias=False)]
    layers = [conv[0], nn.ReLU(inplace=True), nn.MaxPool2d(2, 1), conv[1]]
    for layer, pad in zip((conv[0], layers[2], conv[1]), padding, strict=True):
        layer.padding = pad
    return nn.Sequential(*layers)


@pytest.mark.parametrize(("size", "margin"), [((19, 25), 0), ((19, 25), 2), ((5, 7), 0)])
def test_each_patch_alone_excites_its_unit_as_the_image_did(size, margin):
    features, batch = without_bias((1, 1, 2)), torch.rand(12, 1, *size)
    features.insert(0, nn.Dropout(0.9))  # must not act
    found = top_patches(features, batch, (2, 0), count=7, margin=margin, batch_size=5)
    assert features.training
    maps = features.eval()(batch)
    rows, columns = maps.shape[2:]
    black = F.pad(batch, [13] * 4)  # as wide as a patch
    for unit, top in zip((2, 0), found, strict=True):
        inner = maps[:, unit, margin : rows - margin, margin : columns - margin]
        best = inner.amax((1, 2)).sort(descending=True, stable=True)
        assert torch.equal(top.values, best.values[:7]) and len(top.patches) == 7
        assert torch.equal(top.indices, best.indices[:7])
        assert torch.equal(maps[top.indices, unit, *top.positions.T], top.values)
        alone = without_bias((0, 0, 0))(top.patches)
        assert alone.shape == (7, 3, 1, 1)
        torch.testing.assert_close(alone[:, unit, 0, 0], top.values)
        seen = [
            black[image, :, row + 13 : row + 26, column + 13 : column + 26]
            for image, (row, column) in zip(top.indices, top.corners, strict=True)
        ]
        assert torch.equal(top.patches, torch.stack(seen))
    (default,) = top_patches(features, batch, [0])
    assert len(default.values) == 9
    assert torch.equal(default.values[:7], found[1].values) == (margin == 0)
