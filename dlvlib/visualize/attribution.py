"""Which pixels a class depends on: by the gradient, and by covering them."""

from itertools import product

import torch
from torch import Tensor, nn

from dlvlib._common import check_int
from dlvlib.runtime import mode, scale_pixels
from dlvlib.visualize.common import chosen_logits


def saliency(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """How the logit of a class changes with each pixel: d logits[b, targets[b]] / d images[b].

    Its absolute value, the largest over the channels, is the usual picture.

    Args:
        model: (B, C, H, W) images -> (B, K) logits; used in eval mode.
        images: (B, C, H, W) float, or uint8 that is scaled to [0, 1].
        targets: (B,) integers, the class of each image that is asked about.

    Returns:
        (B, C, H, W) float, logit per unit of the pixel scale.

    Raises:
        ValueError: if a target is not a class, or there is not one for each image.

    Source: Simonyan, Vedaldi and Zisserman (2014), section 3, https://arxiv.org/abs/1312.6034
    """
    pixels = scale_pixels(images.detach()).requires_grad_()
    with mode(model, training=False), torch.enable_grad():
        logits = model(pixels.clone())  # (B, K); a clone, since the model may work in place
        return torch.autograd.grad(chosen_logits(logits, targets).sum(), pixels)[0]


@torch.no_grad()
def occlusion_map(
    model: nn.Module,
    image: Tensor,
    target: int,
    *,
    patch: int,
    stride: int = 1,
    fill: float | Tensor = 0.5,
    batch_size: int = 128,
) -> Tensor:
    """The probability of a class while a square patch covers part of the image.

    Args:
        model: (B, C, H, W) images -> (B, K) logits; used in eval mode.
        image: (C, H, W) float, or uint8 that is scaled to [0, 1].
        patch: height and width of the patch in pixels.
        stride: how many pixels it moves at a time.
        fill: what it shows, by default mid-grey of pixels in [0, 1]; a (C, 1, 1) tensor gives a
            colour.
        batch_size: covered images that go through the model at once.

    Returns:
        (rows, columns) in [0, 1]. At [i, j] the patch begins at pixel (i * stride, j * stride);
        it never leaves the image. A low value means that what it covers mattered.

    Raises:
        ValueError: if the patch does not fit, or the target is not a class.

    Source: Zeiler and Fergus (2014), section 4.2, https://doi.org/10.1007/978-3-319-10590-1_53
    """
    if image.ndim != 3:
        raise ValueError(f"image must be (C, H, W), got {tuple(image.shape)}")
    _, height, width = image.shape
    patch = check_int("patch", patch, 1, min(height, width))
    stride, batch_size = check_int("stride", stride, 1), check_int("batch_size", batch_size, 1)
    image, probs = scale_pixels(image), []
    rows, columns = (range(0, n - patch + 1, stride) for n in (height, width))
    corners = list(product(rows, columns))
    with mode(model, training=False):
        for first in range(0, len(corners), batch_size):
            chunk = corners[first : first + batch_size]
            covered = image.repeat(len(chunk), 1, 1, 1)  # (B, C, H, W)
            for i, (row, column) in enumerate(chunk):
                covered[i, :, row : row + patch, column : column + patch] = fill
            logits = model(covered)
            check_int("target", target, 0, logits.shape[1] - 1)
            probs.append(logits.softmax(dim=1)[:, target])
    return torch.cat(probs).view(len(rows), len(columns))
