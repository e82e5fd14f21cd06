"""What every network promises: shapes, gradients, export, initialisation, errors."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from models_helpers import SMALL, channels_of, on_meta
from torch import nn

from dlvlib import models
from dlvlib.models import MODELS, build
from dlvlib.models.alexnet import AlexNet
from dlvlib.models.blocks import Classifier
from dlvlib.models.resnet import CifarResNet, ResNet

# Too many weights for a unit test: run and exported without numbers, on the meta device.
LARGE = {"alexnet", "alexnet_2012", "vgg11"}
# Other depths run the same code; their layers are counted in test_models.
DEPTHS = ("13", "16", "19", "32", "34", "44", "56", "101", "110", "152")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in MODELS if not n.endswith(DEPTHS)])
def test_forward_backward_and_export(name):
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
    for layer in build(name).modules():
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
