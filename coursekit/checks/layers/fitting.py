"""Exercise 2 in the shape simulator: its layers, put together so that PyTorch stops."""

from coursekit.checks.layers import mistakes

PROGRAMS = {
    "a dense layer on the image": ("nn.Sequential(\n    nn.Linear(784, 256),\n)", [1, 28, 28]),
    "a dense layer after the convolution": (
        "nn.Sequential(\n    nn.Conv2d(1, 256, 3),\n    nn.Flatten(),\n"
        "    nn.Linear(784, 256),\n)",
        [1, 28, 28],
    ),
    "two convolutions": (
        "nn.Sequential(\n    nn.Conv2d(1, 256, 3),\n    nn.Conv2d(1, 256, 3),\n)",
        [1, 28, 28],
    ),
}
HINTS: list[tuple[str, tuple[int, ...] | None, str]] = [
    ("mat1 and mat2 shapes", (1, 28, 28), "One row of the image has 28 values only."),
    ("mat1 and mat2 shapes", None, "It reads what the layer before has written, not the image."),
    ("channels instead", None, mistakes.NO_CHANNELS),
]
