"""Number formats, compilation and fused optimizers: the same mathematics, computed faster."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dlvlib.training.config import TrainConfig

if TYPE_CHECKING:
    from dlvlib.training.state import TrainState

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


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


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """Return the context in which a forward pass uses `precision`."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, DTYPES[precision])


def grad_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Return the scaler that keeps small fp16 gradients above zero; elsewhere it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def make_optimizer(
    parameters: Iterable[Tensor], config: TrainConfig, *, thin: int = 1
) -> torch.optim.Optimizer:
    """Return SGD or AdamW over the parameters; on a CUDA GPU as one fused kernel per step.

    With `decay_all` off, parameters with at most `thin` axes (biases, scales and shifts of
    normalisation layers) are in a group of their own, without weight decay.
    """
    parameters = list(parameters)
    groups = [{"params": parameters, "weight_decay": config.weight_decay}]
    if not config.decay_all:
        decayed = [parameter for parameter in parameters if parameter.ndim > thin]
        spared = [parameter for parameter in parameters if parameter.ndim <= thin]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": spared, "weight_decay": 0.0},
        ]
    options = {"lr": config.lr}
    if parameters and all(parameter.is_cuda for parameter in parameters):
        options["fused"] = True  # GradScaler.step would wait for any other one at each step
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, **options)
    return torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.nesterov, **options)


Forward = Callable[[Tensor], tuple[Tensor, list[Tensor]]]


def make_forward(model: nn.Module, config: TrainConfig) -> Forward:
    """Return images -> (logits, auxiliary logits); without `aux_weight` there are none of these.

    Raises:
        ValueError: if `aux_weight` asks for auxiliary logits and the model has none.
    """
    if not config.aux_weight:
        return lambda images: (model(images), [])
    if not hasattr(model, "forward_with_aux"):
        got = f"{config.aux_weight} for {type(model).__name__}"
        raise ValueError(f"aux_weight must be 0 for a model without forward_with_aux, got {got}")
    return model.forward_with_aux


def compile_or_not(forward: Forward, state: TrainState, images: Tensor) -> Forward:
    """Return `forward` compiled, after one trial on `images`; or, with a warning, as it is.

    The trial runs forward and backward, because either may fail to compile. It leaves no trace in
    the weights, the buffers and the random state; the first step clears the gradients.
    """
    model, kind = state.model, state.config.compile
    buffers = [buffer.clone() for buffer in model.buffers()]
    try:
        fast = torch.compile(forward, mode=kind, dynamic=False)  # two shapes: the last batch too
        with torch.random.fork_rng(state.gpus), autocast(state.precision, images.device):
            logits, aux_logits = fast(images)
            sum(part.float().sum() for part in (logits, *aux_logits)).backward()
    except Exception as error:  # each back end fails in its own way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"compile={kind!r} is not possible here, training goes on without it: {reason}"
        warnings.warn(message, RuntimeWarning, stacklevel=3)
        fast = forward
    with torch.no_grad():
        for buffer, before in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(before)
    return fast
