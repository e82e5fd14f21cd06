"""The exercise on receptive fields; answers come from autograd, models and typed numbers."""

import pytest
import torch
from torch import nn

from coursekit.checks.receptive_field.networks import ALEXNET, LENET, VGG19
from dlvlib.models import build
from dlvlib.profile import receptive_field


@pytest.mark.parametrize(
    ("network", "name", "shape"),
    [
        (LENET, "lenet5", (1, 32, 32)),
        (ALEXNET, "alexnet", (3, 224, 224)),
        (VGG19, "vgg19", (3, 224, 224)),
    ],
)
def test_the_windows_are_those_of_the_models(network, name, shape):
    with torch.device("meta"):
        model = build(name)
    found = []
    for field in receptive_field.of(model, shape):  # steps that change no field are left out
        if not found or (field.size, field.stride) != (found[-1].size, found[-1].stride):
            found.append(field)
    expected = receptive_field.grow(network.values())
    assert [(f.size, f.stride, f.start) for f in expected] == [
        (f.size, f.stride, f.start) for f in found
    ]


def by_gradient(windows, index):
    """First and last pixel with an influence; padding is a shift, so none is put on the row."""
    start, jump = 0, 1  # where output 0 begins
    for _, stride, padding in windows:
        start -= padding * jump
        jump *= stride
    layers = [nn.Conv1d(1, 1, kernel, stride, bias=False) for kernel, stride, _ in windows]
    for layer in layers:
        nn.init.ones_(layer.weight)
    row = torch.ones(1, 1, 10_000, requires_grad=True)  # wider than any field that is drawn
    nn.Sequential(*layers)(row)[0, 0, index].backward()
    touched = row.grad[0, 0].nonzero()[:, 0]
    return int(touched[0]) + start, int(touched[-1]) + start


def by_paths(windows):
    """The field of output 0 of every layer, from the set of the values that it reads."""
    sizes = []
    for depth in range(1, len(windows) + 1):
        read = {0}
        for kernel, stride in reversed(windows[:depth]):
            read = {value * stride + tap for value in read for tap in range(kernel)}
        sizes.append(max(read) - min(read) + 1)
    return sizes


RIGHT = [
    ("lenet_conv2", 14),
    ("lenet_dense1", torch.tensor(32)),
    ("alexnet_conv2", 51.0),
    ("stack_depth", 3),
    ("stack_weights", 1_769_472),
    ("field_sizes", lambda windows: torch.tensor(by_paths(windows))),
    ("first_to_see", [" CONV5-4"]),
    ("pixels_seen", lambda windows, index: list(by_gradient(windows, index))),
    ("statements", "E, a, c"),
    ("effective_growth", "root"),
]


def recurrence(step):
    def field_sizes(windows):
        size, jump, found = 1, 1, []
        for kernel, stride in windows:
            size, jump = step(size, jump, kernel, stride)
            found.append(size)
        return found

    return field_sizes


WRONG = [
    ("lenet_conv2", 1 + 4 + 1 + 4, "strides are forgotten"),
    ("lenet_conv2", 1 + 4 + 2 + 8, "not for its own"),
    ("lenet_conv2", 5 + 2 + 5, "Windows overlap"),
    ("lenet_conv2", 6, "layer below"),
    ("lenet_conv2", 14**2, "area"),
    ("lenet_dense1", 15, "strides are forgotten"),
    ("lenet_dense1", 35, "not for its own"),
    ("lenet_dense1", 4, "product of the strides"),
    ("alexnet_conv2", 27, "not only the last one"),
    ("alexnet_conv2", 51 + 2 * (2 + 2 * 8), "Padding moves"),
    ("alexnet_conv2", 11 + 8 + 4 * 5, "not added"),
    ("stack_depth", 2, "5 pixels"),
    ("stack_depth", 6, "both sides"),
    ("stack_depth", 7 / 3, "overlap"),
    ("stack_weights", 3 * (9 * 256 * 256 + 256), "No biases"),
    ("stack_weights", 27 * 256, "all 256 input channels"),
    ("stack_weights", 9 * 256 * 256, "one layer"),
    ("stack_weights", 49 * 256 * 256, "7x7"),
    ("field_sizes", recurrence(lambda r, j, k, s: (r + k - 1, j)), "strides are forgotten"),
    ("field_sizes", recurrence(lambda r, j, k, s: (r + (k - 1) * j * s, j * s)), "its own"),
    ("field_sizes", recurrence(lambda r, j, k, s: (r + k * j, j * s)), "k - 1 steps"),
    ("field_sizes", recurrence(lambda r, j, k, s: (r + (k - 1) * j, s)), "only the last"),
    ("field_sizes", lambda windows: by_paths(windows)[-1], "last field only"),
    ("field_sizes", lambda windows: [1, *by_paths(windows)], "not asked for"),
    ("field_sizes", lambda windows: [], "got () where"),
    ("first_to_see", "conv5_3", "Close"),
    ("first_to_see", "pool5", "a layer below"),
    ("first_to_see", "dense1", "was it the first"),
    ("first_to_see", "conv1_1", "narrower"),
    ("pixels_seen", lambda w, i: by_gradient([(k, s, 0) for k, s, _ in w], i), "forgotten"),
    ("pixels_seen", lambda w, i: by_gradient([(k, s, -p) for k, s, p in w], i), "sign"),
    ("pixels_seen", lambda w, i: by_gradient(w[::-1], i), "wrong order"),
    ("pixels_seen", lambda w, i: by_gradient(w, 0), "index is forgotten"),
    ("pixels_seen", lambda w, i: (max(0, by_gradient(w, i)[0]), by_gradient(w, i)[1]), "cut"),
    ("pixels_seen", lambda w, i: [n + b for b, n in enumerate(by_gradient(w, i))], "too far"),
    ("statements", {"a", "b", "c", "e"}, "(b)"),
    ("statements", {"a", "c"}, "(e)"),
]
