"""Seeding, device choice, train and eval mode, scaling of pixels, machine description."""

import os
import platform
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import dlvlib
from dlvlib._common import check_int


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and torch (CPU and every GPU) with the same number.

    Raises:
        ValueError: if `seed` is not in [0, 2**32), the range NumPy accepts.
    """
    seed = check_int("seed", seed, 0, 2**32 - 1)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - scikit-learn and user code still read the global state
    torch.manual_seed(seed)


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; "auto" takes CUDA, then Apple's MPS, then the CPU.

    The device returned has been tried with one addition. Where "auto" finds a GPU that fails at
    that, it warns and tries the next.

    Raises:
        ValueError: if `name` is not a torch device, or cannot be used on this machine.
    """
    if name == "auto":
        found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        for gpu in filter(found.get, found):
            try:
                return choose_device(gpu)
            except ValueError as error:
                warnings.warn(f"not used: {error}", stacklevel=2)
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).add(1).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used here: {reason}") from error
    return device


def scale_pixels(images: Tensor) -> Tensor:
    """Turn uint8 pixels in [0, 255] into float32 in [0, 1]; floats keep their values and type.

    The result is always a new tensor, so a model that works in place on it cannot change `images`.

    Shape:
        images: (..., C, H, W) uint8 or float; the result has the same shape and device.

    Raises:
        TypeError: if `images` is of another type, for instance int64.
    """
    if images.dtype == torch.uint8:
        return images.float().div_(255)
    if images.is_floating_point():
        return images.clone()
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
    accelerator = "none"
    with suppress(RuntimeError, AssertionError):  # a broken driver
        if torch.cuda.is_available():
            accelerator = torch.cuda.get_device_name()
    return {
        "accelerator": accelerator,
        "cpu": _cpu_model(),
        "cpu_cores": os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "dlvlib": dlvlib.__version__,
    }


def _cpu_model() -> str:
    """Return the processor's name where the system knows it, else its architecture."""
    if sys.platform == "linux":
        with suppress(OSError), Path("/proc/cpuinfo").open(errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
