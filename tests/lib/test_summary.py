from functools import partial

import pytest
import torch
import torchinfo
import torchvision
from bs4 import BeautifulSoup
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dlvlib.models import MODELS, build
from dlvlib.models.lenet import LeNet5
from dlvlib.profile.summary import summarize

THEIRS = {
    "vgg11": partial(torchvision.models.vgg11, init_weights=False),
    "vgg16_bn": partial(torchvision.models.vgg16_bn, init_weights=False),
    "alexnet": torchvision.models.alexnet,
    "resnet18": torchvision.models.resnet18,
    "resnet50": torchvision.models.resnet50,
    "resnext50": torchvision.models.resnext50_32x4d,
    "googlenet": partial(torchvision.models.googlenet, init_weights=False, aux_logits=False),
    "mobilenet_v2": torchvision.models.mobilenet_v2,
    "squeezenet": torchvision.models.squeezenet1_0,
    "densenet121": torchvision.models.densenet121,
}
# Depths 20 and 110 stand for the CIFAR family: the same code, and the tests stay quick.
DISTINCT = [name for name in MODELS if not name.endswith(("32", "44", "56"))]
CASES = {
    **{f"our-{name}": partial(build, name) for name in DISTINCT},
    **{f"torchvision-{name}": make for name, make in THEIRS.items()},
}
GIGA_MACS = {  # torchvision's own documentation calls them GFLOPS
    "vgg11": 7.61,
    "vgg16_bn": 15.47,
    "alexnet": 0.71,
    "resnet18": 1.81,
    "resnet50": 4.09,
    "resnext50": 4.23,
    "googlenet": 1.50,
    "mobilenet_v2": 0.30,
    "squeezenet": 0.82,
    "densenet121": 2.83,
}


def case(make):
    """The model on the meta device, and the shape of one image: 96 pixels suit all of them."""
    with torch.device("meta"):
        model = make().eval()
    channels = next(model.parameters()).shape[1]
    return model, (channels, 32, 32) if isinstance(model, LeNet5) else (channels, 96, 96)


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_params_and_macs_agree_with_torchinfo_and_the_flop_counter(make):
    model, shape = case(make)
    summary = summarize(model, shape)
    images = torch.empty(1, *shape, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    assert 2 * summary.macs == counter.get_total_flops()

    info = torchinfo.summary(model, input_data=images, verbose=0, device="meta")
    assert summary.params == info.total_params
    assert summary.unused_params == 0
    # Layer by layer. Torchinfo's mult-adds are MACs plus one per bias.
    theirs = [
        (type(layer.module).__name__, tuple(layer.output_size[1:]), layer.macs)
        for layer in info.summary_list
        if isinstance(layer.module, nn.Conv2d | nn.Linear)
    ]
    ours = [
        (layer.kind, layer.output_shape, layer.flops - layer.macs)
        for layer in summary.layers
        if layer.kind in ("Conv2d", "Linear")
    ]
    assert ours == theirs


@pytest.mark.parametrize("name", THEIRS)
def test_macs_are_those_that_torchvision_publishes(name):
    with torch.device("meta"):
        model = THEIRS[name]()
    assert round(summarize(model, (3, 224, 224)).macs / 1e9, 2) == GIGA_MACS[name]


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
    assert (summary.params, summary.macs, summary.flops) == (61_706, 416_520, 846_066)
    assert (summary.param_bytes, summary.comparisons) == (4 * 61_706, 3_528 + 1_200)
    assert summary.output_bytes == 60_008


class Shared(nn.Module):
    """Runs one layer twice, adds, joins, slices; never touches another layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding="same")
        self.unused = nn.Linear(5, 5)

    def forward(self, images):
        maps = self.conv(self.conv(images)) + images
        maps = torch.cat([maps, torch.relu(images)], dim=1)[:, :, ::2, ::2]
        return maps.mean((2, 3)).softmax(dim=1)


def test_operations_and_shared_and_unused_layers():
    summary = summarize(Shared(), (2, 8, 8))
    assert [(x.name, x.kind, x.params, x.flops) for x in summary.layers] == [
        ("conv", "Conv2d", 38, 64 * 2 * 37),
        ("conv", "Conv2d", 0, 64 * 2 * 37),
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


def test_bytes_follow_the_precision():
    half = summarize(LeNet5().half(), (1, 32, 32))
    assert (half.output_bytes, half.param_bytes) == (30_004, 2 * 61_706)


def test_the_table_in_text():
    lines = str(summarize(LeNet5(), (1, 32, 32))).splitlines()
    assert lines[0] == "LeNet5 on a 1x32x32 image"
    assert lines[3].split() == [
        *("features.0", "Conv2d", "6x28x28", "156", "117,600", "239,904", "18,816", "5")
    ]
    assert lines[-2].split() == ["total", "61,706", "416,520", "846,066", "60,008"]
    assert lines[-1] == "Per image; 1 MAC = 2 FLOPs, a bias = 1 FLOP."
    assert max(map(len, lines)) <= 99


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
    assert summary._repr_html_() == summary._repr_html_()


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(8, 4)

    def forward(self, images):
        return self.dense(images)


class Stacked(nn.Module):
    def forward(self, images):
        return torch.cat([images, images], dim=2)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.GroupNorm(1, 2)), r"cost rule, got 'group_norm' \(layer '0'\).*conv2d"),
        (Tokens(), r"dense layer must be \(B, D\), got \(1, 2, 8, 8\)"),
        (nn.Softmax(dim=1), r"must be \(K,\), got \(2, 8, 8\)"),
        (Stacked(), r"rule of 'cat' .* PyTorch gives \(2, 16, 8\), the rule \(4, 8, 8\)"),
    ],
)
def test_what_has_no_rule_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        summarize(model, (2, 8, 8))


def test_a_model_s_own_complaint_reaches_the_reader():
    with pytest.raises(ValueError, match="must have 3 channels for vgg11, got 1"):
        summarize(case(CASES["our-vgg11"])[0], (1, 64, 64))
