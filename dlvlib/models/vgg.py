"""VGG: stacks of 3x3 convolutions, from 11 to 19 layers deep.

Source: Simonyan and Zisserman (2015), "Very deep convolutional networks for large-scale image
recognition", table 1, https://arxiv.org/abs/1409.1556
"""

from collections.abc import Sequence

from torch import nn

from dlvlib.models.blocks import Classifier, conv_block, init_he

WIDTHS = (64, 128, 256, 512, 512)  # channels of the five stages
CONVS = {  # 3x3 convolutions in each stage, by the number of layers with weights
    11: (1, 1, 2, 2, 2),  # configuration A of the paper
    13: (2, 2, 2, 2, 2),  # B
    16: (2, 2, 3, 3, 3),  # D
    19: (2, 2, 4, 4, 4),  # E
}


class VGG(Classifier):
    """Five stages of 3x3 convolutions, each ended by a pooling, then three dense layers.

    At 1,000 classes: 132,863,336 parameters for depth 11, 133,047,848 for 13, 138,357,544 for 16,
    143,667,240 for 19. No normalisation. Weights are initialised as in Glorot and Bengio (2010),
    biases with zero, which section 3.1 found enough to train without pre-training.

    Args:
        depth: 11, 13, 16 or 19 layers with weights, the three dense ones included.

    Shape:
        images: (B, in_channels, H, W) float, 224x224 in the paper, at least 32x32
    """

    def __init__(self, depth: int, num_classes: int = 1000, in_channels: int = 3) -> None:
        if depth not in CONVS:
            raise ValueError(f"depth must be one of {', '.join(map(str, CONVS))}, got {depth}")
        super().__init__(f"vgg{depth}", num_classes, in_channels, min_size=32)
        self.features = vgg_features(CONVS[depth], WIDTHS, in_channels)  # (B, 512, 7, 7)
        self.head = vgg_head(7, 512, 4096, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


class VGGSmall(Classifier):
    """Ours, for 32x32 images: VGG-16's layers at three eighths of its width.

    2,148,274 parameters at 10 classes and 44.5 million multiply-accumulates (ResNet-20: 40.6).
    Batch normalisation, which VGG lacks, and He initialisation; the dense layers are 192 wide.

    Shape:
        images: (B, in_channels, H, W) float, meant for 32x32, at least 32x32
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__("vgg_small", num_classes, in_channels, min_size=32)
        widths = [width * 3 // 8 for width in WIDTHS]
        self.features = vgg_features(CONVS[16], widths, in_channels, batch_norm=True)
        self.head = vgg_head(1, 192, 192, num_classes)
        init_he(self)


def vgg_features(
    convs: Sequence[int], widths: Sequence[int], in_channels: int, *, batch_norm: bool = False
) -> nn.Sequential:
    """One stage per entry: that many 3x3 convolutions of that width, then a 2x2 max pooling."""
    layers: list[nn.Module] = []
    for num_convs, width in zip(convs, widths, strict=True):
        for _ in range(num_convs):
            layers.append(conv_block(in_channels, width, 3, padding=1, batch_norm=batch_norm))
            in_channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def vgg_head(side: int, channels: int, width: int, num_classes: int) -> nn.Sequential:
    """Three dense layers, with dropout between them, on maps of side x side."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(side),  # changes nothing at 224x224 or 32x32, admits other sizes
        nn.Flatten(),
        nn.Linear(channels * side**2, width),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(width, num_classes),
    )
