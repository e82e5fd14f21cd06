import pytest
import torch
import torch.nn.functional as F
from bs4 import BeautifulSoup
from models_helpers import Forward, count
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.utils.flop_counter import FlopCounterMode

from dlvlib.models.lenet import LeNet5
from dlvlib.profile.summary import summarize


def conv(out_channels=4, **options):
    return nn.Conv2d(4, out_channels, 3, padding=1, **options)


def tied(first, second, *names):
    """Two layers with parameters in common."""
    for name in names or ["weight"]:
        setattr(second, name, getattr(first, name))
    return nn.Sequential(first, second)


def repeated(layer):
    return nn.Sequential(layer, layer, layer)


class Masked(nn.Conv2d):
    """Its filters are computed from a parameter, a buffer and a plain tensor."""

    def __init__(self):
        super().__init__(4, 4, 3, padding=1)
        self.register_buffer("mask", torch.ones(self.weight.shape))
        self.scale = torch.ones(4, 1, 1, 1)

    def forward(self, images):
        return F.conv2d(images, self.weight * self.mask * self.scale, self.bias, padding="same")


def cleared(images):
    maps = images.clone()
    maps[:, :, :2] = 0
    return maps


def shifted(images, layer):
    moved = torch.zeros_like(images)
    moved[:, :, 1:] = images[:, :, :-1]
    return layer(moved)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    "make",
    [
        lambda: tied(conv(), conv()),
        lambda: nn.Sequential(nn.Flatten(), tied(nn.Linear(256, 256), nn.Linear(256, 256))),
        lambda: tied(nn.BatchNorm2d(4), nn.BatchNorm2d(4), "weight", "bias"),
        lambda: repeated(parametrizations.weight_norm(conv(bias=False))),
        lambda: repeated(nn.utils.weight_norm(conv())),
        lambda: repeated(parametrizations.spectral_norm(conv())),
        lambda: repeated(prune.l1_unstructured(conv(), "weight", 0.5)),
        lambda: repeated(Masked()),
        lambda: Forward(shifted, conv()),
        lambda: nn.Conv2d(4, 8, (4, 3), padding="same", dilation=3),
        lambda: nn.Conv2d(4, 8, 2, padding="valid"),
        lambda: conv(padding_mode="reflect"),
        lambda: conv().double(),
        lambda: nn.Sequential(conv(), nn.GroupNorm(2, 4), nn.SiLU(), nn.PReLU(4)),
        lambda: Forward(
            lambda x, a: a(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), nn.Linear(4, 9)
        ),
        lambda: Forward(lambda x, a: x.flatten(1) @ a.weight.T, nn.Linear(256, 3, bias=False)),
    ],
)
def test_params_and_macs_are_pytorch_s(make):
    model = make()
    with FlopCounterMode(display=False) as counter:
        summary = summarize(model, (4, 8, 8))
    assert (summary.params, summary.unused_params) == (count(model), 0)
    assert 2 * summary.macs == counter.get_total_flops()


def test_a_dense_layer_works_at_each_row_of_a_map_with_one_flop_for_each_bias():
    for bias in (True, False):
        rows = summarize(nn.Linear(8, 3, bias=bias), (4, 8, 8))
        assert (rows.flops, rows.macs) == (2 * rows.macs + bias * 32 * 3, 32 * 8 * 3)


def test_lazy_layers_stay_lazy():
    model = nn.Sequential(
        nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10)
    )
    summary = summarize(model, (3, 8, 8))
    assert [x.kind for x in summary.layers] == ["Conv2d", "BatchNorm2d", "Flatten", "Linear"]
    assert (summary.params, summary.unused_params) == (224 + 16 + 2890, 0)
    assert nn.parameter.is_lazy(model[0].weight)


N, ONES = 4 * 8 * 8, torch.ones(4, 1, 1)


