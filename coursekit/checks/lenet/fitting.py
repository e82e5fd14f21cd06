"""Exercise 3 in the shape simulator: its network with mistakes, and the hint for each."""

from coursekit.checks.engine.questions import ShapeQuestion
from coursekit.checks.lenet.questions import QUESTIONS, UNFLATTENED

RIGHT = """nn.Sequential(
    nn.Conv2d(1, 8, 7),
    nn.Tanh(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 24, 5),
    nn.Tanh(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(216, 100),
    nn.Tanh(),
    nn.Linear(100, 60),
    nn.Tanh(),
    nn.Linear(60, 10),
)"""
IMAGE = [1, 28, 28]
_SECOND_POOL = "nn.MaxPool2d(2),\n    nn.Flatten"

PROGRAMS = {
    "no Flatten": (RIGHT.replace("    nn.Flatten(),\n", ""), IMAGE),
    "32 pixels": (RIGHT, [1, 32, 32]),
    "padding": (RIGHT.replace("7),", "7, padding=2),").replace("5),", "5, padding=2),"), IMAGE),
    "one pooling": (RIGHT.replace(_SECOND_POOL, "nn.Flatten"), IMAGE),
    "eight kernels": (RIGHT.replace("8, 24, 5", "8, 8, 5"), IMAGE),
}


_S4 = QUESTIONS["s4_shape"]
assert isinstance(_S4, ShapeQuestion)
_DENSE = "mat1 and mat2 shapes"

# The hints of question 2 by the map that arrives at a dense layer, and one of question 4.
HINTS: list[tuple[str, tuple[int, ...] | None, str]] = [
    *((_DENSE, shape, hint) for shape, hint in _S4.hints.items() if len(shape) == 3),
    (_DENSE, _S4.expected, UNFLATTENED),
]
