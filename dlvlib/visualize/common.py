"""What the pictures share: the control with random weights, the strongest activation, targets."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dlvlib._common import check_int
from dlvlib.runtime import mode


@torch.no_grad()
def randomize(model: nn.Module, *, seed: int, images: Tensor | None = None) -> nn.Module:
    """A copy that has learned nothing, for control: every parameter is drawn again.

    Each tensor of parameters is drawn from a normal distribution with its own standard deviation,
    so the layers keep their scale and lose their pattern. Vectors (biases, scales of a
    normalisation) keep their mean too. Weights are drawn around zero: trained weights are often
    negative on average, and around such a mean every unit behind a ReLU would output zero.
    Buffers are kept. The statistics of batch normalisation do not fit the new weights: given
    `images` (N, C, H, W), they are measured again on these.

    Source: Adebayo et al. (2018), "Sanity checks for saliency maps", section 3,
    https://arxiv.org/abs/1810.03292
    """
    model = copy.deepcopy(model)
    generator = torch.Generator("cpu").manual_seed(check_int("seed", seed))
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator, device="cpu").to(parameter)
        center = parameter.mean() if parameter.ndim < 2 else 0.0
        parameter.copy_(center + parameter.std(correction=0) * noise)
    if images is not None:
        norms = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
        for layer in norms:
            layer.reset_running_stats()
            layer.momentum = None  # the average over all batches, here of one
        with mode(model, training=False), mode(nn.ModuleList(norms), training=True):
            model(images)
    return model


@contextmanager
def watched(model: nn.Module, layer: str, hook: Callable[..., Tensor | None]) -> Iterator[None]:
    """Put the model in eval mode, and call a forward hook on the layer of this name.

    Raises:
        ValueError: if there is no such layer.
    """
    modules = dict(model.named_modules())
    if layer not in modules:
        raise ValueError(f"layer must be one of {', '.join(filter(None, modules))}, got {layer!r}")
    handle = modules[layer].register_forward_hook(hook)
    try:
        with mode(model, training=False):
            yield
    finally:
        handle.remove()


def strongest(maps: Tensor, unit: int, margin: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """For each image the largest value of a unit, its row and its column, (B,) each.

    Of equal values the first counts, row by row; the outermost `margin` places do not count.
    """
    if maps.ndim != 4:
        raise ValueError(f"the layer must output (B, C', H', W') maps, got {tuple(maps.shape)}")
    check_int("unit", unit, 0, maps.shape[1] - 1)
    rows, columns = maps.shape[2:]
    check_int("margin", margin, 0, (min(rows, columns) - 1) // 2)
    inner = maps[:, unit, margin : rows - margin, margin : columns - margin]
    values, indices = inner.flatten(1).max(dim=1)
    width = inner.shape[2]
    return values, indices // width + margin, indices % width + margin


def chosen_logits(logits: Tensor, targets: Tensor) -> Tensor:
    """The logit of each image's target class: (B, K), (B,) -> (B,).

    Raises:
        ValueError: if a target is not a class, or there is not one for each image.
    """
    if targets.shape != logits.shape[:1]:
        raise ValueError(f"targets must be ({len(logits)},), got {tuple(targets.shape)}")
    for target in targets.tolist():
        check_int("target", target, 0, logits.shape[1] - 1)
    return logits.gather(1, targets[:, None].long().to(logits.device))[:, 0]
