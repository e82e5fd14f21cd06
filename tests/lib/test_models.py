"""The networks against the papers' numbers: parameters, cost, shapes of the maps."""

import pytest
import torch
from models_helpers import SMALL, channels_of, count, on_meta
from torch.utils.flop_counter import FlopCounterMode

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


def macs(model, size):
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.rand(1, 3, size, size, device="meta"))
    return counter.get_total_flops() // 2


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


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("resnet18", 1.8),  # He et al. (2016), table 1, which counts one per
        ("resnet50", 3.8),  # multiply-accumulate
        ("resnet152", 11.3),
        ("vgg19", 19.6),  # the same paper, section 3.3
        ("googlenet", 1.5 + 0.084),  # Szegedy et al. (2015), section 1; its table 1 counts
        ("mobilenet_v1", 0.569),  # 2.7K weights, not 9.4K, at 112x112. Howard et al., table 8
    ],
)
def test_multiply_accumulates_are_the_papers(name, billions):
    assert macs(on_meta(name), 224) / 1e9 == pytest.approx(billions, rel=0.035)


def test_networks_for_32x32_images_cost_about_the_same():
    millions = {name: round(macs(on_meta(name), 32) / 1e6, 1) for name in (*SMALL, "resnet20")}
    assert list(millions.values()) == [38.5, 30.3, 44.5, 40.6]  # as their docstrings have it


@pytest.mark.parametrize(
    ("name", "size", "shapes"),
    [
        ("lenet5", 32, [(6, 28), (6, 14), (16, 10), (16, 5)]),
        ("alexnet", 224, [(96, 55), (96, 27), (256, 27), (256, 13), (384, 13), (256, 6)]),
        ("alexnet_2012", 224, [(96, 55), (96, 27), (256, 27), (256, 13), (384, 13), (256, 6)]),
        ("alexnet_small", 32, [(32, 32), (32, 15), (96, 15), (96, 7), (128, 7), (96, 3)]),
        ("vgg16", 224, [(64, 112), (128, 56), (256, 28), (512, 14), (512, 7)]),
        ("vgg_small", 32, [(24, 32), (48, 8), (192, 1)]),
        ("googlenet", 224, [(192, 28), (480, 28), (512, 14), (832, 7), (1024, 7)]),
        ("googlenet_small", 32, [(48, 16), (120, 8), (208, 8), (208, 4), (256, 4)]),
        ("xception", 299, [(32, 149), (64, 147), (128, 74), (256, 37), (728, 19), (2048, 10)]),
        (
            "efficientnet_lite0",
            224,
            [(32, 112), (16, 112), (24, 56), (40, 28), (80, 14), (1280, 7)],
        ),
        ("mobilenet_v1", 224, [(32, 112), (64, 112), (512, 14), (1024, 7)]),
        ("resnet50", 224, [(64, 56), (256, 56), (512, 28), (1024, 14), (2048, 7)]),
        ("resnet20", 32, [(16, 32), (32, 16), (64, 8)]),
    ],
)
def test_feature_maps_have_the_published_shapes(name, size, shapes):
    maps, seen = torch.rand(1, channels_of(name), size, size, device="meta"), []
    for stage in on_meta(name).features:
        maps = stage(maps)
        assert maps.shape[2] == maps.shape[3]
        seen.append((maps.shape[1], maps.shape[2]))
    rest = iter(seen)
    assert all(shape in rest for shape in shapes), seen  # in this order
    assert seen[-1] == shapes[-1]
