from functools import partial

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from models_helpers import Forward, on_meta
from torch import nn

from dlvlib.models.lenet import LeNet5
from dlvlib.profile import receptive_field
from dlvlib.profile.receptive_field import effective_receptive_field, grow


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *[("alexnet", 195), ("vgg11", 150), ("vgg13", 156), ("vgg16", 212), ("vgg19", 268)],
        *[("mobilenet_v1", 315), ("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)],
    ],
)
def test_published_fields_of_the_last_maps(name, size):
    """Araujo et al. (2019): github.com/google-research/receptive_field, RECEPTIVE_FIELD_TABLE.

    VGG-11, 13 and 19 by hand: each 3x3 convolution adds twice the stride so far.
    """
    model = on_meta(name).features
    assert receptive_field.of(model, (3, 224, 224))[-1].size == size


def conv(kernel, channels=2, **options):
    return nn.Conv2d(channels, channels, kernel, **options)


WINDOW = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3))


@given(st.lists(WINDOW, min_size=1, max_size=4))
@settings(max_examples=50)
def test_chains_of_plain_numbers(windows):
    convs = [nn.Conv1d(1, 1, k, s, p, d, bias=False) for k, s, p, d in windows]
    for layer in convs:
        nn.init.ones_(layer.weight)
    field = grow(windows)[-1]
    length = field.size + 3 * field.stride + 2 * abs(field.start) + 1
    with torch.no_grad():
        seen = nn.Sequential(*convs)(torch.eye(length)[:, None])[:, 0].T > 0  # (output, pixel)
    expected = [row.nonzero().flatten().tolist() for row in seen]
    assert [list(field.pixels(i, length)) for i in range(len(seen))] == expected
    middle = len(seen) // 2
    start = field.start + middle * field.stride
    assert (expected[middle][0], expected[middle][-1]) == (start, start + field.size - 1)
    assert grow([(5,), (1,)])[-1].pixels(0, 3) == range(0)  # the first window does not fit


def test_a_value_spread_over_a_map_sees_the_same_everywhere():
    model = Forward(lambda x: x[:, :, :3].mean((2, 3), keepdim=True).expand_as(x) * 2)
    assert receptive_field.of(model, (1, 9, 9))[-1].pixels(7, 9) == range(3)
    rows = Forward(lambda x: x[:, :, 4:5].expand_as(x))
    assert receptive_field.of(rows, (1, 9, 9))[-1].pixels(7, 9) == range(4, 5)
    assert receptive_field.of(rows, (1, 9, 9), axis="width")[-1].pixels(7, 9) == range(7, 8)


@pytest.mark.parametrize(
    ("model", "size", "stride", "start"),
    [
        (Forward(lambda x, a: a(x) + x, conv(5, padding=2)), 5, 1, -2),
        (Forward(lambda x, a: x.add_(a(x)), conv(5, padding="same")), 5, 1, -2),
        (Forward(lambda x, a: a(x)[:, :, :12] + x[:, :, 4:], conv(3, padding=1)), 6, 1, -1),
        (Forward(lambda x, a: a(x).mean((2, 3)), conv(3)), 16, 1, 0),
        (Forward(lambda x: nn.functional.adaptive_avg_pool2d(x, 4)), 4, 4, 0),
        (Forward(lambda x, a: a(x).flatten(1), conv(3, stride=2, padding=1)), 17, 2, -1),
        (Forward(lambda x, a: x + a(x)[:, 0], conv(5, padding=2)), 5, 1, -2),  # (1, H, W) is added
        (Forward(lambda x, a: a(x.mT).mT, conv((3, 5), padding=(1, 2))), 5, 1, -2),
        (Forward(lambda x, a: a(x[:, 0].mT[:, None]), conv((3, 5), channels=1)), 5, 1, 0),
        (nn.Sequential(conv(3), nn.Linear(14, 5)), 3, 1, 0),  # at each row of the map
        (Forward(lambda x, a: a(torch.cat(x.mT.chunk(1)).mT), conv(3)), 3, 1, 0),
        (Forward(lambda x, a: a(x.expand(1, 1, *x.shape[1:])[:, 0]), conv(3)), 3, 1, 0),
        (Forward(lambda x, a: a(torch.stack([x[None]] * 2, -1)[0, ..., 1]), conv(3)), 3, 1, 0),
        (Forward(lambda x, a: a(x.permute(0, 2, 3, 1)), nn.LayerNorm(2)), 1, 1, 0),
    ],
)
def test_operations_in_a_forward(model, size, stride, start):
    last = receptive_field.of(model, (2, 16, 16))[-1]
    assert (last.size, last.stride, last.start) == (size, stride, start)


