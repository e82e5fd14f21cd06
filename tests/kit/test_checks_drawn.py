"""Layers drawn from a student number: the answers are those of torch, the hints stay apart."""

import pytest
import torch
from torch import nn

from coursekit.checks import check
from coursekit.checks.engine.hints import distinct
from coursekit.checks.layers.questions import OWN, question
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


def test_the_answers_for_a_student_are_those_of_torch():
    for student in (*range(12), 12345, 10**12):
        assert_answers_of_torch(student)


def assert_answers_of_torch(student):
    layers = drawn_layers(student)
    for name, (params, shape, num_bytes) in by_torch(layers).items():
        answers = {"params": params, "shape": shape, "bytes": num_bytes}
        for quantity in set(answers) & set(OWN[name]):
            assert check(f"layers.own.{name}.{quantity}", answers[quantity], student=student)


@pytest.mark.parametrize("student", [0, 3, 12345])
def test_the_operations_for_a_student_follow_from_the_rules(student):
    layers = drawn_layers(student)
    dense, conv, pool = by_torch(layers).values()
    channels, height, width = layers.image
    dense_flops = layers.units * (2 * channels * height * width + 1)
    conv_flops = conv[2] // 4 * (2 * channels * layers.kernel_size**2 + 1)
    compared = pool[2] // 4 * (layers.pool_size**2 - 1)
    assert check("layers.own.dense.flops", dense_flops, student=student)
    assert check("layers.own.conv.flops", conv_flops, student=student)
    assert check("layers.own.pool.comparisons", compared, student=student)
    no_channels = conv[2] // 4 * (2 * layers.kernel_size**2 + 1)
    verdict = check("layers.own.conv.flops", no_channels, student=student)
    assert "all input channels" in verdict.message
    verdict = check("layers.own.dense.flops", dense[0] - layers.units, student=student)
    assert "MACs" in verdict.message


def test_hints_stay_apart_for_every_student():
    for student in range(250):
        layers = drawn_layers(student)
        for layer, quantities in OWN.items():
            for quantity in quantities:
                asked = question(layers, layer, quantity)
                assert asked.judge(asked.expected)
                assert len(set(asked.hints.values())) >= 3, (student, layer, quantity)
                for wrong, hint in asked.hints.items():
                    assert asked.judge(wrong).message == hint, (student, layer, quantity)


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


def test_layers_are_drawn_for_a_whole_number_only():
    for student in (-1, 1.0, "7", None, True):
        with pytest.raises(ValueError, match="student must be an integer >= 0, got"):
            drawn_layers(student)


def test_the_lecture_has_one_channel_and_28_pixels():
    assert LECTURE_LAYERS.image == (1, 28, 28)
    assert LECTURE_LAYERS.texts()["image"].startswith("1 channel of 28 x 28")
    assert drawn_layers(12345).texts()["image"].startswith("12 channels of 20 x 26")


def test_equal_wrong_answers_share_a_hint_and_right_ones_drop_out():
    mistakes = [(4.0, "One."), (8.0, "Two."), (4.0001, "Three."), (4.0, "One."), (5, "Four.")]
    assert distinct(8.00001, mistakes) == {4.0: "One. Or: Three.", 5: "Four."}
    assert distinct((8,), [((8,), "One."), ((8, 1), "Two.")]) == {(8, 1): "Two."}
