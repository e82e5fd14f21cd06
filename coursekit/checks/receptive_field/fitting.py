"""Exercise 5 in the shape simulator: stacks of windows that run out of pixels, and AlexNet."""

from coursekit.checks.receptive_field.networks import ALEXNET

_WIDTHS = {"conv1": 96, "conv2": 256, "conv3": 384, "conv4": 384, "conv5": 256}


def _alexnet(*, padding: bool) -> str:
    """The windows of AlexNet and its first dense layer, as the text of an nn.Sequential."""
    lines, channels = [], 3
    for layer, (kernel, stride, pad) in list(ALEXNET.items())[:-1]:
        if layer.startswith("pool"):
            lines.append(f"nn.MaxPool2d({kernel}, stride={stride})")
            continue
        more = f", padding={pad}" if padding and pad else ""
        more = f", stride={stride}{more}" if stride > 1 else more
        lines.append(f"nn.Conv2d({channels}, {_WIDTHS[layer]}, {kernel}{more})")
        channels = _WIDTHS[layer]
    lines += ["nn.Flatten()", "nn.Linear(9216, 4096)"]
    return "nn.Sequential(\n" + "".join(f"    {line},\n" for line in lines) + ")"


PROGRAMS = {
    "AlexNet": (_alexnet(padding=True), [3, 224, 224]),
    "AlexNet without padding": (_alexnet(padding=False), [3, 224, 224]),
    "AlexNet on a small image": (_alexnet(padding=True), [3, 32, 32]),
}
SMALLER = "Without padding each convolution shrinks the map, whatever its field."
USED_UP = "The strides have used up the pixels: each divides height and width."
HINTS: list[tuple[str, tuple[int, ...] | None, str]] = [
    ("mat1 and mat2 shapes", None, SMALLER),
    ("Kernel size can't be greater", None, USED_UP),
    ("Output size is too small", None, USED_UP),
]
