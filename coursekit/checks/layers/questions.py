"""Exercise 2: what a dense, a convolutional and a pooling layer cost."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from coursekit.checks.engine.functions import FunctionQuestion, draw_int
from coursekit.checks.engine.hints import distinct
from coursekit.checks.engine.questions import (
    NumberQuestion,
    ShapeQuestion,
    StudentQuestion,
    TupleQuestion,
)
from coursekit.checks.layers.mistakes import Mistakes, mistakes_of, of_dense
from coursekit.checks.layers.variants import LECTURE_LAYERS, Layers, drawn_layers, quantities
from dlvlib.profile import cost
from dlvlib.profile.cost import LayerCost, Shape

UNITS = {
    "params": "the number of parameters",
    "flops": "the number of FLOPs for one image, with 1 MAC = 2 FLOPs and 1 FLOP for a bias",
    "comparisons": "the number of comparisons for one image",
    "bytes": "the memory of the output, in bytes",
    "megabytes": "the memory of the output, in MB (1 MB = 10^6 bytes)",
}
ASKED = {  # of the lecture's layers
    "dense": ("params", "flops", "shape"),
    "conv": ("shape", "params", "flops", "bytes", "megabytes"),
    "pool": ("shape", "params", "flops", "comparisons"),
}
OWN = {  # of the layers drawn from a student number, in one tuple for each layer
    "dense": ("params", "flops"),
    "conv": ("shape", "params", "flops", "bytes"),
    "pool": ("shape", "comparisons"),
}
PRAISE = {
    "perceptron.params": "Ten weights and a bias.",
    "perceptron.flops": "Ten MACs and a bias.",
    "dense.params": "Each unit has a weight for every value of the image, and a bias.",
    "dense.flops": "Each weight is used once, in one MAC, and each bias once.",
    "dense.shape": "One value for each unit; rows and columns are gone.",
    "conv.shape": "One map for each kernel.",
    "conv.params": "The size of the image plays no part.",
    "conv.flops": "Each weight is used at every place of the map, and so is each bias.",
    "conv.bytes": "Four bytes for each value of each map.",
    "conv.megabytes": "A million bytes are one MB; a MiB is nearly five percent larger.",
    "pool.shape": "Pooling keeps the channels.",
    "pool.params": "There is nothing to learn in a maximum.",
    "pool.flops": "No product and no sum: only comparisons.",
    "pool.comparisons": "The largest of n values takes n - 1 comparisons.",
}


def _ask(
    layer: str, quantity: str, right: LayerCost, mistakes: Mistakes
) -> NumberQuestion | ShapeQuestion:
    """The question for one quantity of one layer, with the hints that its numbers allow."""
    praise = PRAISE[f"{layer}.{quantity}"]
    expected = quantities(right)[quantity]
    hints = distinct(expected, mistakes[quantity])
    if quantity == "shape":
        return ShapeQuestion(expected, praise, hints)
    return NumberQuestion(expected, praise, hints, UNITS[quantity])


def _questions(
    layers: Layers, layer: str, asked: Sequence[str]
) -> dict[str, NumberQuestion | ShapeQuestion]:
    right, mistakes = layers.costs()[layer], mistakes_of(layers)[layer]
    return {quantity: _ask(layer, quantity, right, mistakes) for quantity in asked}


def _own(layer: str) -> StudentQuestion:
    def make(student: int) -> TupleQuestion:
        parts = _questions(drawn_layers(student), layer, OWN[layer])
        return TupleQuestion(parts, "All of it, for a layer of your own.")

    return StudentQuestion(make)


def _conv_cost(
    change: Callable[[LayerCost], dict[str, Any]] = lambda found: {}, **fixed: int | bool
) -> Callable[..., tuple[Any, ...]]:
    """A right `conv_cost`, or one that ignores some arguments or returns other quantities."""

    def conv_cost(
        image: Shape, kernels: int, size: int, stride: int, padding: int
    ) -> tuple[Any, ...]:
        window: dict[str, Any] = {"stride": stride, "padding": padding} | fixed
        found = cost.conv2d(image, kernels, size, **window)
        given = quantities(found) | change(found)
        return tuple(given[name] for name in ("params", "flops", "shape", "bytes"))

    return conv_cost


def _draw_conv(generator: torch.Generator) -> tuple[Shape, int, int, int, int]:
    """A random image, not square, and a convolution that fits on it."""
    draw = partial(draw_int, generator)
    return (draw(2, 6), draw(7, 20), draw(21, 40)), draw(2, 9), draw(2, 7), draw(1, 4), draw(0, 3)


QUESTIONS: dict[str, NumberQuestion | ShapeQuestion | FunctionQuestion | StudentQuestion] = {
    **{
        f"perceptron.{quantity}": _ask(
            "perceptron", quantity, cost.linear((10,), 1), of_dense((10,), 1)
        )
        for quantity in ("params", "flops")
    },
    **{
        f"{layer}.{quantity}": question
        for layer, asked in ASKED.items()
        for quantity, question in _questions(LECTURE_LAYERS, layer, asked).items()
    },
    "conv_cost": FunctionQuestion(
        signature="conv_cost(image, kernels, kernel_size, stride, padding)",
        reference=_conv_cost(),
        draw=_draw_conv,
        praise="It agrees with the reference on 20 random convolutions.",
        hints={
            _conv_cost(bias=False): "The biases are missing, in the parameters and in the FLOPs.",
            _conv_cost(lambda found: {"flops": found.macs}): "It gives MACs where FLOPs are asked "
            "for: 1 MAC = 2 FLOPs.",
            _conv_cost(
                lambda found: {"shape": (*found.output_shape[1:], found.output_shape[0])}
            ): "The shape should have the channels first.",
            _conv_cost(lambda found: {"bytes": found.output_bytes // 4}): "The last number should "
            "be bytes, not values.",
            _conv_cost(padding=0): "It ignores the padding.",
            _conv_cost(stride=1): "It ignores the stride.",
            _conv_cost(lambda found: {"flops": 2 * found.macs + found.output_shape[0]}): "In the "
            "FLOPs, each bias is added at every place of its map.",
            lambda image, *window: _conv_cost()((*image[:2], image[1]), *window): "It takes the "
            "height for the width as well; these images are not square.",
            lambda image, *window: _conv_cost()((1, *image[1:]), *window): "It forgets the input "
            "channels: a kernel reaches through all of them.",
        },
    ),
    **{f"own.{layer}": _own(layer) for layer in OWN},
}
