"""EfficientNet-Lite0: depthwise separable convolutions with shortcuts, wide inside.

Sources: Tan and Le (2019), "EfficientNet: rethinking model scaling for convolutional neural
networks", table 1, https://arxiv.org/abs/1905.11946; the block: Sandler et al. (2018),
"MobileNetV2: inverted residuals and linear bottlenecks", https://arxiv.org/abs/1801.04381
"""

import torch.nn.functional as F
from torch import Tensor, nn

from dlvlib.models.blocks import Classifier, init_he, pooled_head

STAGES = (  # expansion, kernel size, stride, channels, blocks: table 1, stages 2 to 8
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


class EfficientNetLite0(Classifier):
    """A convolution, sixteen inverted residual blocks, a 1x1 convolution, one dense layer.

    4,652,008 parameters at 1,000 classes. "Lite": without squeeze-and-excitation, and with ReLU6
    instead of SiLU, which suits the integer arithmetic of phones.

    Shape:
        images: (B, in_channels, H, W) float, 224x224 in the source, at least 32x32
    """

    def __init__(self, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__("efficientnet_lite0", num_classes, in_channels, min_size=32)
        layers: list[nn.Module] = [
            nn.Sequential(*_conv_norm(in_channels, 32, 3, stride=2), nn.ReLU6())
        ]
        channels = 32
        for expansion, kernel_size, first_stride, out_channels, num_blocks in STAGES:
            blocks: list[nn.Module] = []
            for i in range(num_blocks):
                stride = first_stride if i == 0 else 1
                blocks.append(
                    InvertedResidual(
                        channels, out_channels, kernel_size, stride=stride, expansion=expansion
                    )
                )
                channels = out_channels
            layers.append(nn.Sequential(*blocks))
        layers.append(nn.Sequential(*_conv_norm(channels, 1280, 1), nn.ReLU6()))
        self.features = nn.Sequential(*layers)  # (B, 1280, 7, 7)
        self.head = pooled_head(1280, num_classes, dropout=0.2)
        init_he(self)


class InvertedResidual(nn.Module):
    """x + F(x), where F widens (1x1), filters each channel (depthwise) and narrows (1x1).

    A ResNet's bottleneck has wide ends and narrows inside; here the ends are narrow, and the
    shortcut joins them. No activation follows the last convolution: a ReLU on so few channels
    would lose information. Where the shape changes there is no shortcut.

    Args:
        kernel_size: side of the depthwise window, odd.
        stride: of the depthwise convolution; 2 halves height and width.
        expansion: how many times wider the inside is; 1 leaves the first convolution out.

    Shape:
        maps: (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))

    Source: Sandler et al. (2018), table 1, https://arxiv.org/abs/1801.04381
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        expansion: int = 6,
    ) -> None:
        super().__init__()
        width = expansion * in_channels
        widen = [*_conv_norm(in_channels, width, 1), nn.ReLU6()] if expansion > 1 else []
        self.branch = nn.Sequential(
            *widen,
            *_conv_norm(width, width, kernel_size, stride=stride, groups=width),
            nn.ReLU6(),
            *_conv_norm(width, out_channels, 1),
        )
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.branch(maps)
        return maps + out if self.has_shortcut else out


class SamePad2d(nn.Module):
    """Zeros around maps, so that a strided convolution outputs ceil(H / stride) rows.

    TensorFlow's "same" padding, with which the published weights were trained: as few zeros as
    possible, and of an odd number the larger half at the bottom and on the right. PyTorch's
    `padding` would add as many on both sides, and shift every map by half a pixel.
    """

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, maps: Tensor) -> Tensor:
        pads = []
        for size in (maps.shape[3], maps.shape[2]):  # F.pad begins with the last axis
            outputs = -(-size // self.stride)
            zeros = max(0, (outputs - 1) * self.stride + self.kernel_size - size)
            pads += [zeros // 2, zeros - zeros // 2]
        return F.pad(maps, pads)


def _conv_norm(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    pad = [SamePad2d(kernel_size, stride)] if stride > 1 else []
    padding = 0 if stride > 1 else kernel_size // 2
    conv = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False
    )
    return [*pad, conv, nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01)]
