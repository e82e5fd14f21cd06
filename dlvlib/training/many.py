"""Several seeds at once: the same small net S times, trained in one program.

The weights of the S nets are stacked, and every layer computes all of them in one call. A small
net leaves most of a processor idle, waiting for the next call. `make bench` measures the gain: on
a CPU the tiniest nets and batches win, and LeNet-5 with batches of 100 loses, because S
convolutions at once are a grouped one, which is slow there. A GPU was not measured.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from dlvlib.metrics import cross_entropy, top_k_accuracy
from dlvlib.runtime import choose_device, mode, scale_pixels
from dlvlib.training import augment, distributed
from dlvlib.training.config import TrainConfig
from dlvlib.training.evaluation import Dataset, check_dataset, check_finite
from dlvlib.training.history import EpochRecord, History
from dlvlib.training.precision import autocast, choose_precision, make_optimizer
from dlvlib.training.schedules import epoch_seeds, learning_rate

_DEFAULTS_ONLY = ("patience", "keep", "accumulate", "compile", "aux_weight", "channels_last")
_VAL_BATCH = 1000


@dataclass(frozen=True, eq=False)
class Run:
    """One of the nets, trained, and what happened to it."""

    seed: int
    model: nn.Module
    history: History  # its `seconds` are those of all nets together


class Stack:
    """S models of one shape as one: each parameter (S, ...) holds those of all models."""

    def __init__(self, models: list[nn.Module]) -> None:
        self.models, self.skeleton = models, models[0]
        self.parameters, self.buffers = stack_module_state(models)

    def __call__(self, images: Tensor, *, shared: bool = False) -> Tensor:
        """Return logits (S, B, K) of images (S, B, C, H, W), or (B, C, H, W) shown to all."""

        def one(parameters: dict, buffers: dict, images: Tensor) -> Tensor:
            return functional_call(self.skeleton, (parameters, buffers), (images,))

        dims = (0, 0, None if shared else 0)
        return vmap(one, in_dims=dims)(self.parameters, self.buffers, images)

    @torch.no_grad()
    def hand_back(self) -> None:
        """Give every model its own weights and buffers again."""
        for i, model in enumerate(self.models):
            for name, parameter in model.named_parameters():
                parameter.copy_(self.parameters[name][i])
            for name, buffer in model.named_buffers():
                buffer.copy_(self.buffers[name][i])


def fit_many(
    build: Callable[[], nn.Module],
    seeds: Sequence[int],
    train: Dataset,
    val: Dataset | None,
    config: TrainConfig,
) -> list[Run]:
    """Train one net per seed, all at once; up to rounding as one after the other.

    Each run is that of ``torch.manual_seed(seed); model = build(); fit(model, train, val,
    replace(config, seed=seed))``, with its own start, order and augmentation.

    Args:
        build: returns a new net; every call gives the same shapes.
        seeds: one per net; they take the place of `config.seed`.
        train, val: as in `fit`.

    Raises:
        ValueError: as in `fit`; if a net has dropout, whose masks could not be those of separate
            runs; if the config asks for more than this loop does (early stopping, pieces,
            compilation, auxiliary losses, channels_last, fp16, several processes).
    """
    configs = [replace(config, seed=seed) for seed in seeds]
    _check(configs, config)
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    if precision == "fp16":  # one scaler for all nets would skip steps together
        precision = "float32"
    models = [_start(build, seed).to(device) for seed in seeds]
    for name, dataset in (("train", train), ("val", val)):
        if dataset is not None:
            check_dataset(models[0], name, dataset)
    stack = Stack(models)
    optimizer = make_optimizer(stack.parameters.values(), config, thin=2)  # with the axis S
    images, targets = train.images.to(device), train.targets.to(device)
    histories = [History() for _ in seeds]
    for epoch in range(1, config.num_epochs + 1):
        start = time.perf_counter()
        orders = torch.stack([_order(len(targets), c.seed, epoch) for c in configs])  # (S, N)
        batches = orders.to(device).split(config.batch_size, dim=1)
        sums = torch.zeros(2, len(seeds), dtype=torch.float64, device=device)
        for step, batch in enumerate(batches):  # (S, B)
            total = config.num_epochs * len(batches)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate((epoch - 1) * len(batches) + step, total, config)
            pixels = torch.stack(
                [
                    _pixels(images, index, own, epoch, step)
                    for index, own in zip(batch, configs, strict=True)
                ]
            )  # (S, B, C, H, W)
            with mode(stack.skeleton, training=True), autocast(precision, device):
                logits = stack(pixels).float()  # (S, B, K)
            losses = _losses(logits, targets[batch], config)  # (S,)
            optimizer.zero_grad()
            losses.sum().backward()  # no net sees another: each gets the gradient of its own loss
            optimizer.step()
            sums[0] += losses.detach() * batch.shape[1]
            sums[1] += (logits.argmax(dim=2) == targets[batch]).sum(dim=1)
        means = (sums / len(targets)).T.tolist()  # waits for the device
        val_logits = None if val is None else _predict(stack, val.images.to(device))
        lr = optimizer.param_groups[0]["lr"]
        seconds = time.perf_counter() - start
        for i, (loss, top1) in enumerate(means):
            check_finite(loss, f"the training loss of epoch {epoch}, seed {seeds[i]}", config)
            measured: tuple[float | None, float | None] = (None, None)
            if val is not None:
                measured = _measure(val_logits[i], val.targets.cpu(), epoch, configs[i])
            record = EpochRecord(epoch, lr, loss, top1, *measured, seconds)
            histories[i].epochs.append(record)
    stack.hand_back()
    return [Run(*run) for run in zip(seeds, models, histories, strict=True)]


def _check(configs: list[TrainConfig], config: TrainConfig) -> None:
    if not configs:
        raise ValueError("seeds must hold at least one seed, got none")
    defaults = {field.name: field.default for field in fields(TrainConfig)}
    for name in _DEFAULTS_ONLY:
        if getattr(config, name) != defaults[name]:
            got = getattr(config, name)
            raise ValueError(f"{name} must be {defaults[name]!r} for fit_many, got {got!r}")
    if distributed.current().world > 1:
        raise ValueError(f"fit_many must run in one process, got {distributed.current().world}")


def _start(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        model = build()
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            rule = "a net must have no dropout for fit_many"
            raise ValueError(f"{rule}, got {type(module).__name__}(p={module.p}) at {name!r}")
    return model


def _order(count: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed(epoch_seeds(seed, epoch)[0])
    return torch.randperm(count, generator=generator)


def _pixels(images: Tensor, index: Tensor, own: TrainConfig, epoch: int, step: int) -> Tensor:
    draws = augment.draw(len(index), images.shape[2:], own, epoch=epoch, step=step)
    return augment.load_batch(images, index, draws, slice(None), own)


def _losses(logits: Tensor, targets: Tensor, config: TrainConfig) -> Tensor:
    """Return the mean loss of each net, (S,)."""
    losses = F.cross_entropy(
        logits.flatten(0, 1),
        targets.flatten(),
        label_smoothing=config.label_smoothing,
        reduction="none",
    )
    return losses.view(targets.shape).mean(dim=1)


@torch.no_grad()
def _predict(stack: Stack, images: Tensor) -> Tensor:
    with mode(stack.skeleton, training=False):
        parts = [stack(scale_pixels(part), shared=True) for part in images.split(_VAL_BATCH)]
    return torch.cat(parts, dim=1).cpu()  # (S, N, K)


def _measure(logits: Tensor, targets: Tensor, epoch: int, own: TrainConfig) -> tuple[float, float]:
    largest = logits.abs().max().item()
    check_finite(largest, f"a logit after epoch {epoch}, seed {own.seed}", own)
    return cross_entropy(logits, targets), top_k_accuracy(logits, targets)