@pytest.mark.parametrize(
    ("forward", "flops", "comparisons"),
    [
        (lambda x: x + 1, N, 0),
        (lambda x: 1 - x, N, 0),
        (lambda x: 2 / x, N, 0),
        (lambda x: sum([x, x]), 2 * N, 0),  # Python begins with 0 + x
        (lambda x: x.clone().sub_(x), N, 0),
        (lambda x: torch.add(x, x, alpha=2), 2 * N, 0),
        (lambda x: x * x[:, :, :1, :1], N, 0),
        (lambda x: x * (ONES + 1), N, 0),  # ONES + 1 is a constant
        (cleared, 0, 0),
        (lambda x: x.mean(), N, 0),
        (lambda x: x.mean(axis=(2, 3)), N, 0),
        (lambda x: x.mean(3).mean(2), N + 4 * 8, 0),
        (lambda x: x.sum((2, 3)), N - 4, 0),
        (lambda x: x.amax((2, 3)), 0, N - 4),
        (lambda x: x.softmax(2), 32 * 31, 32 * 7),
        (lambda x: F.softmax(x.flatten(1), dim=None, _stacklevel=4), 4 * N - 1, N - 1),
        (lambda x: F.log_softmax(x.flatten(1), dim=1), 4 * N, N - 1),
        (lambda x: F.relu(x), 0, N),
        (lambda x: F.relu6(x), 0, 2 * N),
        (lambda x: F.leaky_relu(x), N, N),
        (lambda x: F.hardsigmoid(x), 2 * N, 2 * N),
        (lambda x: F.adaptive_max_pool2d(x, 1), 0, N - 4),
        (lambda x: F.adaptive_max_pool2d(x, 1, return_indices=True)[0], 0, N - 4),
        (lambda x: F.max_pool2d(x, 3), 0, 4 * 4 * 8),
        (lambda x: F.avg_pool2d(x, 3), 4 * 4 * 9, 0),
        (lambda x: F.instance_norm(x), 5 * N + 2 * 4, 0),
        (lambda x: F.batch_norm(x, *torch.ones(2, 4), training=True), 5 * N + 2 * 4, 0),
        (lambda x: F.layer_norm(x, (8, 8)), 5 * N + 2 * 4, 0),
        (lambda x: F.dropout2d(x) + F.feature_alpha_dropout(x), N, 0),
        (lambda x: torch.cat(x.chunk(2, 1)[::-1], 1), 0, 0),
        (lambda x: x.split([1, 3], dim=1)[1], 0, 0),
        (lambda x: x.view(1, 2, 2, 8, 8).transpose(1, 2).reshape(1, 4, 8, 8), 0, 0),
        (lambda x: torch.stack([x[:, 0], x[:, 1]], dim=1), 0, 0),
        (nn.Hardswish(), 3 * N, 2 * N),
        (nn.LocalResponseNorm(5), 14 * N, 0),
        (nn.GroupNorm(2, 4), 7 * N + 2 * 2, 0),
        (nn.GroupNorm(4, 4, affine=False), 5 * N + 2 * 4, 0),
        (nn.BatchNorm2d(4, affine=False, track_running_stats=False), 5 * N + 2 * 4, 0),
    ],
)
@pytest.mark.filterwarnings("ignore:Implicit dimension choice for softmax")
def test_operations_without_dot_products(forward, flops, comparisons):
    summary = summarize(Forward(forward), (4, 8, 8))
    assert (summary.macs, summary.flops, summary.comparisons) == (0, flops, comparisons)


@pytest.mark.parametrize(("n", "out"), [(7, 3), (30, 12), (5, 12), (6, 3)])
def test_adaptive_pooling_adds_up_pytorch_s_windows(n, out):
    pooled = F.adaptive_avg_pool1d(torch.eye(n)[None], out)[0]  # (n, out): who reads whom
    layers = (nn.AdaptiveAvgPool2d((out, 1)), nn.AdaptiveMaxPool2d((out, 1)))
    mean, largest = (summarize(layer, (2, n, 1)) for layer in layers)
    assert mean.flops == 2 * int((pooled > 0).sum())
    assert largest.comparisons == mean.flops - 2 * out


