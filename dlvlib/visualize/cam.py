"""Where in the maps the evidence for a class lies: class activation maps and Grad-CAM."""

import torch
from torch import Tensor, nn

from dlvlib.runtime import mode, scale_pixels
from dlvlib.visualize.common import chosen_logits, watched


@torch.no_grad()
def class_activation_map(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Split the logit of a class over the positions of the last maps.

    After global average pooling, a logit is a weighted sum of the means of the maps, so it is
    also the mean over the positions of their weighted sum. That sum is the map: its mean, plus
    the bias, is the logit. Negative values speak against the class.

    Args:
        model: `.features`, then a `.head` of global average pooling, flattening and one dense
            layer, as in ResNet or EfficientNet; dropout does nothing. Used in eval mode.
        images: (B, C, H, W) float, or uint8 that is scaled to [0, 1].
        targets: (B,) integers, the class of each image that is asked about.

    Returns:
        (B, H', W') float, where the last maps are (B, C', H', W').

    Raises:
        ValueError: if the head has other layers, a target is not a class, or there is not one
            for each image.

    Source: Zhou et al. (2016), "Learning deep features for discriminative localization",
    equations 1 and 2, https://doi.org/10.1109/CVPR.2016.319
    """
    head = getattr(model, "head", None)
    layers = list(head.children()) if isinstance(head, nn.Module) else []
    layers = [layer for layer in layers if not isinstance(layer, nn.Dropout)]
    match layers:
        case [nn.AdaptiveAvgPool2d(output_size=1 | (1, 1)), nn.Flatten(), nn.Linear() as dense]:
            pass
        case _:
            kinds = ", ".join(type(layer).__name__ for layer in layers) or type(head).__name__
            rule = "the head must be global average pooling, flattening and one dense layer"
            raise ValueError(f"{rule}, got {kinds}")
    with mode(model, training=False):
        maps: Tensor = model.get_submodule("features")(scale_pixels(images))  # (B, C', H', W')
    chosen_logits(maps.new_zeros(len(maps), dense.out_features), targets)  # checks the targets
    weights = dense.weight[targets.long()]  # (B, C')
    return torch.einsum("bc,bchw->bhw", weights, maps)


def grad_cam(model: nn.Module, images: Tensor, targets: Tensor, *, layer: str) -> Tensor:
    """Class activation maps for any layer and any network, by the gradient.

    The weight of each channel is the mean gradient of the logit with respect to its map. Only
    what speaks for the class is kept. At the last maps before global average pooling, this is
    the positive part of the class activation map, divided by the number of positions.

    Args:
        model: (B, C, H, W) images -> (B, K) logits; used in eval mode.
        images: (B, C, H, W) float, or uint8 that is scaled to [0, 1].
        targets: (B,) integers, the class of each image that is asked about.
        layer: name of a layer in `model.named_modules()`; its output is (B, C', H', W').

    Returns:
        (B, H', W') float >= 0, with no upper bound: divide by the maximum to draw it.

    Raises:
        ValueError: if there is no such layer, its output is not a map, it does not run exactly
            once, a target is not a class, or there is not one for each image.

    Source: Selvaraju et al. (2017), "Grad-CAM: visual explanations from deep networks via
    gradient-based localization", equations 1 and 2, https://doi.org/10.1109/ICCV.2017.74
    """
    seen: list[Tensor] = []

    def watch(_module: nn.Module, _inputs: object, maps: Tensor) -> Tensor:
        seen.append(maps if maps.requires_grad else maps.requires_grad_(True))
        return maps.clone()  # a ReLU that follows may work in place

    with watched(model, layer, watch), torch.enable_grad():
        logits = model(scale_pixels(images))
    if len(seen) != 1 or seen[0].ndim != 4:
        found = [tuple(maps.shape) for maps in seen]
        raise ValueError(f"layer {layer!r} must output (B, C', H', W') maps once, got {found}")
    with torch.enable_grad():
        (gradients,) = torch.autograd.grad(chosen_logits(logits, targets).sum(), seen[0])
    weights = gradients.mean(dim=(2, 3))  # (B, C')
    return torch.einsum("bc,bchw->bhw", weights, seen[0].detach()).relu()
