"""Measuring, and what is refused before anything is learned; the images stay as they are."""

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch
from models_helpers import Forward
from torch import nn
from training_helpers import Spy, config, digits, same, small_net, weights

from dlvlib.metrics import cross_entropy, top_k_accuracy
from dlvlib.runtime import scale_pixels
from dlvlib.training import OutOfMemoryError, evaluate, fit, predict


def test_a_model_is_measured_in_eval_mode_for_any_batch_size():
    model, data = small_net(dropout=0.5), digits(50)
    predicted = [predict(model, data.images, batch_size=size) for size in (1, 7, 50, 1000)]
    assert model.training
    wanted = model.eval()(scale_pixels(data.images)).detach()
    for logits in predicted:
        torch.testing.assert_close(logits, wanted)
        assert not logits.requires_grad
    (logits / torch.ones(1, requires_grad=True)).sum().backward()  # usable in later gradients
    result = evaluate(model, data, batch_size=50, device="cpu")
    assert torch.equal(result.logits, predicted[2])
    assert result.loss == cross_entropy(result.logits, data.targets)
    assert result.top1 == top_k_accuracy(result.logits, data.targets)
    assert (result.predictions == data.targets).double().mean().item() == result.top1
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.top1 = 1.0


def test_every_module_gets_its_own_mode_back():
    spy, data = Spy(), digits(20)
    model = nn.Sequential(spy, small_net(), nn.BatchNorm1d(10))
    model[1].eval()  # a frozen part
    modes = [module.training for module in model.modules()]
    evaluate(model, data, device="cpu")
    fit(model, data, data, config(num_epochs=1))
    assert [module.training for module in model.modules()] == modes
    assert [training for training, _ in spy.seen] == [False] * 4 + [True, False]
    assert model[2].num_batches_tracked == 1


NORMALIZE = Forward(lambda images: images.sub_(0.5).div_(0.25))  # in place, as people write it


@pytest.mark.parametrize(
    ("first", "options"),
    [
        (NORMALIZE, {}),
        (nn.ReLU(inplace=True), {"crop_padding": 1}),
        (NORMALIZE, {"accumulate": 4, "channels_last": True}),
    ],
)
def test_the_images_of_the_caller_never_change(first, options):
    data = digits(40)
    data.images = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    before, model = data.images.clone(), nn.Sequential(first, small_net())
    losses = {evaluate(model, data, device="cpu").loss for _ in range(3)}
    assert len(losses) == 1
    predict(model, data.images)
    fit(model, data, data, config(batch_size=39, **options))
    assert torch.equal(data.images, before)


def test_float_images_and_another_default_device_change_nothing():
    data, plain, settings = digits(40), small_net(), config(crop_padding=1, momentum=0.9)
    scaled = SimpleNamespace(images=data.images.float() / 255, targets=data.targets)
    wanted = fit(plain, data, data, settings)
    for images, device in ((scaled, None), (data, "meta")):  # acts as a GPU
        ours = small_net()
        torch.set_default_device(device)
        try:
            found = fit(ours, images, images, settings)
        finally:
            torch.set_default_device(None)
        assert same(ours, plain)
        assert found.column("val_loss") == wanted.column("val_loss")


def test_a_network_in_double_takes_uint8_images():
    model, data = small_net().double(), digits(40)
    history = fit(model, data, data, config(crop_padding=1))
    assert evaluate(model, data, device="cpu").logits.dtype == torch.float64
    assert history.epochs[-1].val_loss == evaluate(model, data, device="cpu").loss


# What is refused

