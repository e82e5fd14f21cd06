"""What the tests of the networks share."""

import torch
from torch import nn

from dlvlib.models import MODELS, build

SMALL = [f"{family}_small" for family in ("alexnet", "googlenet", "vgg")]  # for 32x32 images
# Depths 20 and 110 stand for the CIFAR family: the same code, and the tests stay quick.
DISTINCT = [name for name in MODELS if not name.endswith(("32", "44", "56"))]


class Forward(nn.Module):
    """A model of one `forward`; `layers` are its modules."""

    def __init__(self, forward, *layers):
        super().__init__()
        self.layers, self.run = nn.ModuleList(layers), forward

    def forward(self, images):
        return self.run(images, *self.layers)


def on_meta(name, **options):
    with torch.device("meta"):
        return build(name, **options)


def count(model):
    return sum(p.numel() for p in model.parameters())


def channels_of(name):
    return 1 if name == "lenet5" else 3
