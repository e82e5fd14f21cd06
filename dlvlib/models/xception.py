"""Xception: separable convolutions only, with a shortcut around every block.

Source: Chollet (2017), "Xception: deep learning with depthwise separable convolutions", figure 5,
https://doi.org/10.1109/CVPR.2017.195
"""

from itertools import pairwise

from torch import Tensor, nn

from dlvlib.models.blocks import (
    Classifier,
    SeparableConv2d,
    conv_block,
    make_shortcut,
    pooled_head,
)


class Xception(Classifier):
    """36 convolutions in three flows: entry, middle, exit (22,855,952 parameters).

    That is at 1,000 classes. Batch normalisation follows every convolution, so none has a bias.

    Shape:
        images: (B, in_channels, H, W) float, 299x299 in the paper, at least 32x32
    """

    def __init__(self, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__("xception", num_classes, in_channels, min_size=32)
        self.features = nn.Sequential(
            # entry flow
            conv_block(in_channels, 32, 3, stride=2, batch_norm=True),  # (B, 32, 149, 149)
            conv_block(32, 64, 3, batch_norm=True),  # (B, 64, 147, 147)
            XceptionBlock(64, 128, 128, stride=2),  # (B, 128, 74, 74)
            XceptionBlock(128, 256, 256, stride=2),  # (B, 256, 37, 37)
            XceptionBlock(256, 728, 728, stride=2),  # (B, 728, 19, 19)
            # middle flow
            *[XceptionBlock(728, 728, 728, 728) for _ in range(8)],  # (B, 728, 19, 19)
            # exit flow
            XceptionBlock(728, 728, 1024, stride=2),  # (B, 1024, 10, 10)
            *separable(1024, 1536),
            nn.ReLU(),
            *separable(1536, 2048),
            nn.ReLU(),  # (B, 2048, 10, 10)
        )
        self.head = pooled_head(2048, num_classes, dropout=0.5)


class XceptionBlock(nn.Module):
    """ReLU and a separable convolution, two or three times, plus a shortcut; no ReLU at the end.

    The paper draws its first block without the first ReLU, which there changes nothing: the maps
    come from a ReLU already.

    Args:
        widths: channels of the input, then of each separable convolution.
        stride: 2 ends the branch with a 3x3 max pooling that halves height and width.
    """

    def __init__(self, *widths: int, stride: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for in_channels, out_channels in pairwise(widths):
            layers += [nn.ReLU(), *separable(in_channels, out_channels)]
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride=stride, padding=1))
        self.branch = nn.Sequential(*layers)
        self.shortcut = make_shortcut("projection", widths[0], widths[-1], stride)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.branch(maps) + self.shortcut(maps)
        return out


def separable(in_channels: int, out_channels: int) -> list[nn.Module]:
    """A 3x3 separable convolution and its batch normalisation."""
    return [
        SeparableConv2d(in_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
    ]
