"""The networks against torchvision's, against the papers' numbers, and against their contract."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.googlenet import BasicConv2d
from torchvision.models.googlenet import Inception as TorchvisionInception
from torchvision.models.resnet import BasicBlock

from dlvlib import models
from dlvlib.models import MODELS, build
from dlvlib.models.alexnet import AlexNet
from dlvlib.models.blocks import Classifier
from dlvlib.models.resnet import CifarResNet, ResNet

PARAMS = {  # at the default number of classes; torchvision's, the paper's or ours
    "lenet5": 61_706,
    "alexnet": 58_325_066,
    "alexnet_2012": 60_965_224,
    "alexnet_small": 1_159_466,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg_small": 2_148_274,
    "googlenet": 6_998_552,
    "googlenet_small": 378_946,
    "xception": 22_855_952,
    "mobilenet_v1": 4_231_976,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    **{f"{kind}20": 269_722 for kind in ("plain", "resnet")},
    **{f"{kind}32": 464_154 for kind in ("plain", "resnet")},
    **{f"{kind}44": 658_586 for kind in ("plain", "resnet")},
    **{f"{kind}56": 853_018 for kind in ("plain", "resnet")},
    **{f"{kind}110": 1_727_962 for kind in ("plain", "resnet")},
}
# Too many weights for a unit test: run and exported without numbers, on the meta device.
LARGE = {"alexnet_2012", "vgg13", "vgg16", "vgg19", "resnet34", "resnet101", "resnet152"}
SMALL = [f"{family}_small" for family in ("alexnet", "googlenet", "vgg")]  # for 32x32 images


def on_meta(name, **options):
    with torch.device("meta"):
        return build(name, **options)


def count(model):
    return sum(p.numel() for p in model.parameters())


def macs(model, size):
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.rand(1, 3, size, size, device="meta"))
    return counter.get_total_flops() // 2


def channels_of(name):
    return 1 if name == "lenet5" else 3


def fill(model, *, gain=1.0):
    """Give a network without numbers repeatable ones that keep its maps at a sensible scale.

    `gain` is the mean scale of its batch normalisations: below 1 where shortcuts add up.
    """
    model.to_empty(device="cpu")
    numbers = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0))
    for i, (name, value) in enumerate(model.state_dict().items()):
        if not value.is_floating_point():
            value.zero_()
            continue
        repeats = -(-value.numel() // numbers.numel())
        drawn = numbers.roll(7919 * i).repeat(repeats)[: value.numel()].view_as(value)
        if value.ndim > 1:
            value.copy_(drawn * (2 / value[0].numel()) ** 0.5)
        elif name.endswith(("bias", "running_mean")):
            value.copy_(0.1 * drawn)
        else:  # scales and variances
            mean = 1.0 if name.endswith("running_var") else gain
            value.copy_(mean * (1 + 0.3 * drawn.clamp(-3, 3)))
    return model.eval()


def share_weights(ours, theirs):
    """Make ours use the numbers of theirs, layer by layer in the order of definition."""
    ours_state, theirs_state = ours.state_dict(), theirs.state_dict()
    assert len(ours_state) == len(theirs_state)
    pairs = zip(ours_state.items(), theirs_state.values(), strict=True)
    for (name, mine), other in pairs:
        assert mine.shape == other.shape, name
    values = zip(ours_state, theirs_state.values(), strict=True)
    ours.load_state_dict(dict(values), assign=True)
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


# Parameters ---------------------------------------------------------------------------------


def test_every_model_has_its_published_number_of_parameters():
    assert {name: count(on_meta(name)) for name in MODELS} == PARAMS


def test_counts_with_options():
    assert count(on_meta("googlenet", aux=True)) == 13_378_280
    assert count(on_meta("alexnet", num_classes=1000)) == 62_381_096
    with torch.device("meta"):
        assert count(AlexNet(1000, batch_norm=False)) == 62_378_344
        assert count(CifarResNet(1202)) == pytest.approx(19.4e6, rel=0.005)  # He et al., table 6
    for width, millions in ((0.75, 2.6), (0.5, 1.3), (0.25, 0.5)):  # Howard et al., table 6
        model = on_meta("mobilenet_v1", width=width)
        assert count(model) / 1e6 == pytest.approx(millions, abs=0.051)


def test_separable_networks_counted_by_hand():
    def conv(k, c, n):
        return k * k * c * n + 2 * n  # weights, then the scale and shift of the normalisation

    def separable(c, n):
        return 9 * c + c * n + 2 * n

    xception = conv(3, 3, 32) + conv(3, 32, 64)
    for c, n in ((64, 128), (128, 256), (256, 728)):
        xception += separable(c, n) + separable(n, n) + conv(1, c, n)
    xception += 8 * 3 * separable(728, 728)
    xception += separable(728, 728) + separable(728, 1024) + conv(1, 728, 1024)
    xception += separable(1024, 1536) + separable(1536, 2048) + 2048 * 1000 + 1000
    assert xception == PARAMS["xception"]

    widths = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    mobilenet = conv(3, 3, 32) + 1024 * 1000 + 1000
    for c, n in pairwise(widths):
        mobilenet += separable(c, n) + 2 * c
    assert mobilenet == PARAMS["mobilenet_v1"]


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("resnet18", 1.8),  # He et al. (2016), table 1, which counts one per
        ("resnet34", 3.6),  # multiply-accumulate
        ("resnet50", 3.8),
        ("resnet101", 7.6),
        ("resnet152", 11.3),
        ("vgg19", 19.6),  # the same paper, section 3.3
        ("googlenet", 1.5 + 0.084),  # Szegedy et al. (2015), section 1; its table 1 counts
        ("mobilenet_v1", 0.569),  # 2.7K weights, not 9.4K, at 112x112. Howard et al., table 8
    ],
)
def test_multiply_accumulates_are_the_papers(name, billions):
    assert macs(on_meta(name), 224) / 1e9 == pytest.approx(billions, rel=0.035)


def test_networks_for_32x32_images_cost_about_the_same():
    millions = {name: round(macs(on_meta(name), 32) / 1e6, 1) for name in (*SMALL, "resnet20")}
    assert list(millions.values()) == [38.5, 30.3, 44.5, 40.6]  # as their docstrings have it


# Oracles ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_vgg_computes_what_torchvision_computes(depth):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, f"vgg{depth}")(weights=None, init_weights=False)
    theirs = fill(theirs)
    ours = share_weights(on_meta(f"vgg{depth}"), theirs)
    assert_same_logits(ours, theirs, [64] if depth != 11 else [32, 79, 224])


def test_alexnet_of_torchvisions_widths_computes_what_torchvision_computes():
    with torch.device("meta"):
        theirs = torchvision.models.alexnet(weights=None)
        ours = AlexNet(1000, widths=(64, 192, 384, 256, 256), batch_norm=False)
    theirs = fill(theirs)
    assert_same_logits(share_weights(ours, theirs), theirs, [63, 100, 224])


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


@pytest.mark.slow
@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_resnet_computes_what_torchvision_computes(depth):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        ours = ResNet(depth, stride_at="3x3")
    theirs = fill(theirs, gain=0.6)
    sizes = [64, 101] if depth < 101 else [64]
    assert_same_logits(share_weights(ours, theirs), theirs, sizes)
    if depth < 50:
        return
    papers = share_weights(on_meta(f"resnet{depth}"), theirs)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(papers(images), theirs(images), rtol=1e-2)
    for block in theirs.modules():  # move torchvision's stride where the paper has it
        if isinstance(block, torchvision.models.resnet.Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    assert_same_logits(papers, theirs, sizes)


class Shortcut(nn.Module):
    """Option A written another way, or nothing at all, for torchvision's block."""

    def __init__(self, extra, stride, plain):
        super().__init__()
        self.extra, self.stride, self.plain = extra, stride, plain

    def forward(self, maps):
        if self.plain:
            return torch.zeros(())
        maps = F.avg_pool2d(maps, 1, self.stride)
        zeros = torch.zeros(len(maps), self.extra, *maps.shape[2:])
        return torch.cat([maps, zeros], dim=1)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("depth", [20, 56])
