"""MobileNet (the first): VGG's simplicity with depthwise separable convolutions.

Source: Howard et al. (2017), "MobileNets: efficient convolutional neural networks for mobile
vision applications", table 1, https://arxiv.org/abs/1704.04861
"""

from torch import nn

from dlvlib.models.blocks import Classifier, conv_block, pooled_head

BLOCKS = (  # channels, stride; table 1 prints stride 2 for the last, but its maps stay 7x7
    *[(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)],
    *[(512, 1)] * 5,
    *[(1024, 2), (1024, 1)],
)


class MobileNetV1(Classifier):
    """A convolution and thirteen separable blocks (4,231,976 parameters at 1,000 classes).

    Args:
        width: the paper's width multiplier; every layer gets this fraction of its channels.

    Shape:
        images: (B, in_channels, H, W) float, 224x224 in the paper, at least 32x32
    """

    def __init__(
        self, num_classes: int = 1000, in_channels: int = 3, *, width: float = 1.0
    ) -> None:
        if not 0 < width <= 1:
            raise ValueError(f"width must be in (0, 1], got {width}")
        super().__init__("mobilenet_v1", num_classes, in_channels, min_size=32)
        channels = max(1, int(32 * width))
        layers = [conv_block(in_channels, channels, 3, stride=2, padding=1, batch_norm=True)]
        for out_channels, stride in BLOCKS:
            out_channels = max(1, int(out_channels * width))
            layers.append(separable_block(channels, out_channels, stride=stride))
            channels = out_channels
        self.features = nn.Sequential(*layers)  # (B, 1024, 7, 7)
        self.head = pooled_head(channels, num_classes)


def separable_block(in_channels: int, out_channels: int, *, stride: int) -> nn.Sequential:
    """3x3 on each channel, then 1x1 across channels, each with batch normalisation and ReLU."""
    return nn.Sequential(
        *conv_block(
            in_channels,
            in_channels,
            3,
            stride=stride,
            padding=1,
            groups=in_channels,
            batch_norm=True,
        ),
        *conv_block(in_channels, out_channels, 1, batch_norm=True),
    )
