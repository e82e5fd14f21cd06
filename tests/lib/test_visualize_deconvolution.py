import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlvlib.models import build
from dlvlib.profile import receptive_field
from dlvlib.visualize import deconvolve, unpool


def images(*shape):
    return torch.rand(*shape, dtype=torch.double)


@pytest.mark.parametrize("size", [(33, 40), (34, 39)])  # a stride leaves none, one or more pixels
def test_without_nonlinearities_it_is_the_gradient_times_the_activation(size):
    features = nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=2, padding=1, groups=2),
        *(nn.BatchNorm2d(6), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Dropout()),
        nn.Sequential(nn.Conv2d(6, 4, (3, 2), stride=(1, 3), dilation=(2, 1)), nn.Conv2d(4, 3, 2)),
    ).double()
    features[1].weight.data.uniform_(-2, 2)
    features(images(8, 2, *size))  # gives the normalisation its statistics
    batch = images(2, 2, *size).requires_grad_()
    activation = features.eval()(batch)[:, 1, 2, 1]
    (gradient,) = torch.autograd.grad(activation.sum(), batch)
    features.train()
    found = deconvolve(features, batch, layer="4.1", unit=1, position=(2, 1))
    assert gradient.abs().max() > 0.001
    torch.testing.assert_close(found, gradient * activation.detach().view(-1, 1, 1, 1))
    assert features.training and features[1].num_batches_tracked == 1


def test_relu_rectifies_the_signal_whatever_the_map_was():
    features = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, 1, 1, bias=False)
    )
    features[0].weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    pixel = torch.full((1, 1, 1, 1), 2.0)  # maps 2 and -2, then 2 and 0
    features[2].weight.data = torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    # -2 goes back to (2, -2), rectified (2, 0), then 2; without ReLU it would be 4
    assert deconvolve(features, pixel, layer="2", unit=0).item() == 2
    features[2].weight.data = torch.tensor([1.0, 1.0]).view(1, 2, 1, 1)
    # 2 goes back to (2, 2), then 0; the gradient is blocked where the map was not positive: 2
    assert deconvolve(features, pixel, layer="2", unit=0).item() == 0


def test_the_signal_of_both_signs_passes_tanh():
    features = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Tanh())
    features[0].weight.data.fill_(-1.0)
    back = deconvolve(features, torch.full((1, 1, 1, 1), 2.0), layer="1", unit=0)
    assert back.item() == pytest.approx(torch.tanh(torch.tensor(2.0)).item())


def test_unpool_adds_where_windows_share_a_maximum():
    maps = torch.zeros(1, 1, 3, 3)
    maps[0, 0, 1, 1] = 1
    _, switches = F.max_pool2d(maps, 2, stride=1, return_indices=True)
    signal = torch.tensor([[[[1.0, 2], [3, 4]]]])
    assert torch.equal(unpool(signal, switches, (3, 3)), 10 * maps)


def test_by_default_it_starts_at_the_strongest_activation_of_each_image():
    features = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU())
    features[0].weight.data.fill_(2)
    batch = torch.zeros(2, 1, 3, 4)
    batch[0, 0, 1, 3], batch[1, 0, 2, 0], batch[1, 0, 0, 1] = 1, 5, 4
    found = deconvolve(features, batch, layer="1", unit=0)
    assert found.nonzero().tolist() == [[0, 0, 1, 3], [1, 0, 2, 0]]
    assert (found[0, 0, 1, 3], found[1, 0, 2, 0]) == (4, 20)  # value times weight


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
def test_the_course_s_networks_are_undone_inside_the_receptive_field(name, layer):
    features = build(name).features
    channels, size = next(features.parameters()).shape[1], 32 if name == "lenet5" else 64
    batch = torch.rand(2, channels, size, size)
    features(batch)
    with torch.no_grad():
        maps = features.eval()[: int(layer) + 1](batch)[0]
    unit, row, column = (index.item() for index in torch.unravel_index(maps.argmax(), maps.shape))
    back = deconvolve(features, batch, layer=layer, unit=unit)
    assert back.shape == batch.shape and back.isfinite().all()
    for axis, index, across in (("height", row, (0, 2)), ("width", column, (0, 1))):
        fields = receptive_field.of(features, (channels, size, size), axis=axis)
        (field,) = (field for field in fields if field.layer == layer)
        touched = back[0].abs().sum(dim=across).nonzero().flatten().tolist()
        assert touched and set(touched) <= set(field.pixels(index, size))
