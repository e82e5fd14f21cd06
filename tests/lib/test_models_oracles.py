"""The networks against torchvision's, or against the paper written out, with the same weights."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
import torchvision
from models_helpers import fill, on_meta
from torch import nn
from torchvision.models.googlenet import BasicConv2d
from torchvision.models.googlenet import Inception as TorchvisionInception

from dlvlib.models import build
from dlvlib.models.alexnet import AlexNet
from dlvlib.models.resnet import ResNet
from dlvlib.models.vgg import VGG

WIDTHS = (64, 192, 384, 256, 256)  # of torchvision's AlexNet


def share_weights(ours, theirs):
    """Make ours use the numbers of theirs, layer by layer in the order of definition."""
    values = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict(dict(values), assign=True)  # compares the shapes
    return ours.eval()


@torch.no_grad()
def assert_same_logits(ours, theirs, sizes):
    for size in sizes:
        images = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1) * torch.randn(2, 3, size, size)
        expected = theirs(images)
        scale = expected.abs().max().item()
        assert (expected[0] - expected[1]).abs().max() > 0.1 * scale  # it answers to the images
        scale = max(1.0, scale)
        torch.testing.assert_close(ours(images) / scale, expected / scale, atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make", "sizes"),
    [
        ("alexnet", partial(AlexNet, 1000, widths=WIDTHS, batch_norm=False), [63, 100]),
        ("vgg11", partial(VGG, 11), [32, 79]),
        ("resnet18", partial(ResNet, 18), [64, 101]),
        ("resnet50", partial(ResNet, 50, stride_at="3x3"), [64, 101]),
    ],
)
def test_networks_compute_what_torchvisions_compute(name, make, sizes):
    options = {"init_weights": False} if name.startswith("vgg") else {}
    with torch.device("meta"):
        theirs, ours = getattr(torchvision.models, name)(weights=None, **options), make()
    theirs = fill(theirs, gain=0.6)
    assert_same_logits(share_weights(ours, theirs), theirs, sizes)
    if name == "resnet50":
        papers = share_weights(on_meta(name), theirs)
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            assert not torch.allclose(papers(images), theirs(images), rtol=1e-2)
        for block in theirs.modules():  # move torchvision's stride where the paper has it
            if isinstance(block, torchvision.models.resnet.Bottleneck):
                block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
        assert_same_logits(papers, theirs, sizes)


@torch.no_grad()
def test_alexnet_2012_is_the_two_towers_of_the_paper():
    model = build("alexnet_2012", num_classes=1).eval()
    for p in model.features.parameters():  # not the paper's: large enough to matter in the LRN
        p.copy_(torch.randn_like(p) * (2 / p[0].numel()) ** 0.5 if p.ndim > 1 else p)
    convs = [m for m in model.features.modules() if isinstance(m, nn.Conv2d)]

    def halves(conv, maps, padding):  # each GPU sees its own half of the maps
        kernels, biases = conv.weight.chunk(2), conv.bias.chunk(2)
        towers = zip(maps.chunk(2, dim=1), kernels, biases, strict=True)
        return torch.cat([F.conv2d(m, k, b, padding=padding) for m, k, b in towers], dim=1).relu()

    def normalise(maps):  # section 3.3, channel by channel
        out = torch.empty_like(maps)
        for i in range(maps.shape[1]):
            near = maps[:, max(0, i - 2) : i + 3].square().sum(dim=1)
            out[:, i] = maps[:, i] / (2 + 1e-4 * near) ** 0.75
        return out

    images = 30 * torch.randn(2, 3, 63, 70)
    maps = F.conv2d(images, convs[0].weight, convs[0].bias, stride=4, padding=2).relu()
    maps = halves(convs[1], F.max_pool2d(normalise(maps), 3, 2), padding=2)
    maps = F.max_pool2d(normalise(maps), 3, 2)
    maps = F.conv2d(maps, convs[2].weight, convs[2].bias, padding=1).relu()
    maps = halves(convs[4], halves(convs[3], maps, padding=1), padding=1)
    torch.testing.assert_close(
        model.features(images), F.max_pool2d(maps, 3, 2), rtol=1e-4, atol=1e-4
    )
    assert maps.std() > 0.1


class ConvBias(BasicConv2d):
    """torchvision's unit, with a bias in the place of batch normalisation."""

    def __init__(self, in_channels, out_channels, **kwargs):
        nn.Module.__init__(self)
        self.conv = nn.Conv2d(in_channels, out_channels, **kwargs)

    def forward(self, maps):
        return self.conv(maps).relu()


