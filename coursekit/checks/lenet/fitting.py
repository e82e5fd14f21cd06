"""Exercise 3 in the shape simulator: LeNet-5 with the usual mistakes, and the hint for each."""

from coursekit.checks.engine.questions import ShapeQuestion
from coursekit.checks.lenet.questions import QUESTIONS, UNFLATTENED

RIGHT = """nn.Sequential(
    nn.Conv2d(1, 6, 5),
    nn.Tanh(),
    nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5),
    nn.Tanh(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(400, 120),
    nn.Tanh(),
    nn.Linear(120, 84),
    nn.Tanh(),
    nn.Linear(84, 10),
)"""
_SECOND_POOL = "nn.MaxPool2d(2),\n    nn.Flatten"

PROGRAMS = {
    "no Flatten": (RIGHT.replace("    nn.Flatten(),\n", ""), [1, 32, 32]),
    "28 pixels": (RIGHT, [1, 28, 28]),
    "padding": (RIGHT.replace("5),", "5, padding=2),"), [1, 32, 32]),
    "one pooling": (RIGHT.replace(_SECOND_POOL, "nn.Flatten"), [1, 32, 32]),
    "six kernels": (RIGHT.replace("6, 16, 5", "6, 6, 5"), [1, 32, 32]),
}


_S4 = QUESTIONS["s4_shape"]
assert isinstance(_S4, ShapeQuestion)
_DENSE = "mat1 and mat2 shapes"

# The hints of question 2 by the map that arrives at a dense layer, and one of question 4.
HINTS: list[tuple[str, tuple[int, ...] | None, str]] = [
    *((_DENSE, shape, hint) for shape, hint in _S4.hints.items() if len(shape) == 3),
    (_DENSE, _S4.expected, UNFLATTENED),
]
