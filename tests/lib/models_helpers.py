"""What the tests of the networks share."""

import torch
from torch import nn

from dlvlib.models import MODELS, build

SMALL = [f"{family}_small" for family in ("alexnet", "googlenet", "vgg")]  # for 32x32 images
# Other depths run the same code; test_models.py counts their layers.
DEPTHS = ("13", "16", "19", "32", "34", "44", "56", "101", "110", "152")
DISTINCT = [name for name in MODELS if not name.endswith(DEPTHS)]


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


def fill(model, *, gain=1.0):
    """Give a network without numbers repeatable ones that keep its maps at a sensible scale.

    `gain` is the mean scale of its batch normalisations: below 1 where shortcuts add up.
    """
    model.to_empty(device="cpu")
    numbers = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0))
    for i, (name, value) in enumerate(model.state_dict().items()):
        if not value.is_floating_point():
            value.zero_()
            continue
        repeats = -(-value.numel() // numbers.numel())
        drawn = numbers.roll(7919 * i).repeat(repeats)[: value.numel()].view_as(value)
        if value.ndim > 1:
            value.copy_(drawn * (2 / value[0].numel()) ** 0.5)
        elif name.endswith(("bias", "running_mean")):
            value.copy_(0.1 * drawn)
        else:  # scales and variances
            mean = 1.0 if name.endswith("running_var") else gain
            value.copy_(mean * (1 + 0.3 * drawn.clamp(-3, 3)))
    return model.eval()