class True5x5(TorchvisionInception):
    """torchvision's block, with the 5x5 window of the paper."""

    def __init__(self, *widths, conv_block=ConvBias):
        super().__init__(*widths, conv_block=conv_block)
        self.branch3[1] = ConvBias(widths[4], widths[5], kernel_size=5, padding=2)


def test_googlenet_computes_what_torchvision_computes_with_true_5x5_branches():
    blocks = [ConvBias, True5x5, nn.Identity]
    with torch.device("meta"):
        theirs = torchvision.models.GoogLeNet(aux_logits=False, init_weights=False, blocks=blocks)
    theirs = fill(theirs)
    theirs.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # table 1 of the paper
    theirs.maxpool1 = nn.Sequential(theirs.maxpool1, nn.LocalResponseNorm(5))
    theirs.maxpool2 = nn.Sequential(nn.LocalResponseNorm(5), theirs.maxpool2)
    ours = share_weights(on_meta("googlenet"), theirs)
    assert_same_logits(ours, theirs, [64, 97])


class ByHand:
    """Consumes the weights of a network in order, one functional layer after the other."""

    def __init__(self, model):
        self.values = iter(model.state_dict().values())

    def conv(self, maps, **options):
        return self.norm(F.conv2d(maps, next(self.values), **options))

    def norm(self, maps):
        scale, shift, mean, var, _ = (next(self.values) for _ in range(5))
        return F.batch_norm(maps, mean, var, scale, shift)

    def depthwise(self, maps, stride=1):
        kernels = next(self.values)
        return F.conv2d(maps, kernels, stride=stride, padding=1, groups=len(kernels))

    def separable(self, maps):
        return self.conv(self.depthwise(maps))

    def linear(self, maps):
        logits = F.linear(maps.mean((2, 3)), next(self.values), next(self.values))
        assert not list(self.values)
        return logits


def test_xception_computes_figure_5_written_out():
    ours = fill(on_meta("xception", num_classes=10), gain=0.9)

    def by_hand(images):
        net = ByHand(ours)
        maps = net.conv(net.conv(images, stride=2).relu()).relu()
        for activation in (lambda m: m, F.relu, F.relu):  # entry flow
            branch = net.separable(net.separable(activation(maps)).relu())
            maps = F.max_pool2d(branch, 3, 2, 1) + net.conv(maps, stride=2)
        for _ in range(8):  # middle flow
            branch = maps
            for _ in range(3):
                branch = net.separable(branch.relu())
            maps = branch + maps
        branch = net.separable(net.separable(maps.relu()).relu())  # exit flow
        maps = F.max_pool2d(branch, 3, 2, 1) + net.conv(maps, stride=2)
        return net.linear(net.separable(net.separable(maps).relu()).relu())

    assert_same_logits(ours, by_hand, [71, 96])


def test_mobilenet_computes_table_1_written_out():
    ours = fill(on_meta("mobilenet_v1", num_classes=10))

    def by_hand(images):
        net = ByHand(ours)
        maps = net.conv(images, stride=2, padding=1).relu()
        for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1):
            maps = net.norm(net.depthwise(maps, stride)).relu()
            maps = net.conv(maps).relu()
        return net.linear(maps)

    assert_same_logits(ours, by_hand, [64, 75])


@pytest.mark.parametrize("name", ["plain20", "resnet20"])
def test_cifar_networks_compute_section_4_2_written_out(name):
    ours = fill(on_meta(name))

    def by_hand(images):
        net = ByHand(ours)
        maps = net.conv(images, padding=1).relu()
        for width in (16, 32, 64):
            for i in range(3):
                stride = 2 if i == 0 and width > 16 else 1
                branch = net.conv(net.conv(maps, stride=stride, padding=1).relu(), padding=1)
                around = F.avg_pool2d(maps, 1, stride)  # option A, written another way
                zeros = torch.zeros(len(maps), width - maps.shape[1], *around.shape[2:])
                around = torch.cat([around, zeros], dim=1) if name == "resnet20" else 0
                maps = (branch + around).relu()
        return net.linear(maps)

    assert_same_logits(ours, by_hand, [32, 37])
