"""Measuring a model, and the rules that the model, its images and its targets must keep."""

import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Protocol

import torch
from torch import Tensor, nn

from dlvlib._common import check_int
from dlvlib.metrics import cross_entropy, predicted_classes, top_k_accuracy
from dlvlib.runtime import choose_device, mode, scale_pixels
from dlvlib.training.config import TrainConfig
from dlvlib.training.distributed import Processes

PIXELS = 5_000_000  # that a GPU gets at once for a prediction


class Dataset(Protocol):
    """Anything with `images` (N, C, H, W), uint8 or float, and `targets` (N,) int64."""

    @property
    def images(self) -> Tensor: ...

    @property
    def targets(self) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found: mean cross-entropy in nats, top-1 in [0, 1], and every logit."""

    loss: float
    top1: float
    logits: Tensor  # (N, K) on the CPU

    @property
    def predictions(self) -> Tensor:
        """The predicted class of every image: (N,) int64, on the CPU."""
        return predicted_classes(self.logits)


def evaluate(
    model: nn.Module, dataset: Dataset, *, batch_size: int | None = None, device: str = "auto"
) -> Evaluation:
    """Measure `model` on a data set, in eval mode; the model stays on `device` afterwards.

    For `batch_size` see `predict`.

    Raises:
        TypeError, ValueError: as in `fit`, or if a logit is NaN.
    """
    model.to(choose_device(device))
    check_dataset(model, "dataset", dataset)
    logits, targets = predict(model, dataset.images, batch_size=batch_size), dataset.targets.cpu()
    return Evaluation(cross_entropy(logits, targets), top_k_accuracy(logits, targets), logits)


@torch.no_grad()  # not inference_mode: its results could not take part in later gradients
def predict(model: nn.Module, images: Tensor, *, batch_size: int | None = None) -> Tensor:
    """Return the logits of `model`, computed in eval mode on the device the model is on.

    The model gets copies: it may work in place. The default batch is 1,000 images on a CPU; on a
    GPU, where many small batches would wait for Python, it is five million pixels.

    Shape:
        images: (N, C, H, W) uint8 or float; the logits are (N, K), on the CPU.

    Raises:
        TypeError, ValueError: if images, batch size or the model's output break a rule of `fit`.
    """
    check_images(model, "images", images)
    device, dtype = next(model.parameters(), images).device, float_type(model)
    if batch_size is None:
        batch_size = 1000 if device.type == "cpu" else max(1, PIXELS // images[0, 0].numel())
    batch_size = check_int("batch_size", batch_size, 1)
    with mode(model, training=False):
        parts = [
            _logits(model, scale_pixels(part.to(device)).to(dtype))
            for part in torch.split(images, batch_size)
        ]
    return torch.cat(parts).cpu()


def prepare_val(
    model: nn.Module, val: Dataset | None, device: torch.device, config: TrainConfig
) -> Dataset | None:
    """Check the validation set, and move its images to the device once."""
    if val is not None:
        check_dataset(model, "val", val)
        return SimpleNamespace(images=val.images.to(device), targets=val.targets)
    if config.patience or config.keep == "best":
        raise ValueError("val must be given for patience and for keep='best', got None")
    return None


def validate(
    model: nn.Module, val: Dataset | None, processes: Processes, epoch: int, config: TrainConfig
) -> tuple[float | None, float | None]:
    """Return loss and top-1, of which each process measures a share; None without a set.

    In the type of the weights, whatever the precision of the training: in bf16, the network of
    experiment 5 is right about 77.88 % of CIFAR-10's test images, and about 77.99 % in float32.

    Raises:
        FloatingPointError: if a logit is infinite or NaN.
    """
    if val is None:
        return None, None
    shard = processes.shards(range(len(val.targets)))[0]
    logits, targets = predict(model, val.images[shard.rows]), val.targets[shard.rows].cpu()
    check_finite(logits.abs().max().item(), f"a logit after epoch {epoch}", config)
    loss, top1 = cross_entropy(logits, targets), top_k_accuracy(logits, targets)
    if processes.world > 1:
        dtype, device = torch.float64, val.images.device
        share = torch.tensor([loss, top1], dtype=dtype, device=device) * shard.weight
        loss, top1 = processes.sum(share).tolist()
    return loss, top1


def float_type(model: nn.Module) -> torch.dtype:
    """Return the type of the model's parameters, which is that of its images."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    logits: object = model(images)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"the model must return logits ({len(images)}, K), got {got}")
    return logits


def check_trainable(model: nn.Module) -> None:
    """Reject a model that cannot learn.

    Raises:
        ValueError: if no parameter requires a gradient, or gradients are switched off.
    """
    if not torch.is_grad_enabled():
        raise ValueError("fit must run with gradients, got a no_grad or inference_mode around it")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("the model must have a parameter that requires a gradient, got none")


def check_dataset(model: nn.Module, name: str, dataset: Dataset) -> None:
    """Reject a data set that `model` cannot learn from, before the first step."""
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
    """Reject anything but a batch of images of the model's type."""
    if not isinstance(images, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(images).__name__}")
    if images.ndim != 4:
        raise ValueError(f"{name} must have shape (N, C, H, W), got {tuple(images.shape)}")
    if len(images) == 0:
        raise ValueError(f"{name} must hold at least one image, got {tuple(images.shape)}")
    dtype = float_type(model)
    if images.dtype not in (torch.uint8, dtype):
        raise TypeError(f"{name} must be uint8 or the model's {dtype}, got {images.dtype}")
    if images.is_floating_point() and not images.isfinite().all():
        first = int((~images.isfinite()).nonzero()[0, 0])
        raise ValueError(f"{name} must hold finite pixels, got NaN or infinity in image {first}")


class OutOfMemoryError(RuntimeError):
    """A batch does not fit into the memory of the device."""


@contextmanager
def explain_out_of_memory(device: torch.device, config: TrainConfig) -> Iterator[None]:
    """Add advice to torch's error, which on a CPU is known only by its message."""
    try:
        yield
    except RuntimeError as error:
        signs = ("out of memory", "can't allocate memory", "not enough memory")
        if not any(sign in str(error) for sign in signs):
            raise
        traceback.clear_frames(error.__traceback__)  # their tensors would keep the memory
        raise OutOfMemoryError(
            f"{device} has no room for a batch of {config.batch_size}; take a smaller "
            f"batch_size, or accumulate > {config.accumulate}"
        ) from None


def check_finite(value: float, what: str, config: TrainConfig) -> None:
    """Stop a run that has diverged."""
    if not math.isfinite(value):
        raise FloatingPointError(
            f"{what} must be finite, got {value}; try an lr smaller than {config.lr}"
        )
