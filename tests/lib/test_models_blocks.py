"""The public blocks, each against the same computation written another way."""

import pytest
import torch
import torch.nn.functional as F

from dlvlib.models.blocks import (
    Bottleneck,
    Inception,
    Residual,
    SeparableConv2d,
    conv_block,
)


@pytest.mark.parametrize(("stride", "out_channels"), [(1, 4), (1, 7), (2, 4), (2, 7), (3, 5)])
def test_a_residual_block_adds_its_shortcut(stride, out_channels):
    maps = torch.randn(2, 4, 9, 8)
    for kind in ("projection", "pad", "none"):
        block = Residual(4, out_channels, stride=stride, shortcut=kind)
        conv1, norm1, _, conv2, norm2 = block.branch
        out = F.conv2d(maps, conv1.weight, stride=stride, padding=1)
        out = norm2(F.conv2d(norm1(out).relu(), conv2.weight, padding=1))
        if kind == "projection" and (stride > 1 or out_channels != 4):
            conv, norm = block.shortcut
            assert conv.kernel_size == (1, 1) and conv.bias is None
            out = out + norm(F.conv2d(maps, conv.weight, stride=stride))
        elif kind != "none":
            assert not list(block.shortcut.parameters())
            out = torch.cat([out[:, :4] + maps[:, :, ::stride, ::stride], out[:, 4:]], dim=1)
        torch.testing.assert_close(block(maps), out.relu())
        assert out.shape == (2, out_channels, -(-9 // stride), -(-8 // stride))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Residual(4, 4, shortcut="A"), "'projection', 'pad' or 'none', got 'A'"),
        (lambda: Bottleneck(4, 8, stride_at="5x5"), "'1x1' or '3x3', got '5x5'"),
        (lambda: Bottleneck(4, 6), "multiple of 4, got 6"),
        (lambda: Residual(6, 4, shortcut="pad"), "extra_channels must be >= 0, got -2"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@torch.no_grad()
def test_the_inception_block_is_four_branches_side_by_side():
    block, maps = Inception(20, 3, 4, 5, 2, 6, 7), torch.randn(2, 20, 9, 8)
    w = [p.detach() for p in block.parameters()]
    by_hand = [
        F.conv2d(maps, w[0], w[1]).relu(),
        F.conv2d(F.conv2d(maps, w[2], w[3]).relu(), w[4], w[5], padding=1).relu(),
        F.conv2d(F.conv2d(maps, w[6], w[7]).relu(), w[8], w[9], padding=2).relu(),
        F.conv2d(F.max_pool2d(maps, 3, 1, 1), w[10], w[11]).relu(),
    ]
    assert w[8].shape == (6, 2, 5, 5)  # a true 5x5 window
    torch.testing.assert_close(block(maps), torch.cat(by_hand, dim=1))
    assert block.out_channels == block(maps).shape[1] == 3 + 5 + 6 + 7


@torch.no_grad()
@pytest.mark.parametrize(
    ("kernel_size", "stride", "padding", "bias"),
    [(3, 1, 1, False), (5, 2, 2, True), (1, 1, 0, True), (3, 2, 0, False)],
)
def test_a_separable_convolution_is_a_dense_one_with_the_product_kernel(
    kernel_size, stride, padding, bias
):
    layer = SeparableConv2d(6, 8, kernel_size, stride=stride, padding=padding, bias=bias)
    dense = torch.einsum(
        "kc,cij->kcij", layer.pointwise.weight[:, :, 0, 0], layer.depthwise.weight[:, 0]
    )
    maps = torch.randn(2, 6, 11, 10)
    expected = F.conv2d(maps, dense, layer.pointwise.bias, stride=stride, padding=padding)
    torch.testing.assert_close(layer(maps), expected, atol=1e-5, rtol=1e-5)
    assert layer.depthwise.groups == 6


def test_a_block_has_a_bias_unless_batch_normalisation_follows():
    def kinds(**options):
        block = conv_block(2, 3, 3, **options)
        return [type(layer).__name__ for layer in block], block[0].bias is not None

    assert kinds() == (["Conv2d", "ReLU"], True)
    assert kinds(batch_norm=True) == (["Conv2d", "BatchNorm2d", "ReLU"], False)
    assert kinds(batch_norm=True, bias=True) == (["Conv2d", "BatchNorm2d", "ReLU"], True)
    assert kinds(bias=False) == (["Conv2d", "ReLU"], False)
