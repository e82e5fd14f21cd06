"""Several seeds at once against the same seeds one after the other."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_helpers import config, digits, one_thread, small_net, weights  # noqa: F401

from dlvlib.models.lenet import LeNet5
from dlvlib.training import evaluate, fit, fit_many

SEEDS = (3, 0, 7)


def large_digits(count):
    data = digits(count)
    images = F.interpolate(data.images.float(), size=(32, 32)).to(torch.uint8)
    return SimpleNamespace(images=images, targets=data.targets)


def batch_norm_net():
    conv = nn.Conv2d(1, 4, 3, bias=False)  # a bias here has only noise for a gradient
    return nn.Sequential(conv, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def one_by_one(build, train, val, settings):
    for seed in SEEDS:
        torch.manual_seed(seed)
        model = build()
        yield model, fit(model, train, val, replace(settings, seed=seed))


def assert_equal_runs(build, train, val, settings, *, rtol=1e-4):
    together = fit_many(build, SEEDS, train, val, settings)
    assert [run.seed for run in together] == list(SEEDS)
    for run, (model, history) in zip(
        together, one_by_one(build, train, val, settings), strict=True
    ):
        ours, theirs = run.model.state_dict(), model.state_dict()
        assert ours.keys() == theirs.keys()
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], rtol=rtol, atol=2e-5)
        for column in ("epoch", "lr", "train_top1", "val_top1"):
            assert run.history.column(column) == history.column(column), column
        for column in ("train_loss", "val_loss"):
            expected = pytest.approx(history.column(column), rel=rtol)
            assert val is None or run.history.column(column) == expected
    first, second = (weights(run.model)[0] for run in together[:2])
    assert not torch.equal(first, second)
    return together


def test_lenets_on_digits_equal_separate_runs():
    train, val = large_digits(250), large_digits(60)  # the last batch has 26
    settings = config(lr=0.1, schedule="cosine", warmup_steps=2, batch_size=32)
    runs = assert_equal_runs(LeNet5, train, val, settings)
    for run in runs:
        found = evaluate(run.model, val, device="cpu")
        assert run.history.epochs[-1].val_loss == pytest.approx(found.loss, rel=1e-4)
    losses = [run.history.column("train_loss") for run in runs]
    assert all(last < first for first, last in losses)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-2, "decay_all": False},
        {"optimizer": "adamw", "weight_decay": 0.1, "lr": 1e-3},
        {"crop_padding": 1, "flip": True, "cutout": 2, "label_smoothing": 0.1},
    ],
    ids=["sgd", "adamw", "augmented"],
)
def test_batch_norm_and_every_recipe_equal_separate_runs(options):
    settings = config(**{"lr": 0.05} | options)
    assert_equal_runs(batch_norm_net, digits(100), digits(30), settings, rtol=1e-3)


def test_without_a_validation_set():
    runs = fit_many(small_net, SEEDS, digits(50), None, config())
    assert runs[0].history.column("val_loss") == [None, None]


def test_the_random_state_and_the_modes_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    runs = fit_many(lambda: batch_norm_net().eval(), (0, 1), digits(50), None, config())
    assert torch.equal(torch.rand(3), expected)
    assert not any(module.training for run in runs for module in run.model.modules())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": 3}, "patience must be 0 for fit_many, got 3"),
        ({"keep": "best"}, "keep must be 'last' for fit_many, got 'best'"),
        ({"accumulate": 2}, "accumulate must be 1 for fit_many, got 2"),
        ({"compile": "default"}, "compile must be 'none' for fit_many"),
        ({"aux_weight": 0.3}, "aux_weight must be 0.0 for fit_many"),
        ({"channels_last": True}, "channels_last must be False for fit_many"),
    ],
)
def test_what_this_loop_does_not_do_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit_many(small_net, SEEDS, digits(50), digits(20), config(**options))


def test_dropout_and_no_seed_and_bad_data_are_refused():
    with pytest.raises(ValueError, match=r"no dropout for fit_many, got Dropout\(p=0\.5\) at '3'"):
        fit_many(lambda: small_net(dropout=0.5), SEEDS, digits(50), None, config())
    with pytest.raises(ValueError, match="seeds must hold at least one seed, got none"):
        fit_many(small_net, [], digits(50), None, config())
    with pytest.raises(ValueError, match=r"seed must be an int .* got -1"):
        fit_many(small_net, [1, -1], digits(50), None, config())
    bad = SimpleNamespace(images=digits(5).images, targets=digits(5).targets + 6)
    with pytest.raises(ValueError, match=r"val\.targets must be in \[0, 10\)"):
        fit_many(small_net, SEEDS, digits(50), bad, config())


def test_a_diverging_net_is_named_by_its_seed():
    def build():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    with pytest.raises(FloatingPointError, match=r"epoch \d, seed 3 must be finite"):
        fit_many(build, SEEDS, digits(50), None, config(num_epochs=5, lr=1e30))
