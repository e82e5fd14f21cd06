"""Deconvolution in the manner of Zeiler and Fergus: from one activation back to the pixels."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlvlib._common import check_int
from dlvlib.runtime import mode, scale_pixels
from dlvlib.visualize.common import strongest


@torch.no_grad()
def deconvolve(
    features: nn.Sequential,
    images: Tensor,
    *,
    layer: str,
    unit: int,
    position: tuple[int, int] | None = None,
) -> Tensor:
    """Project one activation back to the pixels that it responds to.

    All other activations of the layer are set to zero. Then each layer is undone, from the last to
    the first: pooling puts a value where its maximum was (the switches of the way forward), ReLU
    rectifies again, a convolution applies its filters transposed, batch normalisation its scale.
    Biases and shifts play no part in it. Tanh, whose maps have both signs, response
    normalisation and dropout let the signal pass.

    Args:
        features: convolutions, batch and response normalisation, ReLU or tanh, max pooling and
            dropout, in any nesting of nn.Sequential.
        images: (B, C, H, W) float, or uint8 that is scaled to [0, 1].
        layer: where to start, as in `features.named_modules()`; for a block, its last layer.
        unit: channel of that layer.
        position: (row, column) in its map; by default where each image excites the unit most.

    Returns:
        (B, C, H, W) float; all zero where the activation is zero.

    Raises:
        ValueError: if a layer on the way cannot be undone, or there is no such layer, unit or
            position.

    Source: Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks",
    section 2.1, https://doi.org/10.1007/978-3-319-10590-1_53
    """
    maps, way_back = scale_pixels(images), []
    with mode(features, training=False):
        for module in _chain(features, layer):
            maps, undo = _run(module, maps)
            way_back.append(undo)
    signal = _keep_one(maps, unit, position)
    for undo in reversed(way_back):
        signal = undo(signal)
    return signal


def unpool(pooled: Tensor, switches: Tensor, size: Sequence[int]) -> Tensor:
    """Undo a max pooling: each value goes where its maximum was, all else is zero.

    Where windows overlap and share a maximum, their values add up.

    Args:
        pooled: (B, C, H', W') float.
        switches: (B, C, H', W') int64, row * W + column, from ``return_indices=True``.
        size: (H, W) before the pooling.

    >>> maps = torch.tensor([[[[1.0, 2.0], [4.0, 3.0]]]])
    >>> pooled, switches = F.max_pool2d(maps, 2, return_indices=True)
    >>> unpool(pooled, switches, (2, 2)).tolist()
    [[[[0.0, 0.0], [4.0, 0.0]]]]
    """
    flat = pooled.new_zeros(*pooled.shape[:2], size[0] * size[1])
    flat.scatter_add_(2, switches.flatten(2), pooled.flatten(2))
    return flat.view(*pooled.shape[:2], *size)


# How deconvolution goes forward and remembers the way back.


def _chain(features: nn.Sequential, layer: str) -> list[nn.Module]:
    """The layers from the pixels up to `layer`, without the nn.Sequential around them."""
    if not isinstance(features, nn.Sequential):
        raise ValueError(f"features must be an nn.Sequential, got {type(features).__name__}")
    chain = [
        (name, module)
        for name, module in features.named_modules(remove_duplicate=False)
        if not isinstance(module, nn.Sequential)
    ]
    ends = [i for i, (name, _) in enumerate(chain) if f"{name}.".startswith(f"{layer}.")]
    if not ends:
        names = ", ".join(name for name, _ in chain)
        raise ValueError(f"layer must be one of {names}, got {layer!r}")
    return [module for _, module in chain[: ends[-1] + 1]]


def _run(layer: nn.Module, maps: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The layer's output, and the function that takes a signal back through the layer."""
    size = maps.shape[2:]
    match layer:
        case nn.MaxPool2d():
            window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
            pooled, switches = F.max_pool2d(maps, *window, layer.ceil_mode, return_indices=True)
            return pooled, lambda signal: unpool(signal, switches, size)
        case nn.ReLU():
            return layer(maps), torch.relu
        case nn.Conv2d(padding=tuple() as padding, padding_mode="zeros"):
            return layer(maps), lambda signal: _transpose(layer, padding, signal, size)
        case nn.BatchNorm2d(affine=True, running_var=Tensor() as variance):
            scale = layer.weight / (variance + layer.eps).sqrt()  # (C,)
            return layer(maps), lambda signal: signal * scale[:, None, None]
        case nn.Tanh() | nn.LocalResponseNorm() | nn.Dropout() | nn.Dropout2d() | nn.Identity():
            return layer(maps), lambda signal: signal
    raise ValueError(f"the layers must be ones that can be undone, got {layer}")


def _transpose(
    conv: nn.Conv2d, padding: tuple[int, ...], signal: Tensor, size: Sequence[int]
) -> Tensor:
    """Each value adds its filter, scaled by it: (B, C', H', W') -> (B, C, H, W)."""
    window = zip(conv.kernel_size, conv.stride, padding, conv.dilation, strict=True)
    # The pixels at the end of an axis that a stride of more than 1 skips.
    skipped = [
        (n + 2 * p - d * (k - 1) - 1) % s for n, (k, s, p, d) in zip(size, window, strict=True)
    ]
    return F.conv_transpose2d(
        signal,
        conv.weight,
        stride=conv.stride,
        padding=padding,
        output_padding=skipped,
        groups=conv.groups,
        dilation=conv.dilation,
    )


def _keep_one(maps: Tensor, unit: int, position: tuple[int, int] | None) -> Tensor:
    """The maps with one value for each image, and zero everywhere else."""
    _, rows, columns = strongest(maps, unit)
    if position is not None:
        limits = zip(("row", "column"), position, maps.shape[2:], strict=True)
        row, column = (check_int(name, index, 0, length - 1) for name, index, length in limits)
        rows, columns = torch.full_like(rows, row), torch.full_like(columns, column)
    places = (torch.arange(len(maps), device=maps.device), unit, rows, columns)
    signal = torch.zeros_like(maps)
    signal[places] = maps[places]
    return signal
