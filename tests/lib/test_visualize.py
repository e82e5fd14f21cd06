import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlvlib.models import build
from dlvlib.models.lenet import LeNet5
from dlvlib.profile import receptive_field
from dlvlib.visualize import deconvolve, occlusion_map, randomize, saliency, top_patches, unpool

FIELD = SimpleNamespace(size=6, stride=2, start=0)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def images(*shape):
    return torch.rand(*shape, dtype=torch.double)


# Deconvolution


@pytest.mark.parametrize("size", [(17, 20), (18, 19)])  # a stride leaves none, one or more pixels
def test_without_nonlinearities_it_is_the_gradient_times_the_activation(size):
    features = nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=2, padding=1, groups=2),
        nn.Sequential(nn.Conv2d(6, 4, (3, 2), stride=(1, 3), dilation=(2, 1)), nn.Conv2d(4, 3, 2)),
    ).double()
    batch = images(2, 2, *size).requires_grad_()
    activation = features(batch)[:, 1, 2, 1]
    (gradient,) = torch.autograd.grad(activation.sum(), batch)
    found = deconvolve(features, batch, layer="1.1", unit=1, position=(2, 1))
    assert gradient.abs().max() > 0.001
    torch.testing.assert_close(found, gradient * activation.detach().view(-1, 1, 1, 1))


def test_batch_norm_and_overlapping_pooling_are_undone_as_by_the_gradient():
    features = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Dropout()
    ).double()
    features[1].weight.data.uniform_(-2, 2)
    for _ in range(3):
        features(images(8, 1, 9, 10))  # gives the normalisation its statistics
    batch = images(1, 1, 9, 10).requires_grad_()
    features.eval()
    activation = features(batch)[0, 2, 1, 4]  # this column exists with ceil_mode only
    (gradient,) = torch.autograd.grad(activation, batch)
    features.train()
    found = deconvolve(features, batch, layer="3", unit=2, position=(1, 4))
    torch.testing.assert_close(found, gradient * activation.item())
    assert features.training and features[1].num_batches_tracked == 3


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
    features = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.Tanh(), nn.Conv2d(2, 1, 1, bias=False)
    )
    features[0].weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    features[2].weight.data = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    pixel = torch.full((1, 1, 1, 1), 2.0)  # the last value is 2 tanh 2; back (1, -1), then 2
    back = deconvolve(features, pixel, layer="2", unit=0).item()
    assert back == pytest.approx(4 * torch.tanh(torch.tensor(2.0)).item())


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
    [
        *(("lenet5", "2"), ("lenet5", "5"), ("alexnet_small", "7"), ("alexnet_2012", "9")),
        *(("alexnet", "7"), ("vgg11", "12"), ("vgg_small", "17")),
    ],
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


# All methods


class InPlace(nn.Module):
    """Normalises its input in place, as many networks of the web do."""

    def forward(self, batch):
        return batch.sub_(0.5).div_(0.25)


METHODS = {
    "deconvolve": lambda model, batch: deconvolve(model, batch, layer="1", unit=0),
    "saliency": lambda model, batch: saliency(model, batch, torch.tensor([0, 1])),
    "occlusion_map": lambda model, batch: occlusion_map(model, batch[0], 1, patch=4, stride=8),
    "top_patches": lambda model, batch: (
        top_patches(model, batch, FIELD, layer="1", unit=0, count=2).patches
    ),
}