def test_cifar_networks_compute_what_torchvisions_blocks_compute(depth, plain):
    layers, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)], 16
    layers.append(nn.ReLU())
    for width in (16, 32, 64):
        for i in range((depth - 2) // 6):
            stride = 2 if i == 0 and width > 16 else 1
            shortcut = Shortcut(width - channels, stride, plain)
            layers.append(BasicBlock(channels, width, stride, shortcut))
            channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    theirs = fill(nn.Sequential(*layers))
    ours = share_weights(on_meta(f"{'plain' if plain else 'resnet'}{depth}"), theirs)
    assert_same_logits(ours, theirs, [32, 37])


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
    assert count(theirs) == PARAMS["googlenet"]
    ours = share_weights(on_meta("googlenet"), theirs)
    assert_same_logits(ours, theirs, [64, 97, 224])


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


# Shapes the papers print --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "shapes"),
    [
        ("alexnet", 224, [(96, 55), (96, 27), (256, 27), (256, 13), (384, 13), (256, 6)]),
        ("alexnet_2012", 224, [(96, 55), (96, 27), (256, 27), (256, 13), (384, 13), (256, 6)]),
        ("alexnet_small", 32, [(32, 32), (32, 15), (96, 15), (96, 7), (128, 7), (96, 3)]),
        ("vgg16", 224, [(64, 112), (128, 56), (256, 28), (512, 14), (512, 7)]),
        ("vgg_small", 32, [(24, 32), (48, 8), (192, 1)]),
        ("googlenet", 224, [(192, 28), (480, 28), (512, 14), (832, 7), (1024, 7)]),
        ("googlenet_small", 32, [(48, 16), (120, 8), (208, 8), (208, 4), (256, 4)]),
        ("xception", 299, [(32, 149), (64, 147), (128, 74), (256, 37), (728, 19), (2048, 10)]),
        ("mobilenet_v1", 224, [(32, 112), (64, 112), (512, 14), (1024, 7)]),
        ("resnet50", 224, [(64, 56), (256, 56), (512, 28), (1024, 14), (2048, 7)]),
        ("resnet20", 32, [(16, 32), (32, 16), (64, 8)]),
    ],
)
def test_feature_maps_have_the_published_shapes(name, size, shapes):
    maps, seen = torch.rand(1, 3, size, size, device="meta"), []
    for stage in on_meta(name).features:
        maps = stage(maps)
        assert maps.shape[2] == maps.shape[3]
        seen.append((maps.shape[1], maps.shape[2]))
    rest = iter(seen)
    assert all(shape in rest for shape in shapes), seen  # in this order
    assert seen[-1] == shapes[-1]


