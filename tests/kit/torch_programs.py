"""Random programs of layers, right and wrong, and what PyTorch makes of them."""

import random

import torch
from torch import nn


def _size(drawn: random.Random, low: int, high: int) -> str:
    if drawn.random() < 0.8:
        return str(drawn.randint(low, high))
    return f"({drawn.randint(low, high)}, {drawn.randint(low, high)})"


def _options(drawn: random.Random, **choices: str) -> str:
    return "".join(f", {name}={value}" for name, value in choices.items() if drawn.random() < 0.3)


def _convolution(drawn: random.Random, channels: int) -> tuple[str, int]:
    if drawn.random() < 0.04:
        channels += 1  # a mistake
    out = drawn.choice([1, 2, 4, 6, 8])
    padding = drawn.choice(["1", "2", "(0, 1)", "'same'", "'valid'"])
    options = _options(
        drawn,
        stride=_size(drawn, 1, 3),
        padding=padding,
        dilation=_size(drawn, 1, 3),
        groups=drawn.choice(["1", "2", str(channels)]),
        bias=drawn.choice(["True", "False"]),
    )
    return f"nn.Conv2d({channels}, {out}, {_size(drawn, 1, 5)}{options})", out


def _pool(drawn: random.Random) -> str:
    names = {"stride": _size(drawn, 1, 3), "padding": _size(drawn, 0, 2)}
    names["ceil_mode"] = drawn.choice(["True", "False"])
    kind = drawn.choice(["MaxPool2d", "AvgPool2d"])
    if kind == "MaxPool2d":
        names["dilation"] = _size(drawn, 1, 2)
    return f"nn.{kind}({_size(drawn, 1, 4)}{_options(drawn, **names)})"


BROKEN = [  # a constructor refuses each
    "nn.Conv2d(3, 6)",
    "nn.Conv2d(kernel_size=3)",
    "nn.Linear(3)",
    "nn.Linear()",
    "nn.Conv2d(3, 6, 3, size=2)",
    "nn.Conv2d(3, 6, 3, kernel_size=3)",
    "nn.Dropout(1.5)",
    "nn.MaxPool2d()",
    "nn.AvgPool2d(stride=2)",
    "nn.BatchNorm2d(size=2)",
    "nn.AdaptiveAvgPool2d(1, output_size=2)",
    "nn.Dropout(0.5, rate=1)",
    "nn.ReLU(slope=1)",
    "nn.Tanh(slope=1)",
]


def random_program(drawn: random.Random) -> tuple[str, list[int]]:
    """A program of up to nine layers, and the shape of its image."""
    shape = [drawn.choice([1, 2, 3]), drawn.randint(4, 24), drawn.randint(4, 24)]
    channels, values, lines = shape[0], None, []
    for _ in range(drawn.randint(1, 8)):
        kind = drawn.random()
        if kind < 0.4:
            line, channels = _convolution(drawn, channels)
        elif kind < 0.6:
            line = _pool(drawn)
        elif kind < 0.68:
            line = f"nn.BatchNorm2d({channels + (drawn.random() < 0.1)})"
        elif kind < 0.73:
            line = f"nn.AdaptiveAvgPool2d({_size(drawn, 1, 3)})" if values is None else "nn.Tanh()"
        elif kind < 0.78:
            line, values = "nn.Flatten()", 0
        elif kind < 0.9:
            line = f"nn.{drawn.choice(['ReLU', 'Tanh', 'Sigmoid', 'Dropout', 'Identity'])}()"
        elif kind < 0.985:
            shapes, error = run_torch(",".join(lines) or "nn.Identity()", shape)
            fits = not error and drawn.random() < 0.7
            inputs = shapes[-1][-1] if fits else drawn.choice([8, 16, 100])
            bias = drawn.choice([True, False])
            line = f"nn.Linear({inputs}, {drawn.choice([3, 10])}, {bias})"
        else:
            line = drawn.choice(BROKEN)
        lines.append(line)
    return "nn.Sequential(\n" + "".join(f"    {line},\n" for line in lines) + ")", shape


def run_torch(program: str, shape: list[int]) -> tuple[list[list[int]], str | None]:
    """The shapes of the layers that PyTorch computes, and the first line of its error, if any."""
    body = program.removeprefix("nn.Sequential(").removesuffix(")")
    shapes, values = [], torch.zeros(1, *shape)
    try:
        for layer in eval(f"[{body}]", {"nn": nn}):
            with torch.no_grad():
                values = layer.eval()(values)
            shapes.append(list(values.shape[1:]))
    except Exception as error:
        return shapes, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return shapes, None
