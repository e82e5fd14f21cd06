"""Residual blocks with one mistake each, as students write them, with the hint that fits."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from dlvlib.models.blocks import Residual, make_shortcut


def conv3(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    """The 3x3 convolution of the right residual block."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)


class WrongResidual(Residual):
    """A residual block with the shortcut of option A.

    Args:
        in_channels, out_channels, stride: as for `Residual`.
        join: forward, from the block and the maps.
        conv: makes a 3x3 convolution from in channels, out channels, stride.
        strides: of the two convolutions, from that of the block.
        left_out: positions in the branch (0 to 4) whose layer is missing.
        shortcut: makes the shortcut, or none, from in channels, out channels, stride.

    Shape:
        maps: (B, in_channels, H, W)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        join: Callable[[Residual, Tensor], Tensor] = Residual.forward,
        conv: Callable[[int, int, int], nn.Module] = conv3,
        strides: Callable[[int], tuple[int, int]] = lambda stride: (stride, 1),
        left_out: tuple[int, ...] = (),
        shortcut: Callable[[int, int, int], nn.Module | None] | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, stride=stride, shortcut="pad")
        first, second = strides(stride)
        self.branch[0] = conv(in_channels, out_channels, first)
        self.branch[3] = conv(out_channels, out_channels, second)
        for position in left_out:
            self.branch[position] = nn.Identity()
        if shortcut is not None:
            self.shortcut = shortcut(in_channels, out_channels, stride)
        self.join = join

    def forward(self, maps: Tensor) -> Tensor:
        return self.join(self, maps)


Mistakes = dict[Callable[..., Any], str]


def _wrong(**change: Any) -> Callable[..., nn.Module]:
    """A block built from (channels) or from (in channels, out channels, stride)."""
    return lambda first, *others: WrongResidual(first, *(others or [first]), **change)


def _unpadded(i: int, o: int, s: int) -> nn.Conv2d:
    return nn.Conv2d(i, o, 3, stride=s, bias=False)


_JOINS: Mistakes = {
    _wrong(shortcut=lambda i, o, s: None): "There is no shortcut: the input is not added.",
    _wrong(join=lambda b, x: b.relu(b.branch(x)) + b.shortcut(x)): "The ReLU comes before the "
    "addition; it belongs after it.",
    _wrong(join=lambda b, x: b.relu(b.relu(b.branch(x)) + b.shortcut(x))): "There is a ReLU "
    "before the addition as well; the branch ends without one.",
    _wrong(join=lambda b, x: b.branch(x) + b.shortcut(x)): "There is no ReLU after the addition.",
    _wrong(join=lambda b, x: b.relu(b.shortcut(x) - b.branch(x))): "It subtracts the branch from "
    "the input; the block adds them.",
    _wrong(join=lambda b, x: b.relu(b.branch(x) - b.shortcut(x))): "It subtracts the input from "
    "the branch; the block adds them.",
    _wrong(join=lambda b, x: b.relu(b.branch[:3](x) + b.shortcut(x))): "The second convolution "
    "and its normalisation are not in the sum: is their result kept in a variable?",
}
_SHAPE_KEPT: Mistakes = {
    _wrong(join=lambda b, x: b.relu(b.branch(x) + b.branch[:3](x))): "The shortcut leaves after "
    "the first half; it starts at the input of the block.",
    _wrong(join=lambda b, x: b.relu(b.branch(x)) + b.branch[:3](x)): "The shortcut leaves after "
    "the first half, and the last ReLU comes before the addition.",
    # torch names the sizes in the order of the sum
    _wrong(conv=_unpadded, join=lambda b, x: b.relu(b.shortcut(x) + b.branch(x))): "The padding "
    "is missing: the branch no longer has the size of the input.",
    _wrong(join=lambda b, x: b.relu(2 * b.branch(x))): "The branch is added to itself: keep the "
    "input before its name is used again.",
    _wrong(join=lambda b, x: b.relu(x.add_(b.branch(x)))): "It adds into its input, which the "
    "gradient still needs: write out + maps, not maps += out.",
}
_BRANCHES: Mistakes = {
    _wrong(
        conv=lambda i, o, s: nn.Conv2d(i, o)  # type: ignore[call-arg]
    ): "A convolution needs its kernel size: 3.",
    _wrong(conv=_unpadded): "The padding is missing: the branch shrinks, and the sum does not "
    "fit.",
    _wrong(conv=lambda i, o, s: nn.Conv2d(i, o, 3, stride=s, padding=1)): "The convolutions have "
    "biases, which the normalisation after them takes away again.",
    _wrong(conv=lambda i, o, s: nn.Conv2d(i, o, 1, stride=s, bias=False)): "The windows are 1×1; "
    "they should be 3×3.",
    _wrong(left_out=(2,)): "There is no ReLU between the two halves of the branch.",
    _wrong(left_out=(4,)): "The second convolution has no normalisation.",
    _wrong(left_out=(1, 4)): "No convolution has a normalisation.",
}


def _option_a(
    take: Callable[[Tensor, int], Tensor] = lambda maps, s: maps[:, :, ::s, ::s],
    fill: Callable[[Tensor, int], Tensor] = lambda maps, more: F.pad(maps, (0, 0, 0, 0, 0, more)),
) -> Callable[[int, int, int], nn.Module]:
    """The shortcut of option A: take some pixels, then add so many channels."""

    class Shortcut(nn.Module):
        def __init__(self, i: int, o: int, s: int) -> None:
            super().__init__()
            self.stride, self.more = s, o - i

        def forward(self, maps: Tensor) -> Tensor:
            return fill(take(maps, self.stride), self.more)

    return Shortcut


def _corner(maps: Tensor, stride: int) -> Tensor:
    height, width = (-(-side // stride) for side in maps.shape[2:])
    return maps[:, :, :height, :width]


_SHORTCUTS: Mistakes = {
    _wrong(shortcut=lambda i, o, s: make_shortcut("projection", i, o, s)): "It has a projection; "
    "option A has no parameters of its own.",
    _wrong(
        shortcut=_option_a(take=lambda maps, s: F.avg_pool2d(maps, s, ceil_mode=True))
    ): "It takes the mean of a window; option A takes every stride-th pixel.",
    _wrong(
        shortcut=_option_a(take=lambda maps, s: F.max_pool2d(maps, s, ceil_mode=True))
    ): "It takes the largest value of a window; option A takes every stride-th pixel.",
    _wrong(shortcut=_option_a(take=_corner)): "It cuts out a corner; option A takes every "
    "stride-th pixel of the whole map.",
    _wrong(
        shortcut=_option_a(fill=lambda maps, more: F.pad(maps, (0, 0, 0, 0, more, 0)))
    ): "The zeros come before the old channels; append them.",
    _wrong(
        shortcut=_option_a(
            fill=lambda maps, more: F.pad(maps, (0, 0, 0, 0, more // 2, more - more // 2))
        )
    ): "The zeros are on both sides of the old channels; append them.",
    _wrong(
        shortcut=_option_a(
            fill=lambda maps, more: maps.repeat(1, 4, 1, 1)[:, : maps.shape[1] + more]
        )
    ): "The new channels repeat the old ones; they should be zero.",
    _wrong(shortcut=_option_a(take=lambda maps, s: maps)): "The maps of the shortcut and of the "
    "branch differ in size: each takes the stride once.",
    _wrong(shortcut=_option_a(fill=lambda maps, more: maps)): "The shortcut forgets the new "
    "channels.",
    _wrong(shortcut=lambda i, o, s: nn.Identity()): "The shortcut is the bare input: where the "
    "shape changes, the sum does not fit.",
    _wrong(shortcut=lambda i, o, s: None if s != 1 or i != o else nn.Identity()): "Where the "
    "shape changes there is no shortcut at all.",
}
_STRIDES: Mistakes = {
    _wrong(strides=lambda s: (1, s)): "The stride is in the second convolution; it belongs in the "
    "first.",
    _wrong(strides=lambda s: (s, s)): "Both convolutions stride, so the maps become too small.",
    _wrong(strides=lambda s: (1, 1)): "The maps of the branch and of the shortcut differ in size: "
    "each takes the stride once.",
}
BLOCK_MISTAKES = _JOINS | _SHAPE_KEPT | _BRANCHES
OPTION_A_MISTAKES = _JOINS | _BRANCHES | _SHORTCUTS | _STRIDES
