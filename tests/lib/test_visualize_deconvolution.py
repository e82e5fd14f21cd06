import pytest
import torch
from torch import nn

from dlvlib.models import build
from dlvlib.visualize import deconvolve


class Signal(torch.autograd.Function):
    """A layer through which a gradient goes back as the signal of a deconvolution does."""

    @staticmethod
    def forward(context, maps, layer):
        context.rectifies = isinstance(layer, nn.ReLU)
        return layer(maps)

    @staticmethod
    def backward(context, signal):
        return signal.relu() if context.rectifies else signal, None


@pytest.mark.parametrize("size", [(33, 40), (34, 39)])  # a stride leaves none, one or more pixels
@pytest.mark.parametrize("position", [None, (2, 1)])
def test_it_is_the_activation_times_a_gradient_that_is_rectified_on_its_way(size, position):
    layers = [
        nn.Conv2d(2, 6, 3, stride=2, padding=1, groups=2),
        *(nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Dropout()),
        nn.Conv2d(6, 4, (3, 2), stride=(1, 3), padding=(0, 1), dilation=(2, 1)),
        *(nn.Tanh(), nn.LocalResponseNorm(3), nn.Conv2d(4, 4, 2), nn.Conv2d(4, 3, 2)),
    ]
    features = nn.Sequential(*layers[:5], nn.Sequential(*layers[5:])).double()
    features[1].weight.data.uniform_(-2, 2)
    batch = torch.rand(2, 2, *size, dtype=torch.double, requires_grad=True)
    features(batch)  # gives the normalisation its statistics
    features.eval()
    maps = batch
    for layer in layers:
        differs = isinstance(layer, nn.ReLU | nn.Tanh | nn.LocalResponseNorm)
        maps = Signal.apply(maps, layer) if differs else layer(maps)
    activation = maps[:, 1, *position] if position else maps[:, 1].amax((1, 2))
    (gradient,) = torch.autograd.grad(activation.sum(), batch)
    features.train()
    found = deconvolve(features, batch, layer="5.4", unit=1, position=position)
    assert gradient.abs().max() > 0.001
    expected = gradient * activation.detach().view(-1, 1, 1, 1)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-9)
    assert features.training and features[1].num_batches_tracked == 1


def test_a_block_is_its_last_layer_and_a_layer_may_occur_twice():
    relu = nn.ReLU()
    block = nn.Sequential(nn.Conv2d(3, 3, 3), relu)
    features = nn.Sequential(nn.Conv2d(1, 3, 3), relu, block)
    batch = torch.rand(2, 1, 9, 9)
    whole = deconvolve(features, batch, layer="2", unit=0)
    assert torch.equal(whole, deconvolve(features, batch, layer="2.1", unit=0))
    with torch.no_grad():
        features[2][0].bias.fill_(-100)  # the ReLU after it gives 0 everywhere
    assert not deconvolve(features, batch, layer="2", unit=0).any()
    assert deconvolve(features, batch, layer="2.0", unit=0).any()


@pytest.mark.parametrize(
    ("name", "layer"),
    [("lenet5", "5"), ("alexnet_small", "7"), ("alexnet_2012", "9"), ("vgg_small", "17")],
)
def test_the_course_s_networks_can_be_undone(name, layer):
    features = build(name).features
    channels = next(features.parameters()).shape[1]
    batch = torch.rand(2, channels, 64, 64)
    features(batch)  # gives the normalisation its statistics
    back = deconvolve(features, batch, layer=layer, unit=0)
    assert back.shape == batch.shape and back.isfinite().all() and back.any()