def test_every_layer_of_lenet_has_the_shape_and_the_parameters_of_the_lecture():
    model = build("lenet5")
    maps, shapes, params = torch.zeros(2, 1, 32, 32), [], []
    for layer in [*model.features, *model.head]:
        maps = layer(maps)
        shapes.append(tuple(maps.shape[1:]))
        params.append(count(layer))
    assert shapes == [
        *[(6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 10, 10), (16, 5, 5)],
        *[(400,), (120,), (120,), (84,), (84,), (10,)],
    ]
    assert [n for n in params if n] == [156, 2_416, 48_120, 10_164, 850]


# The contract -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in MODELS if not n.endswith(("32", "44", "110"))])
def test_forward_backward_and_export(name):
    torch.manual_seed(0)
    device = "meta" if name in LARGE else "cpu"
    with torch.device(device):
        model = build(name, num_classes=7)
        # beyond the least size, batch normalisation has several positions per channel
        size = model.min_size if name == "lenet5" else model.min_size + 5
        images = torch.randn(2, channels_of(name), size, size + 1)
    assert isinstance(model.features, nn.Module) and isinstance(model.head, nn.Module)
    logits = model(images)
    assert logits.shape == (2, 7)
    (logits - 1).square().sum().backward()
    grads = {key: p.grad for key, p in model.named_parameters()}
    assert [key for key, grad in grads.items() if grad is None] == []
    model.eval()
    exported = torch.export.export(model, (images,)).module()
    assert exported(images).shape == (2, 7)
    if device == "cpu":
        assert [key for key, grad in grads.items() if not grad.isfinite().all()] == []
        assert [key for key, grad in grads.items() if not grad.any()] == []
        with torch.no_grad():
            torch.testing.assert_close(exported(images), model(images), atol=1e-5, rtol=1e-5)


