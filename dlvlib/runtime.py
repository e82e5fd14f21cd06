"""What a run stands on: seed, device, machine, train or eval mode, and pixels as numbers."""

import os
import platform
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import dlvlib


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and torch (CPU and every GPU) with the same number.

    Raises:
        ValueError: if `seed` is not in [0, 2**32), the range NumPy accepts.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in [0, 2**32), got {seed}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - scikit-learn and user code still read the global state
    torch.manual_seed(seed)


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: if `name` is no device of torch, or this machine does not have it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used here: {reason}") from error
    return device


def scale_pixels(images: Tensor) -> Tensor:
    """Turn uint8 pixels in [0, 255] into float32 in [0, 1]; floating-point images pass unchanged.

    Shape:
        images: (..., C, H, W) uint8 or float; the result has the same shape and device.

    Raises:
        TypeError: if `images` is of another type, for instance int64.
    """
    if images.dtype == torch.uint8:
        return images.float().div_(255)
    if images.is_floating_point():
        return images
    raise TypeError(f"images must be uint8 or floating point, got {images.dtype}")


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put `model` in train or eval mode, and every module back into its own mode afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was_training in before:
            module.training = was_training


def describe_machine() -> dict[str, str | int]:
    """Return what a timing depends on: hardware, threads and versions, without the host's name."""
    has_cuda = torch.cuda.is_available()
    return {
        "accelerator": torch.cuda.get_device_name() if has_cuda else "none",
        "cpu": _cpu_model(),
        "cpu_cores": os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "dlvlib": dlvlib.__version__,
    }


def _cpu_model() -> str:
    """Return the processor's name where the system tells it, else its architecture."""
    if sys.platform == "linux":
        with Path("/proc/cpuinfo").open(encoding="utf8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