def into_zeros(rows, of_image):
    def forward(images):
        maps = images.new_zeros(1, 2, 32, 16)
        maps[:, :, rows] = of_image(images)
        return maps

    return Forward(forward)


def test_height_and_width_are_told_apart():
    pooling = nn.AdaptiveAvgPool2d((2, 3))
    assert receptive_field.of(pooling, (2, 4, 9), axis="width")[0].size == 3


def test_effective_field_of_two_averages_is_a_triangle():
    model = nn.Sequential(nn.AvgPool2d(3, stride=1), nn.AvgPool2d(3, stride=1))
    share = effective_receptive_field(model, torch.rand(2, 3, 7, 7))
    weights = torch.tensor([0, 1, 2, 3, 2, 1, 0]) / 9
    assert torch.allclose(share, torch.outer(weights, weights))


def test_effective_field_of_logits_counts_all_of_them():
    share = effective_receptive_field(LeNet5(), torch.rand(2, 1, 32, 32))
    assert share.shape == (32, 32) and (share > 0).float().mean() > 0.9


ONES, field_of = torch.ones(1, 1, 3, 3), effective_receptive_field
of_lenet = partial(receptive_field.of, LeNet5())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grow([(3, 0)]), "stride must be an integer >= 1, got 0"),
        (lambda: grow([(3, 1, -1)]), "padding must be an integer >= 0, got -1"),
        (lambda: grow([(2.5,)]), "kernel must be an integer >= 1, got 2.5"),
        (lambda: grow([()]), r"1 to 4 numbers, got \(\)"),
        (lambda: grow([(3,)])[0].pixels(-1, 9), "index must be an integer >= 0, got -1"),
        (lambda: grow([(3,)])[0].pixels(0, 0), "image_size must be an integer >= 1, got 0"),
        (lambda: of_lenet((1, 32, 32), axis="depth"), "'height' or 'width', got 'depth'"),
        (lambda: of_lenet((32, 32)), r"must be \(C, H, W\).*got \(32, 32\)"),
        (lambda: of_lenet((1, 0, 32)), r"got \(1, 0, 32\)"),
        (lambda: of_lenet(32), r"must be \(C, H, W\).*got 32"),
        (lambda: field_of(conv(3, 1), torch.rand(1, 9, 9)), r"float, got \(1, 9, 9\) torch.fl"),
        (lambda: field_of(conv(3, 1), ONES.byte()), r"\(B, C, H, W\) float, got .* torch.uint8"),
        (lambda: field_of(nn.Flatten(2), ONES), r"or \(B, K\), got \(1, 1, 9\)"),
        (lambda: field_of(Forward(lambda x: x.detach()), ONES), "not all 0, got a total of 0"),
        (lambda: field_of(nn.Threshold(2.0, 0.0), ONES), "finite and not all 0, got a total of 0"),
    ],
)
def test_bad_input_names_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_written_into_keeps_its_own_field():
    def lower_half(images, narrow, wide):
        maps = narrow(images)
        maps[:, :, 16:] = wide(images)[:, :, 16:]
        return narrow(maps)

    narrow, wide = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 7, padding=3)
    field = receptive_field.of(Forward(lower_half, narrow, wide), (1, 32, 32))[-1]
    assert (field.size, field.start) == (9, -4)  # of 7, then 3


@pytest.mark.parametrize(
    ("model", "where"),
    [
        (nn.AdaptiveAvgPool2d(3), r"'AdaptiveAvgPool2d' \(adaptive_avg_pool2d\)"),
        (nn.Sequential(nn.Upsample(scale_factor=2)), r"'0' \(interpolate\)"),
        (Forward(lambda x: x + x[:, :, ::2].repeat(1, 1, 2, 1)), "'repeat'"),
        (Forward(lambda x, a: a(x)[:, :, :4, :4] + x[:, :, ::4, ::4], conv(1)), "'add'"),
        (Forward(lambda x: x * x.mean((2, 3), True)), "'mul'"),
        (Forward(lambda x: x * x[:, :, :1]), "'mul'"),
        (into_zeros(slice(0, 32, 2), lambda x: x), "'setitem'"),
        (into_zeros(slice(32), lambda x: x[:, :, :1]), "'setitem'"),
        (nn.GroupNorm(1, 2), "'GroupNorm'"),
        (nn.LayerNorm((16, 16)), "'LayerNorm'"),
        (Forward(lambda x: torch.cat([x.transpose(1, 2)] * 2, 1)), "'cat'"),
        (Forward(lambda x: x[:, :, 0, 0]), "'getitem'"),
    ],
)
def test_outputs_without_one_field_are_refused(model, where):
    message = f"every layer must have one receptive field .* got none for {where}"
    with pytest.raises(ValueError, match=message):
        receptive_field.of(model, (2, 16, 16))
