"""The training loop of the course: mini-batch gradient descent, written to be read.

The data is moved to the device once, a batch is picked by index, and the running sums stay on
the device, so that the time goes into the network and not into feeding it.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from dlvlib.metrics import cross_entropy, top_k_accuracy
from dlvlib.runtime import choose_device, scale_pixels


class Dataset(Protocol):
    """Anything with `images` (N, C, H, W), uint8 or float, and `targets` (N,) int64."""

    images: Tensor
    targets: Tensor


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides how a model is trained; an invalid value is refused at once.

    Raises:
        ValueError: if a field breaks its rule; the message names both.
    """

    num_epochs: int = 10
    batch_size: int = 100
    lr: float = 0.01
    momentum: float = 0.0  # "sgd" only
    nesterov: bool = False
    weight_decay: float = 0.0
    optimizer: str = "sgd"  # or "adamw"
    schedule: str = "constant"  # or "cosine" or "step"; see `learning_rate`
    milestones: tuple[float, ...] = (0.5, 0.75)  # for "step", as fractions of all steps
    warmup_steps: int = 0
    label_smoothing: float = 0.0
    seed: int = 0
    device: str = "auto"
    progress: bool = True  # a bar in a terminal; files and notebooks never get one

    def __post_init__(self) -> None:
        if isinstance(self.milestones, list):  # as JSON gives it back
            object.__setattr__(self, "milestones", tuple(self.milestones))
        for names, rule, holds in _RULES:
            for name in names.split():
                if not holds(getattr(self, name)):
                    raise ValueError(f"{name} must be {rule}, got {getattr(self, name)!r}")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum must be 0 unless optimizer is sgd, got {self.momentum}")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov must be False while momentum is 0, got True")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_rising_fractions(values: object) -> bool:
    numbers = isinstance(values, tuple) and all(_is_number(value) for value in values)
    return numbers and all(low < high for low, high in pairwise((0, *values, 1)))


_RULES: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("num_epochs batch_size", "an int >= 1", lambda v: type(v) is int and v >= 1),
    ("warmup_steps", "an int >= 0", lambda v: type(v) is int and v >= 0),
    ("seed", "an int in [0, 2**32)", lambda v: type(v) is int and 0 <= v < 2**32),
    ("lr", "a number > 0", lambda v: _is_number(v) and 0 < v < math.inf),
    ("weight_decay", "a number >= 0", lambda v: _is_number(v) and 0 <= v < math.inf),
    ("momentum label_smoothing", "in [0, 1)", lambda v: _is_number(v) and 0 <= v < 1),
    ("milestones", "fractions rising between 0 and 1", _are_rising_fractions),
    ("optimizer", "sgd or adamw", lambda v: v in ("sgd", "adamw")),
    ("schedule", "constant, cosine or step", lambda v: v in ("constant", "cosine", "step")),
    ("nesterov progress", "True or False", lambda v: isinstance(v, bool)),
    ("device", "a name", lambda v: isinstance(v, str)),
)


@dataclass(frozen=True)
class EpochRecord:
    """One epoch in numbers; losses in nats, top-1 accuracies in [0, 1].

    `train_loss` and `train_top1` are running averages over the images of the epoch, each
    measured just before the step that learns from it. The weights move meanwhile, so early in
    training they look worse than `val_loss` and `val_top1`, measured when the epoch is over.
    `train_loss` includes label smoothing, `val_loss` never does. `lr` is that of the last step.
    """

    epoch: int  # counted from 1
    lr: float
    train_loss: float
    train_top1: float
    val_loss: float | None  # None if there is no validation set
    val_top1: float | None
    seconds: float  # training and validation


@dataclass
class History:
    """The records of a run, one per epoch, in order."""

    epochs: list[EpochRecord] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Wall time of all epochs together."""
        return sum(record.seconds for record in self.epochs)

    def column(self, name: str) -> list[Any]:
        """Return one field of every epoch, for instance ``column("val_top1")``."""
        names = [f.name for f in fields(EpochRecord)]
        if name not in names:
            raise ValueError(f"column must be one of {', '.join(names)}, got {name!r}")
        return [getattr(record, name) for record in self.epochs]

    def to_list(self) -> list[dict[str, Any]]:
        """Return the epochs as dictionaries, ready for JSON."""
        return [asdict(record) for record in self.epochs]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found: mean cross-entropy in nats, top-1 in [0, 1], and every logit."""

    loss: float
    top1: float
    logits: Tensor  # (N, K) on the CPU


