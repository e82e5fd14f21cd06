import errno
import os
import platform
import random
import stat
import warnings

import numpy as np
import pytest
import torch

from dlvlib import runtime
from dlvlib._common import write_atomically


def test_one_seed_repeats_python_numpy_and_torch():
    def draw():
        runtime.set_seed(7)
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    assert draw() == draw()
    runtime.set_seed(2**32 - 1)  # the largest
    for seed in (-1, 2**32, 1.0, True):
        with pytest.raises(ValueError, match=rf"seed must be an integer in .*, got {seed}"):
            runtime.set_seed(seed)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "meta", None])
def test_an_unusable_device_is_named(name):
    with pytest.raises(ValueError, match=f"device {name!r} cannot be used here"):
        runtime.choose_device(name)


@pytest.mark.parametrize("available", [[], ["mps"], ["cuda", "mps"]])
def test_auto_tries_each_gpu_and_falls_back_to_the_cpu(monkeypatch, available):
    """A stand-in: the driver answers, and the first tensor fails, as with an old GPU."""
    ones = torch.ones

    def failing(*size, device):
        if device.type != "cpu":
            raise RuntimeError("no kernel image is available\nmore")
        return ones(*size, device=device)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in available)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in available)
    monkeypatch.setattr(torch, "ones", failing)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert runtime.choose_device() == torch.device("cpu")
    assert [str(warning.message) for warning in caught] == [
        f"not used: device {name!r} cannot be used here: no kernel image is available"
        for name in available
    ]
    monkeypatch.setattr(torch, "ones", lambda size, device: ones(size))
    assert runtime.choose_device().type == (*available, "cpu")[0]


def test_pixels_are_scaled_to_the_unit_interval():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    scaled = runtime.scale_pixels(pixels)
    assert scaled.dtype == torch.float32
    assert scaled.tolist() == pytest.approx([0, 0.2, 1])
    for images in (scaled, scaled.double(), scaled.bfloat16()):
        again = runtime.scale_pixels(images)
        assert again.dtype == images.dtype and torch.equal(again, images)
        again.zero_()
        assert images.sum() > 1  # a model that works in place does not reach the caller's
    with pytest.raises(TypeError, match="uint8 or floating point, got torch.int64"):
        runtime.scale_pixels(pixels.long())


def test_the_machine_is_described_without_its_name(monkeypatch):
    machine = runtime.describe_machine()
    assert machine["torch"] == torch.__version__
    assert machine["cpu_cores"] == os.cpu_count()
    assert machine["cpu"]
    assert platform.node() not in map(str, machine.values())
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert runtime.describe_machine()["cpu"] == platform.machine()


def test_every_module_gets_its_own_mode_back_even_after_an_error():
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(2, 2))
    model[0].eval()
    with pytest.raises(ZeroDivisionError), runtime.mode(model, training=False):
        assert not any(module.training for module in model.modules())
        raise ZeroDivisionError
    assert [module.training for module in model.modules()] == [True, False, True]


def test_a_file_is_replaced_and_nothing_else(tmp_path, monkeypatch):
    fsync, pipe = os.fsync, tmp_path / "pipe"
    os.mkfifo(pipe)  # stands for /dev/null, which root could replace
    for path in (tmp_path, pipe):
        with pytest.raises(OSError, match="must be a regular file"):
            write_atomically(path, b"")
    assert pipe.is_fifo()
    monkeypatch.setattr(os, "access", lambda folder, mode: False)
    with pytest.raises(OSError, match="folder must be writable"):
        write_atomically(tmp_path / "file", b"")
    monkeypatch.undo()

    def fsync_files(number):
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "a network disk")
        fsync(number)

    monkeypatch.setattr(os, "fsync", fsync_files)
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
