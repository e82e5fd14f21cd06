import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dlvlib.profile import cost

IMAGE = (1, 28, 28)


def pairs(least, most):
    return st.tuples(st.integers(least, most), st.integers(least, most))


@given(
    groups=st.integers(1, 3),
    multiples=pairs(1, 3),
    size=pairs(1, 20),
    kernel=pairs(1, 5),
    stride=pairs(1, 3),
    padding=pairs(0, 3),
    dilation=pairs(1, 3),
    bias=st.booleans(),
)
def test_convolutions_agree_with_pytorch(
    groups, multiples, size, kernel, stride, padding, dilation, bias
):
    windows = zip(size, kernel, padding, dilation, strict=True)
    assume(all(d * (k - 1) < n + 2 * p for n, k, p, d in windows))
    in_channels, out_channels = (groups * m for m in multiples)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "bias": bias}
    with torch.device("meta"):
        layer = nn.Conv2d(in_channels, out_channels, kernel, groups=groups, **options)
        with FlopCounterMode(display=False) as counter:
            output = layer(torch.empty(1, in_channels, *size))
    shape = tuple(np.array([in_channels, *size]))  # NumPy's integers count
    found = cost.conv2d(shape, np.int64(out_channels), kernel, groups=groups, **options)
    assert type(found.params) is int and {type(n) for n in found.output_shape} == {int}
    assert found.output_shape == output.shape[1:]
    assert found.params == sum(p.numel() for p in layer.parameters())
    assert 2 * found.macs == counter.get_total_flops()
    assert found.flops - 2 * found.macs == bias * output.numel()
    assert (found.output_bytes, found.param_bytes) == (output.numel() * 4, found.params * 4)


@given(
    size=pairs(1, 9),
    kernel=pairs(1, 5),
    stride=st.none() | pairs(1, 4),
    padding=pairs(0, 3),
    dilation=pairs(1, 3),
    ceil_mode=st.booleans(),
)
@settings(max_examples=300)
def test_pooling_is_accepted_where_pytorch_accepts_it(
    size, kernel, stride, padding, dilation, ceil_mode
):
    images = torch.zeros(1, 3, *size)
    options = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode, "dilation": dilation}
    try:
        expected = F.max_pool2d(images, kernel, **options).shape[1:]
    except RuntimeError:
        with pytest.raises(ValueError, match="must"):
            cost.max_pool2d((3, *size), kernel, **options)
        return
    found = cost.max_pool2d((3, *size), kernel, **options)
    assert found.output_shape == expected
    assert found.comparisons == expected.numel() * (kernel[0] * kernel[1] - 1)


def test_a_depthwise_separable_convolution_is_the_sum_of_its_parts():
    found = cost.depthwise_separable((8, 9, 9), 16, 3, stride=2, padding=1)
    depthwise = cost.conv2d((8, 9, 9), 8, 3, stride=2, padding=1, groups=8)
    pointwise = cost.conv2d((8, 5, 5), 16, 1)
    assert found.output_shape == (16, 5, 5)
    for name in ("params", "macs", "flops"):
        assert getattr(found, name) == getattr(depthwise, name) + getattr(pointwise, name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cost.conv2d((1, 4, 9), 8, 5), "fit the padded input, got 5 > 4 in height"),
        (lambda: cost.conv2d((1, 9, 4), 8, 3, dilation=3), "got 7 > 4 in width"),
        (lambda: cost.conv2d((6, 9, 9), 8, 3, groups=4), "divide the channels, got 4 .* 6 input"),
        (lambda: cost.conv2d((8, 9, 9), 6, 3, groups=4), "got 4 groups .* 6 output channels"),
        (lambda: cost.conv2d((28, 28), 8, 3), r"must be \(C, H, W\), got \(28, 28\)"),
        (lambda: cost.conv2d((1, 0, 28), 8, 3), r"\(1, 0, 28\) must be an integer >= 1, got 0"),
        (lambda: cost.conv2d(IMAGE, 0, 3), "out_channels must be an integer >= 1, got 0"),
        (lambda: cost.conv2d(IMAGE, 8, 0), "kernel_size must be an integer >= 1, got 0"),
        (lambda: cost.conv2d(IMAGE, 8, (3, 3, 3)), r"kernel_size must be one integer or .*3, 3"),
        (lambda: cost.conv2d(IMAGE, 8, 3, stride=0), "stride must be an integer >= 1, got 0"),
        (lambda: cost.conv2d(IMAGE, 8, 3, padding=-1), "padding must be an integer >= 0, got -1"),
        (lambda: cost.conv2d(IMAGE, 8, 3, dilation=0), "dilation must be an integer >= 1, got 0"),
        (lambda: cost.conv2d(IMAGE, 8, 3, groups=0), "groups must be an integer >= 1, got 0"),
        (lambda: cost.conv2d(IMAGE, 2.5, 3), "out_channels must be an integer >= 1, got 2.5"),
        (lambda: cost.linear((), 8), r"at least one axis, got \(\)"),
        (lambda: cost.linear((3,), True), "out_features must be an integer >= 1, got True"),
        (lambda: cost.max_pool2d(IMAGE, 3, padding=2), "at most half its size, got 2 for 3"),
        (lambda: cost.max_pool2d((1, 1, 1), 2), "got 2 > 1 in height"),
    ],
)
def test_bad_input_names_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
