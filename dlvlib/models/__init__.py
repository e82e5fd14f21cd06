"""The course's networks, one file per family; each has `.features` and `.head`."""

from collections.abc import Callable
from functools import partial

from torch import nn

from dlvlib.models.alexnet import AlexNet, AlexNet2012, AlexNetSmall
from dlvlib.models.efficientnet import EfficientNetLite0
from dlvlib.models.googlenet import GoogLeNet, GoogLeNetSmall
from dlvlib.models.lenet import LeNet5
from dlvlib.models.mobilenet import MobileNetV1
from dlvlib.models.resnet import CifarResNet, ResNet
from dlvlib.models.vgg import VGG, VGGSmall
from dlvlib.models.xception import Xception

CIFAR_DEPTHS = (20, 32, 44, 56, 110)

MODELS: dict[str, Callable[..., nn.Module]] = {
    "lenet5": LeNet5,
    "alexnet": AlexNet,
    "alexnet_2012": AlexNet2012,
    "alexnet_small": AlexNetSmall,
    **{f"vgg{depth}": partial(VGG, depth) for depth in (11, 13, 16, 19)},
    "vgg_small": VGGSmall,
    "googlenet": GoogLeNet,
    "googlenet_small": GoogLeNetSmall,
    "xception": Xception,
    "mobilenet_v1": MobileNetV1,
    "efficientnet_lite0": EfficientNetLite0,
    **{f"resnet{depth}": partial(ResNet, depth) for depth in (18, 34, 50, 101, 152)},
    **{f"plain{depth}": partial(CifarResNet, depth, plain=True) for depth in CIFAR_DEPTHS},
    **{f"resnet{depth}": partial(CifarResNet, depth) for depth in CIFAR_DEPTHS},
}


def build(
    name: str, *, num_classes: int | None = None, in_channels: int | None = None, **options: object
) -> nn.Module:
    """A new network with random weights, drawn from PyTorch's global generator.

    Args:
        name: a key of `MODELS`.
        num_classes: K; by default that of the source (1,000 for ImageNet networks, 10 otherwise).
        in_channels: channels of the images; by default 3, and 1 for lenet5.
        options: keyword arguments of that network, for instance ``aux=True`` for googlenet.

    Raises:
        ValueError: if the name is unknown, or a number is not an integer >= 1.

    >>> build("resnet20", num_classes=7).head[-1]
    Linear(in_features=64, out_features=7, bias=True)
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; there are: {', '.join(MODELS)}")
    given = {"num_classes": num_classes, "in_channels": in_channels}
    return MODELS[name](**options, **{k: n for k, n in given.items() if n is not None})
