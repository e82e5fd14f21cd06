"""What the pictures share: the control with random weights, and small helpers."""

import copy

import torch
from torch import Tensor, nn


@torch.no_grad()
def randomize(model: nn.Module, *, seed: int) -> nn.Module:
    """A copy that has learned nothing, for control: every parameter is drawn anew.

    Each tensor of parameters is drawn from a normal distribution with its own standard deviation,
    so the layers keep their scale and lose their pattern. Vectors (biases, scales of a
    normalisation) keep their mean too. Weights are drawn around zero: trained weights are often
    negative on average, and around such a mean every unit behind a ReLU would stay silent.
    Buffers stay.

    Source: Adebayo et al. (2018), "Sanity checks for saliency maps", section 3,
    https://arxiv.org/abs/1810.03292
    """
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator).to(parameter)
        center = parameter.mean() if parameter.ndim < 2 else 0.0
        parameter.copy_(center + parameter.std(correction=0) * noise)
    return model


def strongest(maps: Tensor, unit: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each image the largest value of a unit, its row and its column, (B,) each."""
    if maps.ndim != 4:
        raise ValueError(f"the layer must give (B, C', H', W') maps, got {tuple(maps.shape)}")
    check_index("unit", unit, maps.shape[1])
    places = maps[:, unit].flatten(1).argmax(dim=1)  # the first where several are equal
    rows, columns = places // maps.shape[3], places % maps.shape[3]
    return maps[torch.arange(len(maps)), unit, rows, columns], rows, columns


def check_index(name: str, index: int, length: int) -> None:
    """Raise ValueError unless index counts one of `length` things."""
    if not 0 <= index < length:
        raise ValueError(f"{name} must be in [0, {length}), got {index}")
