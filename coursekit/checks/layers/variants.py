"""Three layers that each read one image: the lecture's, and those drawn from a student number."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlvlib._common import check_int
from dlvlib.profile import cost
from dlvlib.profile.cost import LayerCost, Shape


@dataclass(frozen=True, kw_only=True)
class Layers:
    """An image and a dense, a convolutional and a pooling layer, each applied to that image.

    Windows are square; pooling has no padding, and all layers that can have biases have them.
    """

    image: Shape  # (C, H, W)
    units: int  # outputs of the dense layer
    kernels: int  # output channels of the convolution
    kernel_size: int
    stride: int
    padding: int
    pool_size: int
    pool_stride: int

    def texts(self) -> dict[str, str]:
        """The image and each layer in words."""
        channels, height, width = self.image
        k, n = self.kernel_size, self.pool_size
        return {
            "image": f"{channels} channel{'s' * (channels > 1)} of {height} x {width} values, "
            "4 bytes each",
            "dense": f"{self.units} units, with biases",
            "conv": f"{self.kernels} kernels of {k} x {k}, with biases, stride {self.stride}, "
            f"padding {self.padding}",
            "pool": f"the maximum of {n} x {n} windows, stride {self.pool_stride}, no padding",
        }

    def costs(self) -> dict[str, LayerCost]:
        """What each layer costs, by its name in `texts`."""
        window: dict[str, Any] = {"stride": self.stride, "padding": self.padding}
        return {
            "dense": cost.linear(self.image, self.units),
            "conv": cost.conv2d(self.image, self.kernels, self.kernel_size, **window),
            "pool": cost.max_pool2d(self.image, self.pool_size, stride=self.pool_stride),
        }


def quantities(cost: LayerCost) -> dict[str, Any]:
    """What a question may ask of a layer."""
    return {
        "params": cost.params,
        "flops": cost.flops,
        "comparisons": cost.comparisons,
        "shape": cost.output_shape,
        "bytes": cost.output_bytes,
        "megabytes": cost.output_bytes / 10**6,
    }


LECTURE_LAYERS = Layers(  # page "Exercise: reminder on layers", which leaves C open; we take 1
    image=(1, 28, 28),
    units=256,
    kernels=256,
    kernel_size=3,
    stride=1,
    padding=0,
    pool_size=2,
    pool_stride=2,
)
OPTIONS: dict[
    tuple[str, ...], Sequence[tuple[int, ...]]
] = {  # one entry of each is drawn; several values together where they must fit each other
    ("channels",): [(c,) for c in (6, 10, 12, 14)],
    ("height",): [(h,) for h in (20, 24, 28, 30, 32)],
    ("width",): [(w,) for w in (18, 22, 26, 36, 40)],
    ("units",): [(u,) for u in (50, 64, 84, 100, 120, 128, 200)],
    ("kernels",): [(n,) for n in (8, 12, 16, 24, 32, 48)],
    ("kernel_size", "padding"): [(3, 0), (3, 1), (5, 0), (5, 1), (5, 2), (7, 1), (7, 2)],
    ("stride",): [(1,), (2,), (3,)],
    ("pool_size", "pool_stride"): [(2, 2), (3, 2), (3, 3)],
}


def drawn_layers(student: int) -> Layers:
    """The layers of one student: always the same for a number, on every machine and version.

    Raises:
        ValueError: if the student number, or any other seed, is not an integer of at least 0.

    >>> drawn_layers(12345) == drawn_layers(12345)
    True
    """
    student = check_int("student", student)
    digest = hashlib.sha256(f"layers {student}".encode()).digest()  # its bytes are the dice
    drawn: dict[str, int] = {}
    for (names, options), byte in zip(OPTIONS.items(), digest, strict=False):
        drawn |= zip(names, options[byte % len(options)], strict=True)
    image = (drawn.pop("channels"), drawn.pop("height"), drawn.pop("width"))
    return Layers(image=image, **drawn)
