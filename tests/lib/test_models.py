"""The networks against published numbers: parameters, and shapes of the maps."""

import pytest
import torch
from models_helpers import DISTINCT, channels_of, count, on_meta
from torch import nn

from dlvlib.models import MODELS
from dlvlib.models.alexnet import AlexNet

PARAMS = {  # at the default number of classes; torchvision's, Keras', the paper's or ours
    "lenet5": 61_706,
    "alexnet": 58_325_066,
    "alexnet_2012": 60_965_224,
    "alexnet_small": 1_159_466,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg_small": 2_148_274,
    "googlenet": 6_998_552,
    "googlenet_small": 378_946,
    "xception": 22_855_952,
    "mobilenet_v1": 4_231_976,
    "efficientnet_lite0": 4_652_008,  # of the published weights
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    **{f"{kind}20": 269_722 for kind in ("plain", "resnet")},
    **{f"{kind}32": 464_154 for kind in ("plain", "resnet")},
    **{f"{kind}44": 658_586 for kind in ("plain", "resnet")},
    **{f"{kind}56": 853_018 for kind in ("plain", "resnet")},
    **{f"{kind}110": 1_727_962 for kind in ("plain", "resnet")},
}


def test_every_model_has_its_published_number_of_parameters():
    assert {name: count(on_meta(name)) for name in MODELS} == PARAMS


def test_counts_with_options():
    assert count(on_meta("googlenet", aux=True)) == 13_378_280
    assert count(on_meta("alexnet", num_classes=1000)) == 62_381_096
    with torch.device("meta"):
        assert count(AlexNet(1000, batch_norm=False)) == 62_378_344
    for width, millions in ((0.75, 2.6), (0.5, 1.3), (0.25, 0.5)):  # Howard et al., table 6
        model = on_meta("mobilenet_v1", width=width)
        assert count(model) / 1e6 == pytest.approx(millions, abs=0.051)


def test_dropout_is_that_of_the_sources():
    rates = {
        name: tuple(layer.p for layer in on_meta(name).modules() if isinstance(layer, nn.Dropout))
        for name in DISTINCT
    }
    twice = ("alexnet", "alexnet_2012", "alexnet_small", "vgg11", "vgg_small")
    assert {name: found for name, found in rates.items() if found} == {
        **dict.fromkeys(twice, (0.5, 0.5)),
        **dict.fromkeys(("googlenet", "googlenet_small"), (0.4,)),
        **{"xception": (0.5,), "efficientnet_lite0": (0.2,)},
    }


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("lenet5", [(6, 28), (6, 14), (16, 10), (16, 5)]),
        ("alexnet_small", [(32, 32), (32, 15), (96, 15), (96, 7), (128, 7), (96, 3)]),
        ("vgg_small", [(24, 32), (48, 8), (192, 1)]),
        ("googlenet_small", [(48, 16), (120, 8), (208, 8), (208, 4), (256, 4)]),
    ],
)
def test_maps_of_the_networks_without_an_oracle(name, shapes):
    maps, seen = torch.rand(1, channels_of(name), 32, 32, device="meta"), []
    for stage in on_meta(name).features:
        maps = stage(maps)
        assert maps.shape[2] == maps.shape[3]
        seen.append((maps.shape[1], maps.shape[2]))
    rest = iter(seen)
    assert all(shape in rest for shape in shapes), seen  # in this order
    assert seen[-1] == shapes[-1]
