"""Summaries against torchvision's published numbers, PyTorch's counters and torchinfo."""

import pytest
import torch
import torchinfo
import torchvision
from models_helpers import DISTINCT, count
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dlvlib.models import build
from dlvlib.models.lenet import LeNet5
from dlvlib.profile.summary import summarize

pytestmark = pytest.mark.slow

# One of each kind of network; the others of a family have more of the same layers.
ZOO = [
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3"),
    *("mobilenet_v2", "mobilenet_v3_small", "resnext50_32x4d"),
    *("shufflenet_v2_x0_5", "squeezenet1_0", "vgg11_bn"),
]


def summarize_and_count(model, shape):
    """The summary, and PyTorch's count of what ran: the MACs of convolutions and products."""
    with FlopCounterMode(display=False) as counter:
        summary = summarize(model, shape)
    return summary, counter.get_total_flops() / 2


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_of_torchvision(name):
    """Every kind of convolutional network: PyTorch's count, and what torchvision publishes."""
    weights = torchvision.models.get_model_weights(name).DEFAULT
    size = weights.transforms.keywords["crop_size"]
    with torch.device("meta"):
        options = {"init_weights": False} if name in AUX else {}
        model = torchvision.models.get_model(name, **options)
    summary, macs = summarize_and_count(model, (3, size, size))
    assert summary.macs == macs
    assert summary.params + summary.unused_params == count(model)
    assert summary.params + summary.unused_params == weights.meta["num_params"] or name in AUX
    assert (summary.unused_params > 0) == (name in AUX)
    assert round(summary.macs / 1e9, 3) == weights.meta["_ops"]


AUX = ("googlenet", "inception_v3")  # their auxiliary heads rest at inference


@pytest.mark.parametrize("name", DISTINCT)
def test_the_course_s_networks_agree_with_torchinfo_layer_by_layer(name):
    with torch.device("meta"):
        model = build(name).eval()
    size = 32 if isinstance(model, LeNet5) else 96  # suits all others
    images = torch.empty(1, next(model.parameters()).shape[1], size, size, device="meta")
    summary, macs = summarize_and_count(model, images.shape[1:])
    assert summary.macs == macs
    info = torchinfo.summary(model, input_data=images, verbose=0, device="meta")
    assert (summary.params, summary.unused_params) == (info.total_params, 0)
    theirs = [  # torchinfo's mult-adds are MACs plus one per bias
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
