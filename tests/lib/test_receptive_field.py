import copy
import subprocess
import sys

import hypothesis.strategies as st
import pytest
import torch
import torchvision
from hypothesis import given, settings
from torch import nn

from dlvlib.models import MODELS, build
from dlvlib.models.lenet import LeNet5
from dlvlib.profile import receptive_field
from dlvlib.profile.receptive_field import ReceptiveField, effective_receptive_field, grow
from dlvlib.profile.trace import trace


def sizes(model, input_shape, kinds):
    steps = trace(model, input_shape)
    fields = receptive_field.follow(steps)
    return [f[0].size for step, f in zip(steps, fields, strict=True) if step.kind in kinds]


def on_meta(build, *args, **options):
    with torch.device("meta"):
        return build(*args, **options)


WINDOWS = {"Conv2d", "MaxPool2d", "Linear"}
ALEXNET = [11, 19, 51, 67, 99, 131, 163, 195]
VGG = {11: (150, 342), 13: (156, 348), 16: (212, 404), 19: (268, 460)}  # pool5, first dense


def test_lenet():
    assert sizes(LeNet5(), (1, 32, 32), WINDOWS) == [5, 6, 14, 16, 32, 32, 32]
    names = [record.layer for record in receptive_field.of(LeNet5(), (1, 32, 32))]
    assert names == [f"features.{i}" for i in range(6)] + [f"head.{i}" for i in range(6)]


@pytest.mark.parametrize(
    "model", [on_meta(build, "alexnet"), on_meta(torchvision.models.alexnet)], ids=["our", "its"]
)
def test_alexnet(model):
    assert sizes(model, (3, 224, 224), WINDOWS) == [*ALEXNET, 355, 355, 355]


@pytest.mark.parametrize("depth", VGG)
def test_vgg(depth):
    shape = (3, 224, 224)
    for model in (
        on_meta(build, f"vgg{depth}"),
        on_meta(getattr(torchvision.models, f"vgg{depth}"), init_weights=False),
    ):
        pool5 = sizes(model, shape, {"MaxPool2d"})[-1]
        assert (pool5, sizes(model, shape, {"Linear"})[0]) == VGG[depth]


