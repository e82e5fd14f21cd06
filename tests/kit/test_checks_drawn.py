"""Layers drawn from a student number: the answers are those of torch, the hints stay apart."""

import pytest
import torch
from torch import nn

from coursekit.checks import check
from coursekit.checks.engine.hints import distinct
from coursekit.checks.layers.questions import OWN
from coursekit.checks.layers.variants import LECTURE_LAYERS, OPTIONS, Layers, drawn_layers


def by_torch(layers: Layers) -> dict[str, tuple]:
    """(parameters, output shape, bytes) of each layer, counted by torch."""
    channels, height, width = layers.image
    image = torch.zeros(1, *layers.image)
    window = {"stride": layers.stride, "padding": layers.padding}
    built = {
        "dense": nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, layers.units)),
        "conv": nn.Conv2d(channels, layers.kernels, layers.kernel_size, **window),
        "pool": nn.MaxPool2d(layers.pool_size, stride=layers.pool_stride),
    }
    found = {}
    for name, layer in built.items():
        output = layer(image)[0]
        params = sum(p.numel() for p in layer.parameters())
        found[name] = params, tuple(output.shape), output.numel() * output.element_size()
    return found


@pytest.mark.parametrize("student", [*range(12), 12345, 10**12])
def test_the_answers_for_a_student_are_those_of_torch(student):
    layers = drawn_layers(student)
    found = by_torch(layers)
    values = {name: num_bytes // 4 for name, (_, _, num_bytes) in found.items()}
    channels, height, width = layers.image
    operations = {
        "dense": values["dense"] * (2 * channels * height * width + 1),
        "conv": values["conv"] * (2 * channels * layers.kernel_size**2 + 1),
        "pool": values["pool"] * (layers.pool_size**2 - 1),
    }
    for name, (params, shape, num_bytes) in found.items():
        right = {"params": params, "shape": shape, "bytes": num_bytes}
        right["comparisons" if name == "pool" else "flops"] = operations[name]
        answers = tuple(right[quantity] for quantity in OWN[name])
        assert check(f"layers.own.{name}", answers, student=student)
    params, shape, num_bytes = found["conv"]
    no_channels = values["conv"] * (2 * layers.kernel_size**2 + 1)
    answers = shape, params, no_channels, num_bytes
    verdict = check("layers.own.conv", answers, student=student)
    assert verdict.message.startswith("flops: The channels are missing")
    for answer, got in [(answers[:3], "3 values"), (params, str(params))]:
        form = f"a tuple (shape, params, flops, bytes), got {got}."
        assert form in check("layers.own.conv", answer, student=student).message


def test_a_student_number_gives_the_same_layers_for_ever():
    assert drawn_layers(12345) == Layers(
        image=(12, 20, 26),
        units=84,
        kernels=32,
        kernel_size=7,
        stride=3,
        padding=1,
        pool_size=3,
        pool_stride=2,
    )


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
