import random

import numpy as np
import pytest
import torch

from dlvlib import runtime


def test_one_seed_repeats_python_numpy_and_torch():
    def draw():
        runtime.set_seed(7)
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    assert draw() == draw()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=rf"seed must be in \[0, 2\*\*32\), got {seed}"):
        runtime.set_seed(seed)


def test_the_cpu_is_always_there():
    assert runtime.choose_device("cpu") == torch.device("cpu")
    assert runtime.choose_device().type in {"cpu", "cuda", "mps"}


@pytest.mark.parametrize("name", ["gpu", "cuda:99", ""])
def test_an_unusable_device_is_named(name):
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used here"):
        runtime.choose_device(name)


def test_pixels_are_scaled_to_the_unit_interval():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    scaled = runtime.scale_pixels(pixels)
    assert scaled.dtype == torch.float32
    assert scaled.tolist() == pytest.approx([0, 0.2, 1])
    assert runtime.scale_pixels(scaled) is scaled
    with pytest.raises(TypeError, match="uint8 or floating point, got torch.int64"):
        runtime.scale_pixels(pixels.long())


def test_the_machine_is_described_without_its_name():
    machine = runtime.describe_machine()
    assert machine["torch"] == torch.__version__
    assert machine["cpu_cores"] >= 1
    assert machine["cpu"]
    import platform

    assert platform.node() not in map(str, machine.values())


def test_every_module_gets_its_own_mode_back_even_after_an_error():
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(2, 2))
    model[0].eval()
    with pytest.raises(ZeroDivisionError), runtime.mode(model, training=False):
        assert not any(module.training for module in model.modules())
        raise ZeroDivisionError
    assert [module.training for module in model.modules()] == [True, False, True]
