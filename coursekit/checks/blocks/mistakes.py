"""Inception blocks and separable convolutions with one mistake each, as students write them.

Every option left at its default gives the right block.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


class WrongInception(nn.Module):
    """An Inception block; `dim=None` adds the branches instead of joining them.

    Shape:
        maps: (B, in_channels, H, W)
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
        inner: bool = True,
        outer: bool = True,
        reduce: bool = True,
        window: int = 5,
        padding: int = 2,
        pool: nn.Module | None = None,
        dim: int | None = 1,
        order: tuple[int, ...] = (0, 1, 2, 3),
    ) -> None:
        super().__init__()

        def conv(channels: int, out: int, size: int, around: int, relu: bool) -> nn.Sequential:
            layers = [nn.Conv2d(channels, out, size, padding=around), nn.ReLU()]
            return nn.Sequential(*layers[: 1 + relu])

        def reduced(middle: int, out: int, size: int, around: int) -> nn.Sequential:
            if not reduce:
                return conv(in_channels, out, size, around, outer)
            first = conv(in_channels, middle, 1, 0, inner)
            return nn.Sequential(first, conv(middle, out, size, around, outer))

        self.branches = nn.ModuleList(
            [
                conv(in_channels, out1, 1, 0, outer),
                reduced(reduce3, out3, 3, 1),
                reduced(reduce5, out5, window, padding),
                nn.Sequential(
                    pool or nn.MaxPool2d(3, stride=1, padding=1),
                    conv(in_channels, out_pool, 1, 0, outer),
                ),
            ]
        )
        self.dim, self.order = dim, order

    def forward(self, maps: Tensor) -> Tensor:
        results: list[Tensor] = [self.branches[i](maps) for i in self.order]
        if self.dim is None:
            return torch.stack(results).sum(dim=0)
        return torch.cat(results, dim=self.dim)


class WrongSeparable(nn.Sequential):
    """A separable convolution that keeps height and width, without biases.

    Shape:
        maps: (B, in_channels, H, W)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        groups: int | None = None,
        early: bool = False,
        swapped: bool = False,
        wide: bool = False,
        between: nn.Module | None = None,
        bias: tuple[bool, bool] = (False, False),
        padding: int | None = None,
    ) -> None:
        around = kernel_size // 2 if padding is None else padding
        middle = out_channels if early or swapped else in_channels
        channels = out_channels if swapped else in_channels
        depthwise = nn.Conv2d(
            channels,
            middle,
            kernel_size,
            padding=around,
            groups=channels if groups is None else groups,
            bias=bias[0],
        )
        inputs = in_channels if swapped else middle
        size, border = (kernel_size, around) if wide else (1, 0)
        pointwise = nn.Conv2d(inputs, out_channels, size, padding=border, bias=bias[1])
        steps = [pointwise, depthwise] if swapped else [depthwise, pointwise]
        super().__init__(steps[0], between or nn.Identity(), steps[1])


class PerChannel(nn.Module):
    """A right separable convolution with a layer of its own for each channel."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.depthwise = nn.ModuleList(
            nn.Conv2d(1, 1, kernel_size, padding=padding, bias=False) for _ in range(in_channels)
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        results = [layer(maps[:, i : i + 1]) for i, layer in enumerate(self.depthwise)]
        mixed: Tensor = self.pointwise(torch.cat(results, dim=1))
        return mixed


INCEPTION_MISTAKES: dict[Callable[..., Any], str] = {
    partial(WrongInception, padding=1): "The 5×5 convolution needs a padding of 2: with 1, as on "
    "the slide, its maps are smaller than the others.",
    partial(WrongInception, inner=False, outer=False): "There is no ReLU after any convolution: "
    "the whole block is linear but for the pooling.",
    partial(WrongInception, inner=False): "There is no ReLU between the 1×1 and the convolution "
    "after it: the two are one linear map.",
    partial(WrongInception, outer=False): "The last convolution of each branch needs a ReLU too.",
    partial(WrongInception, dim=0): "Axis 0 is the batch; the branches are joined along the "
    "channels.",
    partial(WrongInception, dim=2): "Axis 2 is the height; the branches are joined along the "
    "channels.",
    partial(WrongInception, dim=3): "The last axis is the width; the branches are joined along "
    "the channels.",
    partial(WrongInception, dim=None): "The branches are added; Inception joins their channels.",
    partial(WrongInception, pool=nn.MaxPool2d(3, stride=1)): "The pooling needs a padding of 1 to "
    "keep height and width.",
    partial(WrongInception, pool=nn.MaxPool2d(3, padding=1)): "The stride of a pooling is its "
    "window unless you pass stride=1.",
    partial(WrongInception, pool=nn.AvgPool2d(3, stride=1, padding=1)): "The fourth branch takes "
    "the mean of its window; the block takes the largest value.",
    partial(WrongInception, pool=nn.Identity()): "The fourth branch has no pooling.",
    partial(WrongInception, window=3, padding=1): "The third branch has a 3×3 window; it should "
    "have 5×5.",
    partial(WrongInception, reduce=False): "The large windows read all channels; let them read "
    "the reduced ones.",
    partial(WrongInception, order=(3, 2, 1, 0)): "The branches are joined in another order: 1×1, "
    "3×3, 5×5, pooling.",
}
SEPARABLE_MISTAKES: dict[Callable[..., Any], str] = {
    partial(WrongSeparable, groups=1): "The first step mixes channels: it needs "
    "groups=in_channels.",
    partial(WrongSeparable, early=True): "The first step gives out_channels maps; depthwise means "
    "one map for each channel that comes in.",
    partial(WrongSeparable, swapped=True): "The 1×1 step comes first; look around first, then "
    "mix.",
    partial(WrongSeparable, between=nn.ReLU()): "There is a ReLU between the two steps; Xception "
    "has none.",
    partial(WrongSeparable, bias=(True, True)): "Both convolutions have biases; leave them out "
    "here.",
    partial(WrongSeparable, bias=(False, True)): "The second convolution has biases; leave them "
    "out here.",
    partial(WrongSeparable, padding=0): "The padding is missing, so height and width shrink.",
    partial(WrongSeparable, padding=1): "A padding of 1 keeps the size for a 3×3 window only; it "
    "should follow the window.",
    partial(WrongSeparable, wide=True): "The second step has a window too; mixing takes 1×1.",
}
