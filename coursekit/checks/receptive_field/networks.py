"""The windows of two relatives of LeNet and AlexNet, and of AlexNet and VGG-19, layer by layer.

Layers without a window (activations, normalisation, later dense layers) change no receptive field
and are left out. The first dense layer is a window as large as the map that it reads.
"""

from dlvlib.models.vgg import CONVS

Network = dict[str, tuple[int, int, int]]  # layer: kernel, stride, padding


def _vgg(depth: int) -> Network:
    layers: Network = {}
    for stage, num_convs in enumerate(CONVS[depth], start=1):
        layers |= {f"conv{stage}_{i}": (3, 1, 1) for i in range(1, num_convs + 1)}
        layers[f"pool{stage}"] = (2, 2, 0)
    return layers | {"dense1": (7, 1, 0)}  # it reads a map of 7x7


OVERLAPPING: Network = {  # LeNet with poolings that overlap, as those of AlexNet do
    "conv1": (5, 1, 0),
    "pool1": (3, 2, 0),
    "conv2": (5, 1, 0),
    "pool2": (3, 2, 0),
    "dense1": (4, 1, 0),  # it reads a map of 4x4
}
ALEXNET: Network = {
    "conv1": (11, 4, 2),
    "pool1": (3, 2, 0),
    "conv2": (5, 1, 2),
    "pool2": (3, 2, 0),
    "conv3": (3, 1, 1),
    "conv4": (3, 1, 1),
    "conv5": (3, 1, 1),
    "pool3": (3, 2, 0),
    "dense1": (6, 1, 0),  # it reads a map of 6x6
}
CAREFUL = {name: ALEXNET[name] for name in ("conv1", "pool1", "conv2")} | {"conv1": (11, 2, 2)}
"""The beginning of AlexNet with half its first stride."""
VGG19 = _vgg(19)