@pytest.mark.parametrize(
    ("name", "size"),
    [("mobilenet_v1", 315), ("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)],
)
def test_published_fields_of_the_last_maps(name, size):
    """Araujo et al. (2019): github.com/google-research/receptive_field, RECEPTIVE_FIELD_TABLE."""
    model = on_meta(build, name).features
    assert receptive_field.of(model, (3, 224, 224))[-1].size == size


def make_linear(model):
    """The same geometry with one channel, positive weights, averages: every path counts.

    A gradient is then zero only where no path leads; the number of channels plays no part.
    """
    for name, child in model.named_children():
        if isinstance(child, nn.Conv2d):
            conv = nn.Conv2d(
                1, 1, child.kernel_size, child.stride, child.padding, child.dilation, bias=False
            )
            nn.init.constant_(conv.weight, 1 / conv.weight.numel())
            setattr(model, name, nn.Sequential(MeanOfChannels(), conv))
        elif isinstance(child, nn.MaxPool2d):
            pool = nn.AvgPool2d(
                child.kernel_size, child.stride, child.padding, ceil_mode=child.ceil_mode
            )
            setattr(model, name, pool)
        elif isinstance(child, nn.BatchNorm2d | nn.LocalResponseNorm | nn.ReLU | nn.Tanh):
            setattr(model, name, nn.Identity())
        else:
            make_linear(child)
    return model


class MeanOfChannels(nn.Module):
    def forward(self, maps):
        return maps.mean(dim=1, keepdim=True)


# Depths 20 and 110 stand for the CIFAR family: the same code, and the tests stay quick.
DISTINCT = [name for name in MODELS if not name.endswith(("32", "44", "56"))]


@pytest.mark.parametrize("name", DISTINCT)
def test_fields_equal_the_gradient_mask(name):
    """Where d out / d in is not zero, for four layers spread over the depth, in height."""
    model = on_meta(build, name)
    features, width = model.features, getattr(model, "min_size", 32)
    channels = next(features.parameters()).shape[1]
    whole = {r.layer: r for r in receptive_field.of(features, (channels, 64, 64))}
    convs = [layer for layer, module in features.named_modules() if isinstance(module, nn.Conv2d)]
    checked = sorted({convs[i * (len(convs) - 1) // 3] for i in range(4)} | {[*whole][-1]})
    linear = make_linear(copy.deepcopy(features)).to_empty(device="cpu").double()
    for conv in linear.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.constant_(conv.weight, 1 / conv.weight.numel())
    maps = {}
    for layer, module in linear.named_modules():
        if layer in checked:
            module.register_forward_hook(lambda _, __, out, layer=layer: maps.update({layer: out}))
    deepest = max(whole.values(), key=lambda field: field.size)
    height = deepest.size + 4 * deepest.stride
    image = torch.ones(1, 1, height, width, dtype=torch.double, requires_grad=True)
    maps[[*whole][-1]] = linear(image)
    assert maps.keys() == set(checked) and len(maps) >= 3
    for layer, out in maps.items():
        field, (_, _, rows, columns) = whole[layer], out.shape
        inside = [i for i in range(rows) if len(field.pixels(i, height)) == field.size]
        index = inside[len(inside) // 2]  # a field that the border does not cut
        (gradient,) = torch.autograd.grad(
            out[0, :, index, columns // 2].sum(), image, retain_graph=True
        )
        seen = gradient[0, 0].sum(dim=1).nonzero().flatten()  # rows
        expected = field.pixels(index, height)
        assert (seen[0].item(), seen[-1].item()) == (expected[0], expected[-1]), layer


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3)),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None)
def test_chains_equal_the_gradient_mask_at_every_border(windows):
    """Size, stride and start: what the first and the middle output see, padding included."""
    convs = [nn.Conv1d(1, 1, k, s, p, d, bias=False).double() for k, s, p, d in windows]
    for conv in convs:
        nn.init.ones_(conv.weight)
    field = grow(windows)[-1]
    length = field.size + 3 * field.stride + 2 * abs(field.start) + 1
    signal = torch.ones(1, 1, length, dtype=torch.double, requires_grad=True)
    out = nn.Sequential(*convs)(signal)
    for index in range(out.shape[2]):
        pixels = field.pixels(index, length)
        if len(pixels) < field.size:
            continue  # cut by the border: see the docstring of the class
        (gradient,) = torch.autograd.grad(out[0, 0, index], signal, retain_graph=True)
        seen = gradient.flatten().nonzero().flatten()
        assert (seen[0].item(), seen[-1].item()) == (pixels[0], pixels[-1])


def test_plain_numbers_need_no_torch():
    code = "import sys, dlvlib.profile.receptive_field as r; r.grow([(3,)]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_grow_agrees_with_the_same_model():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 3, 1, 2, 2)
    )
    chain = grow([(7, 2, 3), (3, 2, 1), (3, 1, 2, 2)])
    found = receptive_field.of(model, (3, 64, 64))
    assert [(r.size, r.stride, r.start) for r in found] == [
        (r.size, r.stride, r.start) for r in chain
    ]
    assert chain[-1] == ReceptiveField(size=27, stride=4, start=-13)
    assert chain[-1].pixels(0, 64) == range(14) and chain[-1].pixels(15, 64) == range(47, 64)


class Forward(nn.Module):
    """A model of one `forward`; `convs` are its layers."""

    def __init__(self, forward, *convs):
        super().__init__()
        self.convs, self.run = nn.ModuleList(convs), forward

    def forward(self, images):
        return self.run(images, *self.convs)


def conv(kernel, **options):
    return nn.Conv2d(2, 2, kernel, **options)


@pytest.mark.parametrize(
    ("model", "size", "stride", "start"),
    [
        (Forward(lambda x, a: a(x) + x, conv(5, padding=2)), 5, 1, -2),
        (Forward(lambda x, a: x.add_(a(x)), conv(5, padding="same")), 5, 1, -2),
        (
            Forward(lambda x, a, b: torch.cat([a(x), b(x)], dim=1), conv(1), conv(5, padding=2)),
            5,
            1,
            -2,
        ),
        (Forward(lambda x, a: a(x)[:, :, :12] + x[:, :, 4:], conv(3, padding=1)), 6, 1, -1),
        (Forward(lambda x, a: a(x[:, :, 1::2, 3::2]), conv(3)), 5, 2, 1),
        (Forward(lambda x, a: a(nn.functional.pad(x, (7, 0, 2, 0))), conv(3)), 3, 1, -2),
        (Forward(lambda x, a: a(x).mean((2, 3)), conv(3)), 16, 1, 0),
        (Forward(lambda x: nn.functional.adaptive_avg_pool2d(x, 4)), 4, 4, 0),
        (Forward(lambda x, a: a(x).flatten(1), conv(3, stride=2, padding=1)), 17, 2, -1),
    ],
)
def test_operations_in_a_forward(model, size, stride, start):
    last = receptive_field.of(model, (2, 16, 16))[-1]
    assert (last.size, last.stride, last.start) == (size, stride, start)


def test_height_and_width_are_told_apart():
    model = nn.Conv2d(2, 2, (1, 7), stride=(1, 2), padding=(0, 3))
    assert receptive_field.of(model, (2, 9, 9))[0] == ReceptiveField(1, 1, 0, "Conv2d")
    wide = receptive_field.of(model, (2, 9, 9), axis="width")
    assert wide == [ReceptiveField(7, 2, -3, "Conv2d")]


def test_tracing_leaves_the_model_as_it_is():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout()).train()
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    receptive_field.of(model, (1, 8, 8))
    effective_receptive_field(model, torch.rand(2, 1, 8, 8))
    assert [m.training for m in model] == [True, False, True]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None and p.device.type == "cpu" for p in model.parameters())


def test_effective_field_of_two_averages_is_a_triangle():
    model = nn.Sequential(nn.AvgPool2d(3, stride=1), nn.AvgPool2d(3, stride=1))
    share = effective_receptive_field(model, torch.rand(2, 3, 7, 7))
    weights = torch.tensor([0, 1, 2, 3, 2, 1, 0]) / 9
    assert torch.allclose(share, torch.outer(weights, weights))


def test_effective_field_is_denser_in_the_middle():
    torch.manual_seed(0)
    convs = [nn.Conv2d(4 if i else 1, 4, 3, bias=False) for i in range(8)]
    model = nn.Sequential(*[layer for c in convs for layer in (c, nn.ReLU())])
    share = effective_receptive_field(model, torch.rand(16, 1, 17, 17))  # field: 17 pixels
    assert share.sum().item() == pytest.approx(1)
    assert share[4:13, 4:13].sum() > 0.6  # 28 % of the pixels


def test_effective_field_of_logits_counts_all_of_them():
    share = effective_receptive_field(LeNet5(), torch.rand(2, 1, 32, 32))
    assert share.shape == (32, 32) and (share > 0).float().mean() > 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grow([(3, 0)]), r"must be >= 1 and padding >= 0, got \(3, 0, 0, 1\)"),
        (lambda: grow([(3, 1, -1)]), r"got \(3, 1, -1, 1\)"),
        (
            lambda: receptive_field.of(LeNet5(), (1, 32, 32), axis="depth"),
            "axis must be 'height' or 'width', got 'depth'",
        ),
        (lambda: receptive_field.of(LeNet5(), (32, 32)), r"must be \(C, H, W\).*got \(32, 32\)"),
        (lambda: receptive_field.of(LeNet5(), (1, 0, 32)), r"got \(1, 0, 32\)"),
        (
            lambda: receptive_field.of(nn.AdaptiveAvgPool2d(3), (1, 7, 7)),
            r"one receptive field .* got none for 'AdaptiveAvgPool2d' \(adaptive_avg_pool2d\)",
        ),
        (
            lambda: receptive_field.of(nn.Sequential(nn.Upsample(scale_factor=2)), (1, 7, 7)),
            r"got none for '0' \(interpolate\)",
        ),
        (
            lambda: receptive_field.of(Forward(lambda x: x + x[:, :, ::2].repeat(1, 1, 2, 1)), M),
            r"got none for 'repeat'",
        ),
        (
            lambda: receptive_field.of(
                Forward(lambda x, a: a(x)[:, :, :4, :4] + x[:, :, ::4, ::4], conv(1)), M
            ),
            r"got none for 'add'",
        ),
        (lambda: receptive_field.of(Forward(lambda x: x.transpose(2, 3)), M), "'transpose'"),
        (lambda: receptive_field.of(Forward(lambda x: x[:, :, 0, 0]), M), "'getitem'"),
        (
            lambda: effective_receptive_field(nn.Threshold(2.0, 0.0), torch.rand(1, 1, 3, 3)),
            "finite and not all 0, got a total of 0",
        ),
    ],
)
def test_bad_input_names_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


M = (2, 16, 16)