def test_lenet_layer_by_layer():
    summary = summarize(LeNet5(), (1, 32, 32))
    rows = [
        (x.name, x.kind, x.output_shape, x.params, x.flops, x.comparisons, x.receptive_field)
        for x in summary.layers
    ]
    assert rows[:3] == [
        ("features.0", "Conv2d", (6, 28, 28), 156, 239_904, 0, (5, 5)),
        ("features.1", "Tanh", (6, 28, 28), 0, 4_704, 0, (5, 5)),
        ("features.2", "MaxPool2d", (6, 14, 14), 0, 0, 3_528, (6, 6)),
    ]
    assert rows[-1] == ("head.5", "Linear", (10,), 850, 1_690, 0, (32, 32))
    assert (summary.comparisons, summary.output_bytes) == (3_528 + 1_200, 60_008)
    half = summarize(LeNet5().half(), (1, 32, 32))
    assert (half.output_bytes, half.param_bytes) == (30_004, 2 * 61_706)
    lines = str(summary).splitlines()
    assert lines[0] == "LeNet5 on a 1x32x32 image"
    assert lines[3].split() == [
        *("features.0", "Conv2d", "6x28x28", "156", "117,600", "239,904", "18,816", "5")
    ]
    assert lines[-2].split() == ["total", "61,706", "416,520", "846,066", "60,008"]
    assert max(map(len, lines)) <= 99


def shared(images, conv, unused):
    maps = conv(conv(images)) + images
    maps = torch.cat([maps, torch.relu(images)], dim=1)[:, :, ::2, ::2]
    return maps.mean((2, 3)).softmax(dim=1)


def test_operations_and_shared_and_unused_layers():
    layers = (nn.Conv2d(2, 2, 3, padding="same"), nn.Linear(5, 5))
    summary = summarize(Forward(shared, *layers), (2, 8, 8))
    assert [(x.name, x.kind, x.params, x.flops) for x in summary.layers] == [
        ("layers.0", "Conv2d", 38, 64 * 2 * 37),
        ("layers.0", "Conv2d", 0, 64 * 2 * 37),
        ("add", "add", 0, 128),
        ("relu", "relu", 0, 0),
        ("cat", "cat", 0, 0),
        ("getitem", "getitem", 0, 0),
        ("mean", "mean", 0, 64),
        ("softmax", "softmax", 0, 15),
    ]
    assert (summary.params, summary.unused_params) == (38, 30)
    assert "30 more parameters unused" in str(summary)
    assert summary.layers[-1].receptive_field == (11, 11)  # 5 + 3 * 2: at most 8 are real


def test_the_table_in_html_is_accessible_and_escaped():
    class Odd(nn.Sequential):
        pass

    Odd.__name__ = "A<b>"
    summary = summarize(Odd(nn.Conv2d(1, 2, (1, 3)), nn.AdaptiveAvgPool2d(5)), (1, 8, 8))
    page = BeautifulSoup(summary._repr_html_(), "html.parser")
    assert page.table.caption.text.startswith("A<b> on a 1x8x8 image. Per image; 1 MAC = 2 FLOPs")
    assert {th["scope"] for th in page.thead("th")} == {"col"} and len(page.thead("th")) == 8
    rows = [[cell.text for cell in row(["th", "td"])] for row in page.tbody("tr")]
    assert rows[0] == ["0", "Conv2d", "2x8x6", "8", "288", "672", "384", "1x3"]
    assert rows[1][-1] == "-"
    assert all(row.th["scope"] == "row" for row in page.tbody("tr"))
    assert [cell.text for cell in page.tfoot(["th", "td"])][:4] == ["total", "", "", "8"]