def fit(
    model: nn.Module,
    train: Dataset,
    val: Dataset | None,
    config: TrainConfig,
    *,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> History:
    """Train `model` in place and return what happened, epoch by epoch.

    The order of the images and the dropout masks follow from `config.seed` alone; initialising
    the model is the caller's. On a CPU with a fixed number of threads, the same start and the
    same config give the same weights to the last bit. The model ends up on the device, its
    modules in the modes they came in; torch's random state on the CPU and CUDA is left alone.

    Args:
        model: maps images (B, C, H, W) to logits (B, K).
        train: learned from, one pass in a new order per epoch; uint8 pixels are scaled.
        val: measured after each epoch and never learned from, or None.
        on_epoch: called with each record as soon as it exists.

    Raises:
        TypeError: if images or targets are of a wrong type.
        ValueError: if a data set is empty or of a wrong shape, a target is not one of the
            model's K classes, or the model does not return (B, K).
        FloatingPointError: if the loss becomes infinite or NaN. Looked for once per epoch, and
            the model is left as it is then, usually beyond repair.
    """
    device = choose_device(config.device)
    model.to(device)
    _check_dataset(model, "train", train)
    images, targets = train.images.to(device), train.targets.to(device)  # once, not per batch
    if val is not None:
        _check_dataset(model, "val", val)
        val_images, val_targets = val.images.to(device), val.targets.cpu()
    optimizer = _make_optimizer(model, config)
    history = History()
    for epoch in range(1, config.num_epochs + 1):
        start = time.perf_counter()
        train_loss, train_top1 = _train_epoch(model, images, targets, optimizer, config, epoch)
        _check_finite(train_loss, f"the training loss of epoch {epoch}", config)
        val_loss = val_top1 = None
        if val is not None:
            logits = predict(model, val_images)
            _check_finite(logits.abs().max().item(), f"a logit after epoch {epoch}", config)
            val_loss = cross_entropy(logits, val_targets)
            val_top1 = top_k_accuracy(logits, val_targets)
        lr = optimizer.param_groups[0]["lr"]
        seconds = time.perf_counter() - start
        record = EpochRecord(epoch, lr, train_loss, train_top1, val_loss, val_top1, seconds)
        history.epochs.append(record)
        if on_epoch is not None:
            on_epoch(record)
    return history


def _train_epoch(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    epoch: int,
) -> tuple[float, float]:
    """Take one step per batch over all images; return the running mean loss and top-1."""
    device = images.device
    gpus = [device] if device.type == "cuda" else []
    order_seed, dropout_seed = epoch_seeds(config.seed, epoch)
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(order_seed))
    batches = order.to(device).split(config.batch_size)  # the last one may be smaller
    total_steps = config.num_epochs * len(batches)
    silent = None if config.progress else True  # None: silent unless on a terminal
    rarely = {"miniters": 50, "maxinterval": math.inf}  # redraw at most every 50 steps
    bar = tqdm(batches, f"epoch {epoch}/{config.num_epochs}", disable=silent, **rarely)
    dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
    sums = torch.zeros(3, dtype=dtype, device=device)  # loss, correct, seen

    with _mode(model, training=True), torch.random.fork_rng(gpus):
        torch.manual_seed(dropout_seed)
        for step, index in enumerate(bar, start=(epoch - 1) * len(batches)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total_steps, config)
            batch_targets = targets[index]  # (B,)
            logits = model(scale_pixels(images[index]))  # (B, K)
            loss = F.cross_entropy(logits, batch_targets, label_smoothing=config.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

            sums[0] += loss.detach() * len(index)  # weighted: the last batch may be smaller
            sums[1] += (logits.argmax(dim=1) == batch_targets).sum()
            sums[2] += len(index)
    loss_sum, correct, seen = sums.tolist()  # the only wait for the device in the epoch
    return loss_sum / seen, correct / seen


def epoch_seeds(seed: int, epoch: int) -> list[int]:
    """Return two seeds for an epoch: one for the order of the images, one for dropout.

    NumPy mixes the pair, because torch's CPU generator reads only the lowest 32 bits of a seed.
    """
    return np.random.SeedSequence((seed, epoch)).generate_state(2).tolist()


def learning_rate(step: int, total_steps: int, config: TrainConfig) -> float:
    """Return the learning rate of a step: a function of the step and nothing else.

    The warm-up rises linearly and reaches `lr` with its last step. Then "constant" stays,
    "cosine" falls along half a cosine towards 0 at `total_steps`, and "step" divides by ten at
    each milestone. Steps count from 0 over the whole run.

    Raises:
        ValueError: if step is not in [0, total_steps), or the warm-up leaves no step after it.
    """
    warmup = config.warmup_steps
    if not 0 <= step < total_steps:
        raise ValueError(f"step must be in [0, {total_steps}), got {step}")
    if warmup >= total_steps:
        raise ValueError(f"warmup_steps must be below the {total_steps} steps, got {warmup}")
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.schedule == "cosine":
        progress = (step - warmup) / (total_steps - warmup)  # in [0, 1)
        return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
    if config.schedule == "step":
        passed = sum(step >= milestone * total_steps for milestone in config.milestones)
        return config.lr * 0.1**passed
    return config.lr


def evaluate(
    model: nn.Module, dataset: Dataset, *, batch_size: int = 1000, device: str = "auto"
) -> Evaluation:
    """Measure `model` on a data set, in eval mode; the model stays on `device` afterwards.

    Raises:
        TypeError, ValueError: as in `fit`, or if a logit is NaN.
    """
    model.to(choose_device(device))
    _check_dataset(model, "dataset", dataset)
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
    _check_images(model, "images", images)
    device = next(model.parameters(), images).device
    with _mode(model, training=False):
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


def _make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    common = {"lr": config.lr, "weight_decay": config.weight_decay}
    if config.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), **common)
    return torch.optim.SGD(
        model.parameters(), momentum=config.momentum, nesterov=config.nesterov, **common
    )


@contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put `model` in train or eval mode, and every module back into its own mode afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was_training in before:
            module.training = was_training


def _check_dataset(model: nn.Module, name: str, dataset: Dataset) -> None:
    images, targets = dataset.images, dataset.targets
    _check_images(model, f"{name}.images", images)
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


def _check_images(model: nn.Module, name: str, images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(images).__name__}")
    if images.ndim != 4:
        raise ValueError(f"{name} must have shape (N, C, H, W), got {tuple(images.shape)}")
    if len(images) == 0:
        raise ValueError(f"{name} must hold at least one image, got {tuple(images.shape)}")
    dtype = next(model.parameters(), torch.empty(0)).dtype
    if images.dtype not in (torch.uint8, dtype):
        raise TypeError(f"{name} must be uint8 or the model's {dtype}, got {images.dtype}")


def _check_finite(value: float, what: str, config: TrainConfig) -> None:
    if not math.isfinite(value):
        raise FloatingPointError(
            f"{what} must be finite, got {value}; try an lr smaller than {config.lr}"
        )
