"""What every network and block promises: shapes, gradients, export, initialisation, errors."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from models_helpers import DISTINCT, SMALL, channels_of, on_meta
from torch import nn

from dlvlib import models
from dlvlib.models import MODELS, build
from dlvlib.models.alexnet import AlexNet
from dlvlib.models.blocks import Bottleneck, Classifier, Residual, SeparableConv2d
from dlvlib.models.googlenet import GoogLeNet
from dlvlib.models.resnet import CifarResNet, ResNet

# Too many weights for a unit test: run and exported without numbers, on the meta device.
LARGE = {"alexnet", "alexnet_2012", "vgg11"}


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_forward_backward_and_export(name):
    device = "meta" if name in LARGE else "cpu"
    with torch.device(device):
        model = build(name, num_classes=np.uint8(7), in_channels=np.int64(2))
        # beyond the least size, batch normalisation has several positions per channel
        size = model.min_size if name == "lenet5" else model.min_size + 5
        images = torch.randn(2, 2, size, size + 1)
    assert isinstance(model.features, nn.Module) and isinstance(model.head, nn.Module)
    logits = model(images)
    assert logits.shape == (2, 7)
    (logits - 1).square().sum().backward()
    grads = {key: p.grad for key, p in model.named_parameters()}
    assert [key for key, grad in grads.items() if grad is None] == []
    model.eval()
    free = {"images": {0: torch.export.Dim("batch", min=1, max=64)}}
    exported = torch.export.export(model, (images,), dynamic_shapes=free).module()
    assert exported(images[:1]).shape == (1, 7)
    if device == "cpu":
        assert [key for key, grad in grads.items() if not grad.isfinite().all()] == []
        assert [key for key, grad in grads.items() if not grad.any()] == []
        with torch.no_grad():
            torch.testing.assert_close(exported(images), model(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_he_initialisation_comes_from_the_global_generator(name):
    networks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        networks.append(build(name))
    first, again, other = (next(network.parameters()) for network in networks)
    assert torch.equal(first, again) and not torch.equal(first, other)
    for layer in networks[0].modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 20_000:
            expected = (2 / layer.weight[0].numel()) ** 0.5
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
            assert layer.bias is None or not layer.bias.any()


def test_initialisation_of_vgg_and_of_the_2012_paper():
    conv = build("vgg11", num_classes=1).features[0][0]
    bound = (6 / (9 * 3 + 9 * 64)) ** 0.5  # Glorot and Bengio (2010), equation 16
    assert 0.9 * bound < conv.weight.abs().max() <= bound
    assert not conv.bias.any()
    model = build("alexnet_2012", num_classes=1)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [m.bias.unique().tolist() for m in layers] == [[b] for b in (0, 1, 0, 1, 1, 1, 1, 0)]
    assert all(m.weight.std().item() == pytest.approx(0.01, rel=0.05) for m in layers)


@pytest.mark.parametrize(("name", "size"), [("googlenet", 79), ("googlenet_small", 32)])
def test_auxiliary_heads_read_the_maps_after_4a_and_4d(name, size):
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


def test_the_auxiliary_heads_of_the_paper_average_5x5_windows():
    model = on_meta("googlenet", aux=True)
    maps, head = torch.rand(1, 512, 14, 14), model.aux["inception4a"]
    assert torch.equal(head[1](head[0](maps)), F.avg_pool2d(maps, 5, 3))
    for size, maps_size in ((79, 5), (78, 4)):  # so the least size is exact
        images = torch.rand(1, 3, size, size, device="meta")
        assert model.features[:4](images).shape[2] == maps_size
    with pytest.raises(ValueError, match="at least 79x79 for the auxiliary heads of .* 78x90"):
        model.forward_with_aux(torch.rand(1, 3, 78, 90))
    with pytest.raises(ValueError, match="googlenet_small has no auxiliary heads.*aux=True"):
        build("googlenet_small").forward_with_aux(torch.rand(1, 3, 32, 32))


def test_wrong_images_are_refused_with_the_rule():
    for name in MODELS:
        model, right = on_meta(name).eval(), channels_of(name)
        assert isinstance(model, Classifier) and model.name == name
        small, enough = model.min_size - 1, model.min_size
        model(torch.rand(1, right, enough, enough, device="meta"))  # the least size does run
        for channels, height, width, message in (
            (right, small, enough, f"at least {enough}x{enough} for {name}, got {small}x{enough}"),
            (right, enough, small, f"at least {enough}x{enough} for {name}, got {enough}x{small}"),
            (2, enough, enough, f"must have {right} channels? for {name}, got 2"),
        ):
            with pytest.raises(ValueError, match=f"images .*{message}"):
                model(torch.rand(1, channels, height, width, device="meta"))
        if name in (*SMALL, "alexnet", "alexnet_2012", "vgg16", "googlenet"):  # a pooling decides
            with pytest.raises(RuntimeError, match="too small"):
                model.features(torch.rand(1, right, small, small, device="meta"))


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
@pytest.mark.parametrize("value", [0, 2.0, True, "10"])
def test_counts_must_be_integers_from_1(argument, value):
    for make in (partial(build, "lenet5"), GoogLeNet, AlexNet):
        with pytest.raises(ValueError, match=f"{argument} must be an integer >= 1, got {value!r}"):
            make(**{argument: value})


RESNET20 = partial(build, "resnet20", in_channels=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RESNET20()(torch.rand(3, 32, 32)), r"\(B, C, H, W\), got \(3, 32, 32\)"),
        (lambda: RESNET20()(torch.rand(2, 3, 32, 32)), "1 channel for resnet20, got 3"),
        (lambda: RESNET20()(torch.zeros(2, 1, 32, 32).byte()), "float, got torch.uint8: scale"),
        (lambda: build("resnet19"), f"unknown model 'resnet19'; there are: {', '.join(MODELS)}$"),
        (lambda: build("alexnet_small", hidden=0), "hidden must be an integer >= 1, got 0"),
        (lambda: models.VGG(12), "depth must be one of 11, 13, 16, 19, got 12"),
        (lambda: ResNet(20), "depth must be one of 18, 34, 50, 101, 152, got 20"),
        (lambda: CifarResNet(2), r"depth must be 6n \+ 2 .*, got 2"),
        (lambda: CifarResNet(20.0), "depth must be an integer >= 0, got 20.0"),
        (lambda: CifarResNet(21), r"depth must be 6n \+ 2 .*, got 21"),
        (lambda: build("mobilenet_v1", width=0), r"width must be in \(0, 1\], got 0"),
        (lambda: build("mobilenet_v1", width=1.5), r"width must be in \(0, 1\], got 1.5"),
        (lambda: Residual(4, 4, shortcut="A"), "'projection', 'pad' or 'none', got 'A'"),
        (lambda: Residual(6, 4, shortcut="pad"), "extra_channels must be >= 0, got -2"),
        (lambda: Bottleneck(4, 8, stride_at="5x5"), "'1x1' or '3x3', got '5x5'"),
        (lambda: Bottleneck(4, 6), "multiple of 4, got 6"),
    ],
)
def test_bad_input_names_the_rule_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@torch.no_grad()
def test_a_separable_convolution_is_a_dense_one_with_the_product_kernel():
    maps = torch.randn(2, 6, 11, 10)
    for kernel_size, options in ((3, {}), (5, {"stride": 2, "padding": 2, "bias": True})):
        layer = SeparableConv2d(6, 8, kernel_size, **options)
        pointwise, depthwise = layer.pointwise.weight[:, :, 0, 0], layer.depthwise.weight[:, 0]
        dense = torch.einsum("kc,cij->kcij", pointwise, depthwise)
        options["bias"] = layer.pointwise.bias
        expected = F.conv2d(maps, dense, **options)
        torch.testing.assert_close(layer(maps), expected, atol=1e-5, rtol=1e-5)