IMAGES, TARGETS = torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 2, 9])
WITH_NAN = IMAGES.clone()
WITH_NAN[2, 0, 0, 0] = WITH_NAN[3, 0, 0, 0] = math.nan
BAD_DATA = {
    "empty": (IMAGES[:0], TARGETS[:0], ValueError, "images must hold at least one image"),
    "no channels": (IMAGES[:, 0], TARGETS, ValueError, r"shape \(N, C, H, W\), got \(4, 8, 8\)"),
    "lengths": (IMAGES, TARGETS[:3], ValueError, r"must have shape \(4,\).* got \(3,\)"),
    "one-hot": (IMAGES, torch.eye(4).long(), ValueError, r"must have shape \(4,\).* got \(4, 4\)"),
    "too large": (IMAGES, TARGETS + 1, ValueError, r"must be in \[0, 10\).* from 1 to 10"),
    "negative": (IMAGES, TARGETS - 1, ValueError, r"must be in \[0, 10\).* from -1 to 8"),
    "wrong size": (IMAGES[..., :7], TARGETS, ValueError, r"model cannot take .*\(4, 1, 8, 7\): "),
    "NaN": (WITH_NAN, TARGETS, ValueError, "must hold finite pixels, got NaN .* in image 2"),
    "infinite": (IMAGES - math.inf, TARGETS, ValueError, "must hold finite pixels.* image 0"),
    "int64 images": (IMAGES.long(), TARGETS, TypeError, "must be uint8 or .*, got torch.int64"),
    "float64 images": (IMAGES.double(), TARGETS, TypeError, "torch.float32, got torch.float64"),
    "float targets": (IMAGES, TARGETS.float(), TypeError, "int64 tensor, got torch.float32"),
    "array": (IMAGES.numpy(), TARGETS, TypeError, "images must be a tensor, got ndarray"),
    "list": (IMAGES, TARGETS.tolist(), TypeError, "targets must be an int64 tensor, got list"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_refused_before_anything_is_learned(case):
    images, targets, error, message = BAD_DATA[case]
    bad, good = SimpleNamespace(images=images, targets=targets), digits(20)
    model = small_net()
    before = weights(model)
    for name, train, val in (("train", bad, good), ("val", good, bad)):
        with pytest.raises(error, match=message) as caught:
            fit(model, train, val, config())
        assert caught.match(rf"{name}\.(images|targets)")
    with pytest.raises(error, match=message):
        evaluate(model, bad, device="cpu")
    if "images" in message:
        with pytest.raises(error, match=message):
            predict(model, images)
    assert same(model, before)


def test_a_model_must_return_one_row_of_logits_per_image():
    for layers, got in (
        ([nn.Conv2d(1, 10, 8)], r"\(2, 10, 1, 1\)"),
        ([nn.Conv2d(1, 2, 8), nn.Flatten(0)], r"\(4,\)"),
        ([nn.Conv2d(1, 2, 8), nn.Flatten(0), nn.Unflatten(0, (4, 1))], r"\(4, 1\)"),
        ([nn.Flatten(), nn.RNN(64, 10)], "tuple"),
    ):
        with pytest.raises(ValueError, match=rf"must return logits \(2, K\), got {got}"):
            fit(nn.Sequential(*layers), digits(20), None, config())


def test_a_recipe_that_cannot_be_followed_is_refused():
    model, data, file = small_net(), digits(20), {"checkpoint": "x"}
    rule = "val must be given for patience and for keep='best'"
    for settings, options, message in (
        ({"patience": 1}, {}, rule),
        ({"keep": "best"}, {}, rule),
        ({"device": "abacus"}, {}, "device 'abacus' cannot be used here"),
        ({}, {"checkpoint_every": 5}, "checkpoint_every must be 0 without a checkpoint, got 5"),
        ({}, file | {"checkpoint_every": -1}, "checkpoint_every must be an integer >= 0, got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(model, data, None, config(**settings), **options)
    with pytest.raises(ValueError, match="batch_size must be an integer >= 1, got 0"):
        predict(model, data.images, batch_size=0)


def test_a_model_without_anything_to_learn_is_refused():
    for model in (small_net().requires_grad_(False), nn.Sequential(nn.Flatten())):
        with pytest.raises(ValueError, match="must have a parameter that requires a gradient"):
            fit(model, digits(20), None, config())
    for context in (torch.no_grad(), torch.inference_mode()):
        with context, pytest.raises(ValueError, match="must run with gradients"):
            fit(small_net(), digits(20), None, config())


@pytest.mark.parametrize(
    ("count", "options"), [(33, {}), (64, {"accumulate": 32}), (39, {"accumulate": 3})]
)
def test_a_single_image_in_front_of_batch_norm_is_refused(count, options):
    model = nn.Sequential(small_net(), nn.BatchNorm1d(10))
    before = weights(model)
    with pytest.raises(
        ValueError, match=r"a single image .*\(Expected more than 1 value per chan"
    ):
        fit(model, digits(count), None, config(**options))
    assert same(model, before)
    fit(small_net(), digits(count), None, config(**options))  # without BatchNorm it trains
    fit(nn.Sequential(nn.BatchNorm2d(1), small_net()), digits(count), None, config(**options))


def test_a_diverging_run_stops_and_names_epoch_and_learning_rate():
    records = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    with pytest.raises(FloatingPointError, match=r"epoch \d.* smaller than 1e\+30") as caught:
        fit(model, digits(64), None, config(num_epochs=5, lr=1e30), on_epoch=records.append)
    assert f"epoch {len(records) + 1}" in str(caught.value)
    data = digits(20)  # one step, which ruins the weights: the training loss is measured before it
    with pytest.raises(FloatingPointError, match=r"a logit after epoch 1 must be finite, got"):
        fit(small_net(), data, data, config(num_epochs=1, lr=1e38, weight_decay=1e38))


class Greedy(nn.Module):
    """Raises, or asks for too much memory, when it trains on more than `limit` images."""

    def __init__(self, limit, error):
        super().__init__()
        self.limit, self.error = limit, error

    def forward(self, images):
        if len(images) > self.limit and self.training:
            if self.error is not None:
                raise self.error
            torch.empty(2**60, dtype=torch.uint8)
        return images


ADVICE = "cpu has no room for a batch of 64; take a smaller batch_size, or accumulate > 2"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (None, OutOfMemoryError, ADVICE),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried\nto"), OutOfMemoryError, ADVICE),
        (RuntimeError("something else"), RuntimeError, "something else"),
    ],
)
def test_a_batch_too_large_is_an_error_with_advice(error, kind, message):
    data, model = digits(64), nn.Sequential(Greedy(20, error), small_net())
    with pytest.raises(kind, match=f"^{message}$"):
        fit(model, data, None, config(batch_size=64, accumulate=2))
    fit(model, data, None, config(batch_size=64, accumulate=4))
