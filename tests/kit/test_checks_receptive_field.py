"""The exercise on receptive fields; answers come from autograd, models and typed numbers."""

from functools import partial

import pytest
import torch
from torch import nn

from coursekit.checks.receptive_field.networks import ALEXNET, OVERLAPPING, VGG19
from dlvlib.models import build
from dlvlib.profile import receptive_field


def overlapping():
    """LeNet with poolings of 3x3, stride 2."""
    model = build("lenet5")
    for place, layer in enumerate(model.features):
        if isinstance(layer, nn.MaxPool2d):
            model.features[place] = nn.MaxPool2d(3, stride=2)
    return nn.Sequential(*model.features, nn.Flatten(), nn.Linear(16 * 4 * 4, 120))


@pytest.mark.parametrize(
    ("network", "make", "shape"),
    [
        (OVERLAPPING, overlapping, (1, 32, 32)),
        (ALEXNET, partial(build, "alexnet"), (3, 224, 224)),
        (VGG19, partial(build, "vgg19"), (3, 224, 224)),
    ],
)
def test_the_windows_are_those_of_the_models(network, make, shape):
    with torch.device("meta"):
        model = make()
    found = []
    for field in receptive_field.of(model, shape):  # steps that change no field are left out
        if not found or (field.size, field.stride) != (found[-1].size, found[-1].stride):
            found.append(field)
    expected = receptive_field.grow(network.values())
    assert [(f.size, f.stride, f.start) for f in expected] == [
        (f.size, f.stride, f.start) for f in found
    ]


def by_gradient(windows, index, width=10_000):  # wider than any field that is drawn
    """First and last pixel with an influence; padding is a shift, so none is put on the row."""
    start, jump = 0, 1  # where output 0 begins
    for _, stride, padding in windows:
        start -= padding * jump
        jump *= stride
    layers = [nn.Conv1d(1, 1, kernel, stride, bias=False) for kernel, stride, _ in windows]
    for layer in layers:
        nn.init.ones_(layer.weight)
    row = torch.ones(1, 1, width, requires_grad=True)
    nn.Sequential(*layers)(row)[0, 0, index].backward()
    touched = row.grad[0, 0].nonzero()[:, 0]
    return int(touched[0]) + start, int(touched[-1]) + start


def of_model(model, shape, place=-1):
    return receptive_field.of(model, shape)[place].size


def careful():
    """The beginning of AlexNet, its first stride halved."""
    first = nn.Conv2d(3, 96, 11, stride=2, padding=2)
    return nn.Sequential(first, nn.MaxPool2d(3, stride=2), nn.Conv2d(96, 256, 5, padding=2))


def see_all(image, num_values):
    """How many values of a row of conv5_4 have both ends of the image in their field."""
    windows = [VGG19[name] for name in list(VGG19)[: list(VGG19).index("conv5_4") + 1]]
    fields = [by_gradient(windows, index, 1_000) for index in range(num_values)]
    return sum(first <= 0 and last >= image - 1 for first, last in fields)


def spread(num_layers, width):
    """The standard deviation of the ends of all paths, from the count of each."""
    ends = torch.tensor([1.0], dtype=torch.double)
    for _ in range(num_layers):
        ends = nn.functional.conv1d(
            ends[None, None], torch.ones(1, 1, width, dtype=torch.double), padding=width - 1
        )[0, 0]
    place = torch.arange(len(ends)) - len(ends) // 2
    return ((ends * place**2).sum() / ends.sum()).sqrt()


def by_paths(windows):
    """The field of output 0 of every layer, from the set of the values that it reads."""
    sizes = []
    for depth in range(1, len(windows) + 1):
        read = {0}
        for kernel, stride, dilation in reversed(windows[:depth]):
            read = {value * stride + tap * dilation for value in read for tap in range(kernel)}
        sizes.append(max(read) - min(read) + 1)
    return sizes


RIGHT = [
    ("lenet_conv2", 15),
    ("lenet_dense1", torch.tensor(of_model(overlapping(), (1, 32, 32)))),
    ("alexnet_conv2", float(of_model(careful(), (3, 224, 224)))),
    ("stack_depth", 3),
    ("stack_weights", 3 * nn.Conv2d(128, 128, 5, bias=False).weight.numel()),
    ("field_sizes", lambda windows: torch.tensor(by_paths(windows))),
    ("first_to_see", [" CONV5-4"]),
    ("pixels_seen", lambda windows, index: list(by_gradient(windows, index))),
    ("whole_width", see_all(224, 14)),
    ("statements", "E, a, c"),
    ("effective_spread", spread(8, 5)),
]


WRONG = [
    ("lenet_conv2", 14, "LeNet itself"),
    ("lenet_conv2", 1 + 4 + 2 + 4, "strides are forgotten"),
    ("lenet_conv2", 1 + 4 + 4 + 8, "not for its own"),
    ("lenet_conv2", 5 + 3 + 5, "Windows overlap"),
    ("lenet_conv2", 7, "layer below"),
    ("lenet_conv2", 15**2, "area"),
    ("lenet_dense1", 16, "strides are forgotten"),
    ("lenet_dense1", 37, "not for its own"),
    ("lenet_dense1", 4, "product of the strides"),
    ("alexnet_conv2", 23, "not only the last one"),
    ("alexnet_conv2", 51, "AlexNet itself"),
    ("alexnet_conv2", 11 + 4 + 3 * 4, "not added"),
    ("stack_depth", 2, "9 pixels"),
    ("stack_depth", 6, "both sides"),
    ("stack_depth", 13 / 5, "overlap"),
    ("stack_weights", 3 * (25 * 128 * 128 + 128), "No biases"),
    ("stack_weights", 75 * 128, "all 128 input channels"),
    ("stack_weights", 25 * 128 * 128, "one layer"),
    ("stack_weights", 169 * 128 * 128, "13x13"),
    ("field_sizes", lambda w: by_paths([(k, s, 1) for k, s, _ in w]), "dilation is forgotten"),
    ("field_sizes", lambda w: by_paths([(k * d, s, 1) for k, s, d in w]), "not k d"),
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
    ("whole_width", 8, "both ends"),
    ("effective_spread", 11.314, "add up"),
    ("effective_spread", spread(8, 3), "windows of 3"),
    ("statements", {"a", "b", "c", "e"}, "(b)"),
    ("statements", {"a", "c"}, "(e)"),
]
