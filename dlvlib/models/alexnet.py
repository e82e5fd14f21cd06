"""AlexNet: the lecture's variant, the network of the paper, and one for 32x32 images.

Source: Krizhevsky, Sutskever and Hinton (2012), "ImageNet classification with deep convolutional
neural networks", NIPS 25 (reprinted: https://doi.org/10.1145/3065386)
"""

from functools import partial

from torch import nn

from dlvlib._common import check_int
from dlvlib.models.blocks import Classifier, conv_block, init_he


class AlexNet(Classifier):
    """Five convolutions and three dense layers (58,325,066 parameters at 10 classes).

    Differs from the paper as the lecture does: batch normalisation (2015) replaces local response
    normalisation, and the convolutions are not split into two groups.

    Args:
        widths: channels of the five convolutions.
        batch_norm: False leaves the normalisation out.

    Shape:
        images: (B, in_channels, H, W) float, 224x224 in the paper, at least 63x63
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        *,
        widths: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
        batch_norm: bool = True,
    ) -> None:
        super().__init__("alexnet", num_classes, in_channels, min_size=63)
        w1, w2, w3, w4, w5 = widths
        norm = {"batch_norm": batch_norm, "bias": True}
        self.features = nn.Sequential(
            conv_block(in_channels, w1, 11, stride=4, padding=2, **norm),  # (B, 96, 55, 55)
            nn.MaxPool2d(3, stride=2),  # (B, 96, 27, 27)
            conv_block(w1, w2, 5, padding=2, **norm),  # (B, 256, 27, 27)
            nn.MaxPool2d(3, stride=2),  # (B, 256, 13, 13)
            conv_block(w2, w3, 3, padding=1, **norm),  # (B, 384, 13, 13)
            conv_block(w3, w4, 3, padding=1, **norm),  # (B, 384, 13, 13)
            conv_block(w4, w5, 3, padding=1, **norm),  # (B, 256, 13, 13)
            nn.MaxPool2d(3, stride=2),  # (B, 256, 6, 6)
        )
        self.head = _dense_head(6, w5, 4096, num_classes)


class AlexNet2012(Classifier):
    """The network of the paper (60,965,224 parameters at 1,000 classes).

    It was split over two GPUs: convolutions 2, 4 and 5 see only the half of the maps on their own
    GPU, which is `groups=2` here. Initialisation as in section 5. The paper says 224x224, but its
    55x55 first maps need a padding that it does not mention; ours is 2.

    Shape:
        images: (B, in_channels, H, W) float, 224x224 in the paper, at least 63x63
    """

    def __init__(self, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__("alexnet_2012", num_classes, in_channels, min_size=63)
        # PyTorch divides alpha by the 5 channels it sums over; the paper (section 3.3) does not.
        norm = partial(nn.LocalResponseNorm, 5, alpha=5 * 1e-4, beta=0.75, k=2.0)
        self.features = nn.Sequential(
            conv_block(in_channels, 96, 11, stride=4, padding=2),  # (B, 96, 55, 55)
            norm(),
            nn.MaxPool2d(3, stride=2),  # (B, 96, 27, 27)
            conv_block(96, 256, 5, padding=2, groups=2),  # (B, 256, 27, 27)
            norm(),
            nn.MaxPool2d(3, stride=2),  # (B, 256, 13, 13)
            conv_block(256, 384, 3, padding=1),  # (B, 384, 13, 13)
            conv_block(384, 384, 3, padding=1, groups=2),  # (B, 384, 13, 13)
            conv_block(384, 256, 3, padding=1, groups=2),  # (B, 256, 13, 13)
            nn.MaxPool2d(3, stride=2),  # (B, 256, 6, 6)
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(6),  # changes nothing at 224x224, admits other sizes
            nn.Flatten(),  # (B, 9216)
            nn.Linear(9216, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, num_classes),
        )
        layers = [m for m in self.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        for layer, bias in zip(layers, (0, 1, 0, 1, 1, 1, 1, 0), strict=True):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, bias)


class AlexNetSmall(Classifier):
    """Ours, for 32x32 images: AlexNet's five convolutions and three dense layers, narrower.

    1,159,466 parameters at 10 classes, most of them dense as in AlexNet, and 38.5 million
    multiply-accumulates (ResNet-20: 40.6). The first window is 5x5 without stride, since
    11x11 with stride 4 would leave 8x8 maps. Batch normalisation as in the lecture, He
    initialisation.

    Args:
        hidden: outputs of the first two dense layers; 256 leaves 738,602 parameters.

    Shape:
        images: (B, in_channels, H, W) float, meant for 32x32, at least 15x15
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, *, hidden: int = 512) -> None:
        super().__init__("alexnet_small", num_classes, in_channels, min_size=15)
        check_int("hidden", hidden, 1)
        self.features = nn.Sequential(
            conv_block(in_channels, 32, 5, padding=2, batch_norm=True),  # (B, 32, 32, 32)
            nn.MaxPool2d(3, stride=2),  # (B, 32, 15, 15)
            conv_block(32, 96, 5, padding=2, batch_norm=True),  # (B, 96, 15, 15)
            nn.MaxPool2d(3, stride=2),  # (B, 96, 7, 7)
            conv_block(96, 128, 3, padding=1, batch_norm=True),  # (B, 128, 7, 7)
            conv_block(128, 128, 3, padding=1, batch_norm=True),  # (B, 128, 7, 7)
            conv_block(128, 96, 3, padding=1, batch_norm=True),  # (B, 96, 7, 7)
            nn.MaxPool2d(3, stride=2),  # (B, 96, 3, 3)
        )
        self.head = _dense_head(3, 96, hidden, num_classes)
        init_he(self)


def _dense_head(side: int, channels: int, width: int, num_classes: int) -> nn.Sequential:
    """Three dense layers, with dropout before the first two, on maps of side x side."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(side),  # changes nothing at 224x224 or 32x32, admits other sizes
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(channels * side**2, width),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, num_classes),
    )
