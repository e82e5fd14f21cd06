"""What the networks share: their base class, four blocks, and weight initialisation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlvlib._common import check_int


class Classifier(nn.Module):
    """Base of the networks: check the images, then `.features`, then `.head`.

    A subclass calls `super().__init__` and sets the two parts.

    Args:
        name: of the network, in error messages.
        min_size: least height and width. Below it a pooling window no longer fits; where padding
            makes any size fit, it is the total stride of the features.

    Shape:
        images: (B, in_channels, H, W) float, H and W at least min_size
        logits: (B, num_classes) float, unnormalised

    Raises:
        ValueError: if an argument is not an integer >= 1; in `forward`, if the images do not
            have that shape.
    """

    features: nn.Module
    head: nn.Module

    def __init__(self, name: str, num_classes: int, in_channels: int, *, min_size: int) -> None:
        super().__init__()
        check_int("num_classes", num_classes, 1)
        self.in_channels = check_int("in_channels", in_channels, 1)
        self.name, self.min_size = name, min_size

    def forward(self, images: Tensor) -> Tensor:
        self.check_images(images)
        logits: Tensor = self.head(self.features(images))
        return logits

    def check_images(self, images: Tensor) -> None:
        """Reject images that an inner layer would reject with a less helpful message."""
        if images.ndim != 4:
            raise ValueError(f"images must have shape (B, C, H, W), got {tuple(images.shape)}")
        _, channels, height, width = images.shape
        if channels != self.in_channels:
            wanted = f"{self.in_channels} channel{'s' if self.in_channels > 1 else ''}"
            raise ValueError(f"images must have {wanted} for {self.name}, got {channels}")
        size = self.min_size
        if min(height, width) < size:
            raise ValueError(
                f"images must be at least {size}x{size} for {self.name}, got {height}x{width}"
            )
        if not images.is_floating_point():
            raise ValueError(f"images must be float, got {images.dtype}: scale the pixels first")


class Residual(nn.Module):
    """ReLU(F(x) + x), where F is two 3x3 convolutions with batch normalisation.

    Args:
        stride: of the first convolution; 2 halves height and width.
        shortcut: how x reaches the sum where the shape changes. "projection": 1x1 convolution
            (option B of the paper); "pad": every stride-th pixel, new channels are zero (option
            A, no parameter); "none": no shortcut at all, which makes a plain block.

    Shape:
        maps: (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))

    Source: He et al. (2016), sections 3.2 and 3.3, https://doi.org/10.1109/CVPR.2016.90
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, shortcut: str = "projection"
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *conv_block(in_channels, out_channels, 3, stride=stride, padding=1, batch_norm=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module | None = None
        if shortcut != "none":
            self.shortcut = make_shortcut(shortcut, in_channels, out_channels, stride)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.branch(maps)
        if self.shortcut is not None:
            out = out + self.shortcut(maps)
        out = self.relu(out)
        return out


class Bottleneck(nn.Module):
    """ReLU(F(x) + x), where F narrows to a quarter (1x1), convolves (3x3), widens again (1x1).

    Args:
        out_channels: a multiple of 4.
        stride: 2 halves height and width.
        stride_at: which convolution strides. "1x1": the first, as in the paper; "3x3": the
            second, as in torchvision ("ResNet v1.5": a little more accurate and more costly).

    Shape:
        maps: (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))

    Source: He et al. (2016), section 4.1 and figure 5, https://doi.org/10.1109/CVPR.2016.90
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, stride_at: str = "1x1"
    ) -> None:
        super().__init__()
        if stride_at not in ("1x1", "3x3"):
            raise ValueError(f"stride_at must be '1x1' or '3x3', got {stride_at!r}")
        if out_channels % 4:
            raise ValueError(f"out_channels must be a multiple of 4, got {out_channels}")
        first, second = (stride, 1) if stride_at == "1x1" else (1, stride)
        width = out_channels // 4
        self.branch = nn.Sequential(
            *conv_block(in_channels, width, 1, stride=first, batch_norm=True),
            *conv_block(width, width, 3, stride=second, padding=1, batch_norm=True),
            nn.Conv2d(width, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = make_shortcut("projection", in_channels, out_channels, stride)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.relu(self.branch(maps) + self.shortcut(maps))
        return out


class Inception(nn.Module):
    """Look at the same maps through 1x1, 3x3 and 5x5 windows and a pooling, side by side.

    A 1x1 convolution first makes the expensive branches narrow. ReLU follows every convolution:
    without it, a 1x1 and the convolution after it would be one linear map.

    Args:
        out1, reduce3, out3, reduce5, out5, out_pool: channels of each convolution, in the order
            of the columns of the paper's table 1.
        batch_norm: normalise after each convolution (not in the paper).

    Shape:
        maps: (B, in_channels, H, W) -> (B, out1 + out3 + out5 + out_pool, H, W)

    Source: Szegedy et al. (2015), section 4, https://doi.org/10.1109/CVPR.2015.7298594
    """

    def __init__(
        self,
        in_channels: int,
        out1: int,
        reduce3: int,
        out3: int,
        reduce5: int,
        out5: int,
        out_pool: int,
        *,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = out1 + out3 + out5 + out_pool
        self.branch1 = conv_block(in_channels, out1, 1, batch_norm=batch_norm)
        self.branch3 = nn.Sequential(
            conv_block(in_channels, reduce3, 1, batch_norm=batch_norm),
            conv_block(reduce3, out3, 3, padding=1, batch_norm=batch_norm),
        )
        self.branch5 = nn.Sequential(
            conv_block(in_channels, reduce5, 1, batch_norm=batch_norm),
            conv_block(reduce5, out5, 5, padding=2, batch_norm=batch_norm),
        )
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            conv_block(in_channels, out_pool, 1, batch_norm=batch_norm),
        )

    def forward(self, maps: Tensor) -> Tensor:
        branches = (self.branch1, self.branch3, self.branch5, self.branch_pool)
        return torch.cat([branch(maps) for branch in branches], dim=1)


class SeparableConv2d(nn.Module):
    """A convolution in two steps: each channel on its own in space, then 1x1 across channels.

    The two steps together are one dense convolution whose kernel is the product
    pointwise[k, c] * depthwise[c, i, j]. For N output channels and a k x k window they take
    C (k k + N) weights instead of C k k N. No normalisation or activation between the two, as in
    Xception; MobileNet has both.

    Shape:
        maps: (B, in_channels, H, W) -> (B, out_channels, H', W'), H' and W' as for nn.Conv2d

    Source: Sifre (2014), PhD thesis; Chollet (2017), https://doi.org/10.1109/CVPR.2017.195
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.pointwise(self.depthwise(maps))
        return out


class PadShortcut(nn.Module):
    """Every stride-th pixel of each map, then extra maps of zeros: a shortcut without weights.

    Source: He et al. (2016), section 3.3, option A, https://doi.org/10.1109/CVPR.2016.90
    """

    def __init__(self, extra_channels: int, stride: int) -> None:
        super().__init__()
        if extra_channels < 0:
            raise ValueError(f"extra_channels must be >= 0, got {extra_channels}")
        self.extra_channels, self.stride = extra_channels, stride

    def forward(self, maps: Tensor) -> Tensor:
        maps = maps[:, :, :: self.stride, :: self.stride]
        return F.pad(maps, (0, 0, 0, 0, 0, self.extra_channels))  # pairs from the last axis back


def make_shortcut(kind: str, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The way around a residual branch: the identity wherever the shape allows it."""
    if kind not in ("projection", "pad"):
        raise ValueError(f"shortcut must be 'projection', 'pad' or 'none', got {kind!r}")
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if kind == "pad":
        return PadShortcut(out_channels - in_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def conv_block(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    batch_norm: bool = False,
    bias: bool | None = None,
) -> nn.Sequential:
    """Convolution, batch normalisation if asked for, ReLU.

    No bias precedes batch normalisation, whose shift does the same; `bias` overrides that.
    """
    bias = not batch_norm if bias is None else bias
    conv = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
    )
    norm = [nn.BatchNorm2d(out_channels)] if batch_norm else []
    return nn.Sequential(conv, *norm, nn.ReLU())


def pooled_head(channels: int, num_classes: int, *, dropout: float = 0.0) -> nn.Sequential:
    """Global average pooling, dropout if asked for, one dense layer."""
    drop = [nn.Dropout(dropout)] if dropout else []
    dense = nn.Linear(channels, num_classes)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *drop, dense)


def init_he(model: nn.Module) -> None:
    """Draw every convolution's weights from N(0, 2 / fan_in), zero its bias, in place.

    The variance of the maps then stays the same from layer to layer, the ReLUs included. Dense
    layers keep PyTorch's own initialisation, so the first logits are small and the first loss is
    close to ln K.

    Source: He et al. (2015), equation 10, https://doi.org/10.1109/ICCV.2015.123
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
