"""Number formats, compilation and fused optimizers: the same mathematics, computed faster."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from dlvlib.runtime import mode
from dlvlib.training.augment import Batches
from dlvlib.training.config import TrainConfig

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
Forward = Callable[[Tensor], tuple[Tensor, list[Tensor]]]


def gpus(device: torch.device) -> list[torch.device]:
    """Return the devices whose random state is kept apart from the CPU's."""
    return [device] if device.type == "cuda" else []


def choose_precision(name: str, device: torch.device) -> str:
    """Return "float32", "bf16" or "fp16"; "auto" takes what the device computes fast.

    That is bf16 on a CUDA GPU of capability 8 and up, fp16 on one of 7 (a T4 is 7.5), and
    float32 on an older one and everywhere else. The capability decides, because
    `torch.cuda.is_bf16_supported` may count emulation. Under bf16 and fp16 the weights stay
    float32; autocast lets the matrix products use 16 bits, and the loss is float32 again.

    Raises:
        ValueError: if the device cannot compute in the format asked for.
    """
    if name == "auto":
        if device.type != "cuda":
            return "float32"
        major, _ = torch.cuda.get_device_capability(device)
        return "bf16" if major >= 8 else "fp16" if major == 7 else "float32"
    if name == "fp16" and device.type != "cuda":
        raise ValueError(f"precision fp16 must run on a CUDA GPU, got {device.type}: take bf16")
    return name


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which the forward pass computes in this format."""
    if precision == "float32":
        return nullcontext()
    # without its cache of cast weights: a CUDA graph must cast them at each replay
    return torch.autocast(device.type, DTYPES[precision], cache_enabled=False)


def grad_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Return the scaler that keeps small fp16 gradients above zero; elsewhere it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def make_optimizer(parameters: Iterable[Tensor], config: TrainConfig) -> torch.optim.Optimizer:
    """Return SGD or AdamW over the parameters; on a CUDA GPU as one fused kernel per step.

    With `decay_all` off, parameters with one axis (biases, scales and shifts of normalisation
    layers) are in a group of their own, without weight decay. The momentum of a fused SGD starts
    from zeros: torch would leave it uninitialised where `GradScaler` skips the first step.
    """
    parameters = list(parameters)
    groups: list[dict[str, Any]] = [{"params": parameters, "weight_decay": config.weight_decay}]
    if not config.decay_all:
        groups[0]["params"] = [p for p in parameters if p.ndim > 1]
        groups.append({"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0})
    options: dict[str, Any] = {"lr": config.lr}
    if parameters and all(parameter.is_cuda for parameter in parameters):
        options["fused"] = True  # GradScaler.step would wait for any other one at each step
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, **options)
    sgd = torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.nesterov, **options)
    if config.momentum and "fused" in options:
        for parameter in parameters:
            sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


def prepare_forward(
    model: nn.Module, config: TrainConfig, precision: str, batches: Batches
) -> Forward:
    """Return images -> (logits, auxiliary logits), which computes in the format of `precision`.

    Without `aux_weight` there are no auxiliary logits.

    Raises:
        ValueError: if `aux_weight` asks for auxiliary logits and the model has none, or the
            model cannot train on a single image, where a batch leaves one.
    """
    forward: Forward = lambda images: (model(images), [])  # noqa: E731
    if config.aux_weight:
        if not hasattr(model, "forward_with_aux"):
            got = f"{config.aux_weight} for {type(model).__name__}"
            rule = "aux_weight must be 0 for a model without forward_with_aux"
            raise ValueError(f"{rule}, got {got}")
        forward = cast(Forward, model.forward_with_aux)
    shards = batches.shards(0) + batches.shards(batches.num_steps - 1)
    single = next((s.rows for s in shards if len(batches.order[s.rows]) == 1), None)
    if single is not None:
        _check_single_image(model, forward, batches.load(single)[0])
    if config.compile != "none":
        images, _ = batches.load(shards[0].rows)
        forward = _compile_or_not(forward, model, images, config.compile, precision)

    def in_format(images: Tensor) -> tuple[Tensor, list[Tensor]]:
        with autocast(precision, images.device):
            return forward(images)

    return in_format


def _check_single_image(model: nn.Module, forward: Forward, image: Tensor) -> None:
    """Reject a model that cannot train on one image, as with BatchNorm after a dense layer."""
    try:
        with _untouched(model, image.device), torch.no_grad():
            forward(image)
    except ValueError as error:
        raise ValueError(
            "no batch may hold or leave a single image for this model, which cannot train on one "
            f"({error}); take another batch_size, or a smaller accumulate"
        ) from error


def _compile_or_not(
    forward: Forward, model: nn.Module, images: Tensor, kind: str, precision: str
) -> Forward:
    """Return `forward` compiled, after one trial on `images`; or, with a warning, as it is.

    The trial runs forward and backward, because either may fail to compile; the first step clears
    the gradients.
    """
    device = images.device
    try:
        fast = torch.compile(forward, mode=kind, dynamic=False)  # two shapes: the last batch too
        with _untouched(model, device), autocast(precision, device):
            logits, aux_logits = fast(images)
            total = torch.stack([part.float().sum() for part in (logits, *aux_logits)]).sum()
            total.backward()  # type: ignore[no-untyped-call]
    except Exception as error:  # each back end fails in its own way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"compile={kind!r} is not possible here, training continues without it: {reason}"
        warnings.warn(message, RuntimeWarning, stacklevel=4)
        return forward
    return fast


@contextmanager
def _untouched(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Try the model in train mode; buffers, modes and random state are as before afterwards."""
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        with mode(model, training=True), torch.random.fork_rng(gpus(device)):
            yield
    finally:
        with torch.no_grad():
            for buffer, saved in zip(model.buffers(), before, strict=True):
                buffer.copy_(saved)
