"""What the tests of the networks share."""

import torch

from dlvlib.models import build

SMALL = [f"{family}_small" for family in ("alexnet", "googlenet", "vgg")]  # for 32x32 images


def on_meta(name, **options):
    with torch.device("meta"):
        return build(name, **options)


def count(model):
    return sum(p.numel() for p in model.parameters())


def channels_of(name):
    return 1 if name == "lenet5" else 3
