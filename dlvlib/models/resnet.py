"""ResNet for ImageNet and for CIFAR-10, and the plain networks it is compared with.

Source: He et al. (2016), "Deep residual learning for image recognition", table 1 and section 4.2,
https://doi.org/10.1109/CVPR.2016.90
"""

from typing import Any

from torch import nn

from dlvlib._common import check_int
from dlvlib.models.blocks import Bottleneck, Classifier, Residual, conv_block, init_he, pooled_head

Block = type[Residual] | type[Bottleneck]
LAYOUTS: dict[int, tuple[Block, tuple[int, ...], tuple[int, ...]]] = {
    # depth: block, its output channels in each stage, number of blocks in each stage
    18: (Residual, (64, 128, 256, 512), (2, 2, 2, 2)),
    34: (Residual, (64, 128, 256, 512), (3, 4, 6, 3)),
    50: (Bottleneck, (256, 512, 1024, 2048), (3, 4, 6, 3)),
    101: (Bottleneck, (256, 512, 1024, 2048), (3, 4, 23, 3)),
    152: (Bottleneck, (256, 512, 1024, 2048), (3, 8, 36, 3)),
}


class ResNet(Classifier):
    """A stem, four stages of residual blocks, one dense layer.

    At 1,000 classes: 11,689,512 parameters for depth 18, 21,797,672 for 34, 25,557,032 for 50,
    44,549,160 for 101, 60,192,808 for 152.

    Args:
        depth: 18, 34, 50, 101 or 152 layers with weights.
        stride_at: only for bottlenecks (depth 50 and up): "1x1" strides where the paper does,
            "3x3" where torchvision does.

    Shape:
        images: (B, in_channels, H, W) float, 224x224 in the paper, at least 32x32
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        stride_at: str = "1x1",
    ) -> None:
        if depth not in LAYOUTS:
            raise ValueError(f"depth must be one of {', '.join(map(str, LAYOUTS))}, got {depth}")
        super().__init__(f"resnet{depth}", num_classes, in_channels, min_size=32)
        block, widths, num_blocks = LAYOUTS[depth]
        options = {"stride_at": stride_at} if block is Bottleneck else {}
        stem = nn.Sequential(
            *conv_block(in_channels, 64, 7, stride=2, padding=3, batch_norm=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )  # (B, 64, 56, 56)
        stages, channels = [], 64
        for i, (width, count) in enumerate(zip(widths, num_blocks, strict=True)):
            stages.append(make_stage(block, count, channels, width, 1 if i == 0 else 2, **options))
            channels = width
        self.features = nn.Sequential(stem, *stages)  # (B, 512 or 2048, 7, 7)
        self.head = pooled_head(channels, num_classes)
        init_he(self)


class CifarResNet(Classifier):
    """The 32x32 family: a 3x3 stem and three stages of n blocks, depth 6n + 2.

    Shortcuts are option A and hold no parameter, so a plain network has as many parameters as the
    ResNet of its depth: at 10 classes 269,722 (depth 20), 464,154 (32), 658,586 (44), 853,018
    (56), 1,727,962 (110).

    Args:
        depth: 6n + 2 layers with weights; the paper uses 20, 32, 44, 56, 110 and 1202.
        plain: leave every shortcut out; nothing else changes.

    Shape:
        images: (B, in_channels, H, W) float, 32x32 in the paper, at least 4x4
    """

    def __init__(
        self, depth: int, num_classes: int = 10, in_channels: int = 3, *, plain: bool = False
    ) -> None:
        if check_int("depth", depth) < 8 or depth % 6 != 2:
            raise ValueError(f"depth must be 6n + 2 with n >= 1 (20, 32, 44, ...), got {depth}")
        name = f"plain{depth}" if plain else f"resnet{depth}"
        super().__init__(name, num_classes, in_channels, min_size=4)
        n, shortcut = depth // 6, "none" if plain else "pad"
        self.features = nn.Sequential(
            conv_block(in_channels, 16, 3, padding=1, batch_norm=True),  # (B, 16, 32, 32)
            make_stage(Residual, n, 16, 16, 1, shortcut=shortcut),  # (B, 16, 32, 32)
            make_stage(Residual, n, 16, 32, 2, shortcut=shortcut),  # (B, 32, 16, 16)
            make_stage(Residual, n, 32, 64, 2, shortcut=shortcut),  # (B, 64, 8, 8)
        )
        self.head = pooled_head(64, num_classes)
        init_he(self)


def make_stage(
    block: Block,
    num_blocks: int,
    in_channels: int,
    out_channels: int,
    stride: int,
    **options: Any,
) -> nn.Sequential:
    """Blocks at one resolution; the first one changes the width and takes the stride."""
    first = block(in_channels, out_channels, stride=stride, **options)
    rest = [block(out_channels, out_channels, **options) for _ in range(num_blocks - 1)]
    return nn.Sequential(first, *rest)
