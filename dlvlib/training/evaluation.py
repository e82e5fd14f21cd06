"""Measuring a model, and the rules that its images, targets and logits must keep."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from dlvlib.metrics import cross_entropy, top_k_accuracy
from dlvlib.runtime import choose_device, mode, scale_pixels
from dlvlib.training.config import TrainConfig


class Dataset(Protocol):
    """Anything with `images` (N, C, H, W), uint8 or float, and `targets` (N,) int64."""

    images: Tensor
    targets: Tensor


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found: mean cross-entropy in nats, top-1 in [0, 1], and every logit."""

    loss: float
    top1: float
    logits: Tensor  # (N, K) on the CPU


def evaluate(
    model: nn.Module, dataset: Dataset, *, batch_size: int = 1000, device: str = "auto"
) -> Evaluation:
    """Measure `model` on a data set, in eval mode; the model stays on `device` afterwards.

    Raises:
        TypeError, ValueError: as in `fit`, or if a logit is NaN.
    """
    model.to(choose_device(device))
    check_dataset(model, "dataset", dataset)
    logits, targets = predict(model, dataset.images, batch_size=batch_size), dataset.targets.cpu()
    return Evaluation(cross_entropy(logits, targets), top_k_accuracy(logits, targets), logits)


@torch.no_grad()  # not inference_mode: its results could not take part in later gradients
def predict(model: nn.Module, images: Tensor, *, batch_size: int = 1000) -> Tensor:
    """Return the logits of `model`, computed in eval mode on the device the model is on.

    Shape:
        images: (N, C, H, W) uint8 or float; the logits are (N, K), on the CPU.

    Raises:
        TypeError, ValueError: if images, batch size or the model's output break a rule of `fit`.
    """
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(f"batch_size must be an int >= 1, got {batch_size!r}")
    check_images(model, "images", images)
    device = next(model.parameters(), images).device
    with mode(model, training=False):
        parts = [
            _logits(model, scale_pixels(part.to(device))) for part in images.split(batch_size)
        ]
    return torch.cat(parts).cpu()


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    logits = model(images)
    got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        raise ValueError(f"the model must return logits ({len(images)}, K), got {got}")
    return logits


def check_dataset(model: nn.Module, name: str, dataset: Dataset) -> None:
    """Refuse a data set that `model` cannot learn from, before anything is learned."""
    images, targets = dataset.images, dataset.targets
    check_images(model, f"{name}.images", images)
    if not isinstance(targets, Tensor) or targets.dtype != torch.int64:
        got = getattr(targets, "dtype", type(targets).__name__)
        raise TypeError(f"{name}.targets must be an int64 tensor, got {got}")
    if targets.shape != images.shape[:1]:
        raise ValueError(
            f"{name}.targets must have shape ({len(images)},), one per image, "
            f"got {tuple(targets.shape)}"
        )
    try:
        num_classes = predict(model, images[:2]).shape[1]
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        shape = tuple(images.shape)
        raise ValueError(f"the model cannot take {name}.images {shape}: {reason}") from error
    low, high = targets.min().item(), targets.max().item()
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"{name}.targets must be in [0, {num_classes}), the model's classes, "
            f"got values from {low} to {high}"
        )


def check_images(model: nn.Module, name: str, images: Tensor) -> None:
    """Refuse what is no batch of images of the model's type."""
    if not isinstance(images, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(images).__name__}")
    if images.ndim != 4:
        raise ValueError(f"{name} must have shape (N, C, H, W), got {tuple(images.shape)}")
    if len(images) == 0:
        raise ValueError(f"{name} must hold at least one image, got {tuple(images.shape)}")
    dtype = next(model.parameters(), torch.empty(0)).dtype
    if images.dtype not in (torch.uint8, dtype):
        raise TypeError(f"{name} must be uint8 or the model's {dtype}, got {images.dtype}")


def check_finite(value: float, what: str, config: TrainConfig) -> None:
    """Stop a run that has diverged."""
    if not math.isfinite(value):
        raise FloatingPointError(
            f"{what} must be finite, got {value}; try an lr smaller than {config.lr}"
        )