@pytest.mark.parametrize("method", METHODS)
def test_images_are_never_changed_and_pixels_may_be_uint8(method):
    first = nn.ReLU(inplace=True) if method == "deconvolve" else InPlace()
    model = nn.Sequential(first, nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pixels = torch.randint(0, 256, (2, 1, 12, 12), dtype=torch.uint8)
    batch = pixels / 255 - (0.5 if method == "deconvolve" else 0)
    before = batch.clone()
    found = METHODS[method](model, batch)
    assert torch.equal(batch, before)
    assert torch.equal(METHODS[method](model, batch), found)
    expected = METHODS[method](model, pixels / 255)
    torch.testing.assert_close(METHODS[method](model, pixels), expected)


def test_targets_may_be_of_any_integer_type():
    model, batch = LeNet5(), torch.rand(2, 1, 32, 32)
    expected = saliency(model, batch, torch.tensor([3, 9]))
    for dtype in (torch.uint8, torch.int32):
        found = saliency(model, batch, torch.tensor([3, 9], dtype=dtype))
        assert torch.equal(found, expected)


def test_a_default_device_changes_nothing():
    model, batch = LeNet5(), torch.rand(2, 1, 32, 32)
    expected = [p.clone() for p in randomize(model, seed=3).parameters()]
    back = deconvolve(model.features, batch, layer="5", unit=2)
    with torch.device("meta"):  # stands for a GPU: what is created there has no values
        found = list(randomize(model, seed=3).parameters())
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        assert torch.equal(deconvolve(model.features, batch, layer="5", unit=2), back)


# Saliency


def test_saliency_is_the_slope_of_the_logit():
    model = LeNet5().double()
    model.head.insert(1, nn.Dropout(0.5))  # must not act
    batch, targets = images(2, 1, 32, 32), torch.tensor([3, 7])
    found = saliency(model, batch, targets)
    assert found.shape == batch.shape
    assert model.training and all(p.grad is None for p in model.parameters())
    model.eval()
    step = 1e-6
    for image, row, column in ((0, 10, 12), (1, 20, 5), (1, 16, 16)):
        above, below = batch.clone(), batch.clone()
        above[image, 0, row, column] += step
        below[image, 0, row, column] -= step
        with torch.no_grad():
            rise = (model(above) - model(below))[image, targets[image]]
        assert found[image, 0, row, column].item() == pytest.approx(rise.item() / (2 * step), 1e-5)


def test_saliency_works_where_gradients_are_off():
    with torch.no_grad():
        assert saliency(LeNet5(), torch.rand(1, 1, 32, 32), torch.tensor([0])).abs().max() > 0


# Occlusion


class Corner(nn.Module):
    """Class 1 where the 4 pixels at the lower left are bright; dropout acts in training only."""

    def forward(self, batch):
        bright = batch[:, 0, -2:, :2].mean(dim=(1, 2))
        return F.dropout(torch.stack([-bright, bright], dim=1) * 5, 0.9, self.training)


@pytest.mark.parametrize("batch_size", [1, 7, 128])
def test_occlusion_shows_which_corner_matters(batch_size):
    image = torch.ones(1, 6, 8)
    found = occlusion_map(Corner(), image, 1, patch=2, fill=0.0, batch_size=batch_size)
    assert found.shape == (5, 7)
    clear, half, gone = torch.tensor([10.0, 5.0, 0.0]).sigmoid()
    assert found.argmin() == 4 * 7  # the lower left
    expected = torch.full((5, 7), clear)
    expected[4, 0], expected[4, 1], expected[3, 0] = gone, half, half
    expected[3, 1] = torch.tensor(7.5).sigmoid()
    torch.testing.assert_close(found, expected)


def test_occlusion_moves_by_its_stride_and_shows_its_colour():
    seen = []

    class Watch(nn.Module):
        def forward(self, batch):
            seen.extend(batch)
            return torch.zeros(len(batch), 4)

    found = occlusion_map(
        Watch(),
        torch.zeros(3, 7, 8),
        2,
        patch=3,
        stride=2,
        fill=torch.tensor([1.0, 2, 3]).view(3, 1, 1),
    )
    assert found.tolist() == [[0.25] * 3] * 3
    patches = [(copy_[1] == 2).nonzero() for copy_ in seen]
    corners = [(i, j) for i in (0, 2, 4) for j in (0, 2, 4)]
    assert [tuple(patch[0].tolist()) for patch in patches] == corners
    assert all(len(patch) == 9 for patch in patches)
    assert seen[0][:, 0, 0].tolist() == [1, 2, 3]
    occlusion_map(Watch(), torch.zeros(3, 4, 4), 2, patch=4)
    assert seen[-1].unique().tolist() == [0.5]


# Top patches


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


@pytest.mark.parametrize("batch_size", [5, 256])
def test_top_patches_finds_what_was_planted(batch_size):
    features, cross = cross_detector()
    batch = planted(cross)
    field = SimpleNamespace(size=3, stride=1, start=-1)
    found = top_patches(features, batch, field, layer="0", unit=1, count=3, batch_size=batch_size)
    assert found.indices.tolist() == [5, 2, 9]
    assert found.positions.tolist() == [[4, 7], [2, 3], [0, 0]]
    assert found.values.tolist() == pytest.approx([5, 4, 3 * 0.7])
    assert torch.equal(found.patches[0, 0], cross)
    assert torch.equal(found.patches[1, 0], 0.8 * cross)
    outside = 0.7 * cross
    outside[0], outside[:, 0] = 0, 0  # what the image does not have is zero
    assert torch.equal(found.patches[2, 0], outside)


def test_top_patches_of_a_deeper_layer_with_its_receptive_field():
    features, cross = cross_detector()
    batch = planted(cross)
    field = receptive_field.of(features, (1, 10, 12))[2]
    found = top_patches(features, batch, field, layer="2", unit=1, count=2)
    assert found.positions.tolist() == [[2, 3], [1, 1]]
    expected = [batch[5, 0, 3:7, 5:9], batch[2, 0, 1:5, 1:5]]
    assert torch.equal(found.patches[:, 0], torch.stack(expected))


def test_a_patch_may_reach_beyond_every_side():
    features, cross = cross_detector()
    batch = planted(cross)
    field = SimpleNamespace(size=40, stride=1, start=-20)
    found = top_patches(features, batch, field, layer="0", unit=1, count=1).patches[0]
    assert found.shape == (1, 40, 40)
    assert torch.equal(found[:, 16:26, 13:25], batch[5])
    assert found.sum().item() == pytest.approx(batch[5].sum().item(), 1e-5)


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


# The control


def test_a_randomized_copy_keeps_the_scale_and_leaves_the_original_alone():
    model = build("alexnet_small")
    before = copy.deepcopy(model.state_dict())
    drawn = randomize(model, seed=1)
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    weights, others = model.features[2][0].weight, drawn.features[2][0].weight
    assert others.std().item() == pytest.approx(weights.std().item(), rel=0.02)
    assert abs(torch.corrcoef(torch.stack([weights.flatten(), others.flatten()]))[0, 1]) < 0.02
    assert others.requires_grad and torch.equal(drawn.features[2][1].running_var, torch.ones(96))

    again, other = randomize(model, seed=1), randomize(model, seed=2)
    assert torch.equal(again.features[2][0].weight, others)
    assert not torch.equal(other.features[2][0].weight, others)


def test_a_draw_leaves_the_global_generator_alone_and_only_a_vector_keeps_its_mean():
    layer = nn.Linear(100, 10_000)
    layer.weight.data.normal_(3, 0.5)
    layer.bias.data.normal_(2, 0.1)
    state = torch.get_rng_state()
    drawn = randomize(layer, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert drawn.weight.mean().item() == pytest.approx(0, abs=0.05)
    assert drawn.weight.std().item() == pytest.approx(0.5, rel=0.05)
    assert drawn.bias.mean().item() == pytest.approx(2, abs=0.01)
    assert drawn.bias.std().item() == pytest.approx(0.1, rel=0.05)
    single = nn.Linear(1, 1)
    assert torch.equal(randomize(single, seed=0).bias, single.bias)  # it is its own mean


def test_a_draw_does_not_silence_layers_whose_weights_are_negative_on_average():
    model = nn.Sequential(nn.Linear(800, 200), nn.ReLU(), nn.Linear(200, 10))
    model[0].weight.data.normal_(-0.01, 0.03)
    alive = randomize(model, seed=0)[:2](torch.rand(20, 800)) > 0
    assert 0.3 < alive.double().mean() < 0.7


BATCH = torch.zeros(2, 1, 32, 32)
ONE_LAYER = {"images": torch.zeros(1, 1, 8, 8), "layer": "0"}
BAD_INPUT = {  # options of a right call; changes of them, and what the message must hold
    deconvolve: (
        {"features": LeNet5().features, "images": BATCH, "layer": "2", "unit": 0},
        [
            ({"layer": "6"}, "one of 0, 1, 2, 3, 4, 5, got '6'"),
            ({"layer": ""}, "one of 0, 1, 2, 3, 4, 5, got ''"),
            ({"unit": 6}, "unit must be an integer in [0, 5], got 6"),
            ({"unit": -1}, "unit must be an integer in [0, 5], got -1"),
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
        {"model": LeNet5(), "images": BATCH, "targets": torch.tensor([0, 1])},
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
            ({"patch": 0}, "patch must be an integer in [1, 32], got 0"),
            ({"stride": 0}, "stride must be an integer >= 1, got 0"),
            ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
            ({"image": BATCH}, "(C, H, W), got (2, 1, 32, 32)"),
        ],
    ),
    top_patches: (
        {
            **{"model": LeNet5(), "images": BATCH, "field": FIELD},
            **{"layer": "features.2", "unit": 0, "count": 1},
        },
        [
            ({"layer": "stem"}, "layer must be one of features, features.0, "),
            ({"layer": "head.5"}, "(B, C', H', W') maps, got (2, 10)"),
            ({"unit": 6}, "unit must be an integer in [0, 5], got 6"),
            ({"count": 3}, "count must be an integer in [1, 2], got 3"),
            ({"count": 0}, "count must be an integer in [1, 2], got 0"),
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


def test_a_layer_that_runs_twice_has_no_single_map():
    model = nn.Sequential(nn.Conv2d(1, 1, 3))
    model.append(model[0])
    with pytest.raises(ValueError, match="'0' must run once for each image, got 4 runs"):
        top_patches(model, torch.rand(2, 1, 8, 8), FIELD, layer="0", unit=0, count=1)
