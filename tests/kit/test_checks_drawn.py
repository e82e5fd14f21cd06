"""Layers drawn from a student number: the answers are those of torch, the hints stay apart."""

import math

import pytest
import torch
from torch import nn

from coursekit.checks import check
from coursekit.checks.engine.hints import distinct
from coursekit.checks.layers.questions import OWN
from coursekit.checks.layers.variants import LECTURE_LAYERS, OPTIONS, drawn_layers


def by_torch(image, units, conv, pool):
    """The quantities of each layer, from layers of torch; windows are (size, stride, padding)."""
    kernels, *window = conv
    layers = {
        "dense": nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image), units)),
        "conv": nn.Conv2d(image[0], kernels, *window),
        "pool": nn.MaxPool2d(*pool),
    }
    found = {}
    for name, layer in layers.items():
        output = layer(torch.zeros(1, *image))[0]
        weights, biases = (
            sum(p.numel() for p in layer.parameters() if (p.dim() > 1) == is_weight)
            for is_weight in (True, False)
        )
        places = output.numel() // (biases or 1)
        found[name] = {
            "params": weights + biases,
            "flops": 2 * weights * places + output.numel(),
            "comparisons": (pool[0] ** 2 - 1) * output.numel(),
            "shape": tuple(output.shape),
            "bytes": output.nbytes,
        }
    return found


@pytest.mark.parametrize("student", [*range(12), 12345, 10**12])
def test_the_answers_for_a_student_are_those_of_torch(student):
    drawn = drawn_layers(student)
    conv = (drawn.kernels, drawn.kernel_size, drawn.stride, drawn.padding)
    found = by_torch(drawn.image, drawn.units, conv, (drawn.pool_size, drawn.pool_stride))
    for name, right in found.items():
        answers = tuple(right[quantity] for quantity in OWN[name])
        assert check(f"layers.own.{name}", answers, student=student)
    shape, params, _, num_bytes = answers = tuple(found["conv"][name] for name in OWN["conv"])
    wrong = shape, params, num_bytes // 4 * (2 * drawn.kernel_size**2 + 1), num_bytes
    for answer, words in [
        (wrong, "flops: The channels are missing"),
        (answers[:3], "a tuple (shape, params, flops, bytes), got 3 values."),
        (params, f"a tuple (shape, params, flops, bytes), got {params}."),
    ]:
        assert words in check("layers.own.conv", answer, student=student).message


def test_a_student_number_gives_the_same_layers_for_ever():
    drawn = tuple(vars(drawn_layers(12345)).values())
    assert drawn == ((12, 20, 26), 84, 32, 7, 3, 1, 3, 2)  # in the order of the fields


def test_students_get_different_layers_and_every_option_is_drawn():
    drawn = [drawn_layers(student) for student in range(1000)]
    assert len(set(drawn)) > 980
    for index, name in enumerate(["channels", "height", "width"]):
        assert {layers.image[index] for layers in drawn} == {o for (o,) in OPTIONS[(name,)]}
    for names, options in list(OPTIONS.items())[3:]:
        assert {tuple(getattr(layers, n) for n in names) for layers in drawn} == set(options)

    assert LECTURE_LAYERS.texts()["image"].startswith("1 channel of 28 x 28")
    assert drawn_layers(12345).texts()["image"].startswith("12 channels of 20 x 26")
    with pytest.raises(ValueError, match="student must be an integer >= 0, got True"):
        drawn_layers(True)


def test_equal_wrong_answers_share_a_hint_and_right_ones_drop_out():
    mistakes = [(4.0, "One."), (8.0, "Two."), (4.0001, "Three."), (4.0, "One."), (5, "Four.")]
    assert distinct(8.00001, mistakes) == {4.0: "One. Or: Three.", 5: "Four."}
    assert distinct((8,), [((8,), "One."), ((8, 1), "Two.")]) == {(8, 1): "Two."}
