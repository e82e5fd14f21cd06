"""The exercise on what layers cost; right and wrong answers are computed without `cost`."""

import numpy as np
import torch
from torch import nn

# Typed from the lecture's exercise, for one channel: params, FLOPs, output shape, perhaps bytes.
KEY = {
    "dense": (200_960, 401_664, (256,)),
    "conv": (2560, 3_288_064, (256, 26, 26), 692_224),
    "pool": (0, 0, (1, 14, 14)),
}
QUANTITIES = ("params", "flops", "shape", "bytes")
ANSWERS = [
    (f"{layer}.{quantity}", answer)
    for layer, answers in KEY.items()
    for quantity, answer in zip(QUANTITIES, answers, strict=False)
]


def changed(**fixed):
    """A conv_cost with torch as its reference and some arguments ignored."""

    def conv_cost(image, kernels, kernel_size, stride, padding):
        window = {"stride": stride, "padding": padding} | fixed
        layer = nn.Conv2d(image[0], kernels, kernel_size, **window)
        output = layer(torch.zeros(1, *image))[0]
        biases = output.numel() if layer.bias is not None else 0
        flops = 2 * output.numel() * image[0] * kernel_size**2 + biases
        params = sum(p.numel() for p in layer.parameters())
        return params, flops, tuple(output.shape), output.nbytes

    return conv_cost


def returned(change):
    """A conv_cost that gives what `change` makes of the right answers."""
    return lambda *arguments: change(*right(*arguments))


right = changed()


RIGHT = [
    *ANSWERS,
    ("conv_cost", returned(lambda *answers: list(answers))),
    ("perceptron.params", 11),
    ("perceptron.flops", 21),
    ("dense.shape", 256),
    ("conv.shape", (256.0, 26, 26)),
    ("conv.shape", np.array([256, 26, 26])),
    ("conv.megabytes", 0.692),
    ("pool.comparisons", 588),
]


WRONG = [
    ("conv_cost", changed(bias=False), "biases are missing"),
    ("conv_cost", returned(lambda p, f, s, b: (p, (f - b // 4) // 2, s, b)), "1 MAC = 2 FLOPs"),
    ("conv_cost", returned(lambda p, f, s, b: (p, f, (*s[1:], s[0]), b)), "channels first"),
    ("conv_cost", returned(lambda p, f, s, b: (p, f, s, b // 4)), "bytes, not values"),
    ("conv_cost", changed(padding=0), "ignores the padding"),
    ("conv_cost", changed(stride=1), "ignores the stride"),
    ("conv_cost", lambda image, *a: right((1, *image[1:]), *a), "forgets the input channels"),
    ("conv_cost", lambda image, *a: right((*image[:2], image[1]), *a), "not square"),
    ("conv_cost", returned(lambda p, f, s, b: (p, f - b // 4 + s[0], s, b)), "at every place"),
    ("conv_cost", returned(lambda *answers: answers[:3]), "4 values are expected"),
    ("conv_cost", returned(lambda p, f, s, b: (p, f, (1, 1, 1), b)), "value 3 of 4: got (1, 1"),
    ("perceptron.params", 10, "biases are missing"),
    ("perceptron.flops", 10, "MACs"),
    ("perceptron.flops", 20, "n - 1 sums"),
    ("perceptron.flops", 22, "1 FLOP and not 2"),
    ("dense.params", 28 * 28 * 256, "biases are missing"),
    ("dense.params", 28 * 28 * 256 + 1, "not one for the whole layer"),
    ("dense.params", 28 * 256 + 256, "one row"),
    ("dense.flops", 28 * 28 * 256, "Those are MACs"),
    ("dense.flops", 2 * 28 * 28 * 256, "biases are missing"),
    ("dense.flops", (28 * 28 + 1) * 256, "number of parameters"),
    ("dense.shape", (1, 256), "batch"),
    ("dense.shape", (256, 28, 28), "no rows and columns"),
    ("dense.shape", (256, 784), "weights"),
    ("conv.shape", (26, 26, 256), "channels come first"),
    ("conv.shape", (256, 28, 28), "padded"),
    ("conv.shape", (1, 26, 26), "input channels"),
    ("conv.shape", (256, 25, 25), "first place"),
    ("conv.shape", (256, 27, 26), "is not it"),
    ("conv.params", 256 * 9, "biases are missing"),
    ("conv.params", 256 * (3 + 1), "3 x 3 wide"),
    ("conv.params", 256 * 26 * 26 * 10, "at all places"),
    ("conv.flops", 256 * 26 * 26 * 9, "Those are MACs"),
    ("conv.flops", 256 * 26 * 26 * 2 * 9, "biases are missing"),
    ("conv.flops", 256 * 26 * 26 * 2 * 9 + 256, "at every place"),
    ("conv.flops", 256 * 28 * 28 * 19, "padded"),
    ("conv.flops", 256 * 19, "one place"),
    ("conv.bytes", 256 * 26 * 26, "values"),
    ("conv.bytes", 256 * 26 * 26 * 32, "bits"),
    ("conv.bytes", 0.66015625, "MiB"),
    ("conv.bytes", 676, "KiB"),
    ("conv.bytes", 28 * 28 * 4, "what the input takes"),
    ("conv.megabytes", 0.66, "MiB"),
    ("conv.megabytes", 692.224, "kB"),
    ("conv.megabytes", 0.69, "rounded"),
    ("conv.params", 256 * 28 * 28 * 9, "1,806,336 is not it"),
    ("conv.megabytes", 5.5378, "megabits"),
    ("pool.shape", (14, 14), "axis of the channels"),
    ("pool.shape", (1, 27, 27), "stride"),
    ("pool.shape", (256, 14, 14), "applied to the image"),
    ("pool.params", 4, "no weights"),
    ("pool.flops", 588, "comparisons"),
    ("pool.flops", 784, "multiplies"),
    ("pool.comparisons", 784, "n - 1"),
    ("pool.comparisons", 196, "more than one"),
]