def test_it_exports_with_a_free_batch_size():
    model = build("resnet20").eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(
        model, (torch.randn(2, 3, 8, 8),), dynamic_shapes={"images": {0: batch}}
    )
    images = torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(exported.module()(images), model(images))


@pytest.mark.parametrize("name", [*SMALL, "resnet20"])
def test_weights_come_from_the_global_generator_alone(name):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.detach().flatten() for p in build(name).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize("name", ["googlenet", "resnet18", "resnet56", "vgg_small"])
def test_he_initialisation(name):
    torch.manual_seed(0)
    for layer in build(name).modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 20_000:
            expected = (2 / layer.weight[0].numel()) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
            assert layer.bias is None or not layer.bias.any()


def test_initialisation_of_vgg_and_of_the_2012_paper():
    torch.manual_seed(0)
    conv = build("vgg11", num_classes=1).features[0][0]
    bound = (6 / (9 * 3 + 9 * 64)) ** 0.5  # Glorot and Bengio (2010), equation 16
    assert 0.9 * bound < conv.weight.abs().max() <= bound
    assert not conv.bias.any()
    model = build("alexnet_2012", num_classes=1)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [m.bias.unique().tolist() for m in layers] == [[b] for b in (0, 1, 0, 1, 1, 1, 1, 0)]
    assert all(m.weight.std().item() == pytest.approx(0.01, rel=0.05) for m in layers)


# Auxiliary heads ----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "size"), [("googlenet", 79), ("googlenet_small", 32)])
def test_auxiliary_heads_read_the_maps_after_4a_and_4d(name, size):
    torch.manual_seed(0)
    model = build(name, num_classes=7, aux=True).eval()
    images, seen = torch.randn(2, 3, size, size), {}
    for key in ("inception4a", "inception4d"):
        stage = getattr(model.features, key)
        stage.register_forward_hook(lambda _, __, out, key=key: seen.update({key: out}))
    logits, aux = model.forward_with_aux(images)
    assert isinstance(aux, list) and [a.shape for a in aux] == [(2, 7), (2, 7)]
    assert torch.equal(logits, model(images))  # forward returns logits alone
    for out, (key, head) in zip(aux, model.aux.items(), strict=True):
        assert torch.equal(out, head(seen[key]))
    model.zero_grad()
    aux[0].sum().backward()  # the first auxiliary loss reaches the stem, and nothing after 4a
    assert model.features.stem[0][0].weight.grad.any()
    assert model.features.inception4b.branch1[0].weight.grad is None
    assert model.train()(images).shape == (2, 7)  # and in training mode too


def test_the_auxiliary_heads_of_the_paper_average_5x5_windows_at_224():
    head = on_meta("googlenet", aux=True).aux["inception4a"]
    maps = torch.rand(1, 512, 14, 14)
    assert torch.equal(head[1](head[0](maps)), F.avg_pool2d(maps, 5, 3))


def test_without_auxiliary_heads_asking_for_them_is_an_error():
    with pytest.raises(ValueError, match="googlenet_small has no auxiliary heads.*aux=True"):
        build("googlenet_small").forward_with_aux(torch.rand(1, 3, 32, 32))
    message = "images must be at least 79x79 for the auxiliary heads of googlenet, got 78x90"
    with pytest.raises(ValueError, match=message):
        on_meta("googlenet", aux=True).forward_with_aux(torch.rand(1, 3, 78, 90))


# Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MODELS])
def test_wrong_images_are_refused_with_the_rule(name):
    model, channels = on_meta(name).eval(), channels_of(name)
    assert isinstance(model, Classifier) and model.name == name
    small, enough = model.min_size - 1, model.min_size
    message = f"images must be at least {enough}x{enough} for {name}, got "
    for height, width in ((small, enough), (enough, small)):
        with pytest.raises(ValueError, match=f"{message}{height}x{width}"):
            model(torch.rand(1, channels, height, width, device="meta"))
    message = f"images must have {channels} channels? for {name}, got 2"
    with pytest.raises(ValueError, match=message):
        model(torch.rand(1, 2, enough, enough, device="meta"))
    model(torch.rand(1, channels, enough, enough, device="meta"))  # the least size does run


@pytest.mark.parametrize("name", ["alexnet", "alexnet_2012", "vgg16", "googlenet", *SMALL])
def test_one_pixel_less_than_the_least_size_would_not_fit_a_pooling(name):
    model = on_meta(name).eval()
    size = model.min_size
    assert model.features(torch.rand(1, 3, size, size, device="meta")).shape[2] >= 1
    with pytest.raises(RuntimeError, match="too small"):
        model.features(torch.rand(1, 3, size - 1, size - 1, device="meta"))


def test_the_least_size_of_the_auxiliary_heads_is_exact():
    model = on_meta("googlenet", aux=True)
    at_4a = model.features[:4]
    assert at_4a(torch.rand(1, 3, 79, 79, device="meta")).shape[2] == 5
    assert at_4a(torch.rand(1, 3, 78, 78, device="meta")).shape[2] == 4


def test_other_wrong_images():
    model = build("resnet20", in_channels=1)
    with pytest.raises(ValueError, match=r"shape \(B, C, H, W\), got \(3, 32, 32\)"):
        model(torch.rand(3, 32, 32))
    with pytest.raises(ValueError, match="images must have 1 channel for resnet20, got 3"):
        model(torch.rand(2, 3, 32, 32))
    with pytest.raises(ValueError, match="must be float, got torch.uint8: scale"):
        model(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
    assert model(torch.rand(2, 1, 32, 32)).shape == (2, 10)


def test_an_unknown_name_lists_what_exists():
    with pytest.raises(ValueError, match="unknown model 'resnet19'; there are: ") as error:
        build("resnet19")
    assert str(error.value).endswith(", ".join(MODELS))


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
@pytest.mark.parametrize("value", [0, -3, 2.0, True, "10"])
def test_counts_must_be_integers_from_1(argument, value):
    message = f"{argument} must be an integer >= 1, got {value!r}"
    for make in (partial(build, "lenet5"), models.googlenet.GoogLeNet, AlexNet):
        with pytest.raises(ValueError, match=message):
            make(**{argument: value})
    with pytest.raises(ValueError, match="hidden must be an integer >= 1, got 0"):
        build("alexnet_small", hidden=0)


def test_any_number_of_channels_and_integers_of_numpy():
    for name in ("lenet5", "alexnet_small", "googlenet_small", "resnet20", "mobilenet_v1"):
        for in_channels in (1, 2, 4):
            model = on_meta(name, in_channels=np.int64(in_channels), num_classes=np.uint8(5))
            images = torch.rand(2, in_channels, 32, 32, device="meta")
            assert model(images).shape == (2, 5)


def test_depths_and_widths_that_do_not_exist():
    with pytest.raises(ValueError, match="depth must be one of 11, 13, 16, 19, got 12"):
        models.VGG(12)
    with pytest.raises(ValueError, match="depth must be one of 18, 34, 50, 101, 152, got 20"):
        ResNet(20)
    for depth in (2, 21):
        with pytest.raises(ValueError, match=rf"depth must be 6n \+ 2 .*, got {depth}"):
            CifarResNet(depth)
    for width in (0, 1.5):
        with pytest.raises(ValueError, match=rf"width must be in \(0, 1\], got {width}"):
            build("mobilenet_v1", width=width)
