import dataclasses
import io
import json
import math
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_helpers import config, digits, one_thread, same, small_net, weights  # noqa: F401

from dlvlib.metrics import cross_entropy, top_k_accuracy
from dlvlib.models.lenet import LeNet5
from dlvlib.runtime import scale_pixels
from dlvlib.training import (
    EpochRecord,
    History,
    TrainConfig,
    epoch_seeds,
    evaluate,
    fit,
    learning_rate,
    predict,
)

# The loop itself


def order_of(num_images, seed, epoch):
    generator = torch.Generator().manual_seed(epoch_seeds(seed, epoch)[0])
    return torch.randperm(num_images, generator=generator)


@pytest.mark.parametrize(
    ("options", "make_optimizer"),
    [
        ({"lr": 0.1}, lambda p: torch.optim.SGD(p, lr=0.1)),
        (
            {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
            lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
        ),
        (
            {"lr": 1e-3, "optimizer": "adamw", "weight_decay": 0.1},
            lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1),
        ),
    ],
    ids=["sgd", "nesterov", "adamw"],
)
def test_fit_gives_the_weights_of_a_loop_written_by_hand(options, make_optimizer):
    data = digits(100)  # 3 batches of 32 and one of 4
    ours, plain = small_net(), small_net()
    optimizer = make_optimizer(plain.parameters())
    for epoch in (1, 2):
        order = order_of(100, seed=3, epoch=epoch)
        for first in range(0, 100, 32):
            index = order[first : first + 32]
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss(label_smoothing=0.1)(
                plain(data.images[index].float() / 255), data.targets[index]
            )
            loss.backward()
            optimizer.step()
    before = weights(ours)
    fit(ours, data, None, config(seed=3, label_smoothing=0.1, **options))
    assert same(weights(ours), weights(plain))
    assert not same(weights(ours), before)


def test_the_schedule_reaches_the_optimizer():
    data = digits(64)
    ours, plain = small_net(), small_net()
    settings = config(lr=0.1, schedule="cosine", warmup_steps=1, seed=5)
    history = fit(ours, data, None, settings)
    for step, index in enumerate(
        [*order_of(64, 5, 1).split(32), *order_of(64, 5, 2).split(32)]  # 4 steps
    ):
        gradients = torch.autograd.grad(
            F.cross_entropy(plain(data.images[index].float() / 255), data.targets[index]),
            list(plain.parameters()),
        )
        with torch.no_grad():
            for parameter, gradient in zip(plain.parameters(), gradients, strict=True):
                parameter -= learning_rate(step, 4, settings) * gradient
    for a, b in zip(weights(ours), weights(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert history.column("lr") == [learning_rate(step, 4, settings) for step in (1, 3)]


def test_every_image_is_seen_once_per_epoch_in_an_order_of_its_own():
    orders = {(s, e): order_of(50, s, e).tolist() for s in (0, 1) for e in (1, 2)}
    assert all(sorted(order) == list(range(50)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 4


def test_same_seed_same_weights_even_with_dropout():
    data = digits(100)

    def train(seed, noise):
        model = small_net(dropout=0.5)
        torch.manual_seed(noise)  # whatever happened before must not matter
        history = fit(model, data, data, config(seed=seed, lr=0.1))
        return weights(model), [dataclasses.replace(e, seconds=0.0) for e in history.epochs]

    first, second, other = train(1, noise=10), train(1, noise=11), train(2, noise=10)
    assert same(first[0], second[0]) and first[1] == second[1]
    assert not same(first[0], other[0])


def test_dropout_follows_the_seed_apart_from_the_order():
    data = digits(20)  # one batch: the order hardly matters, the dropout mask does
    losses = set()
    for seed in (0, 1, 2):
        model = small_net(dropout=0.5)
        settings = config(seed=seed, num_epochs=1, lr=1e-12)
        losses.add(round(fit(model, data, None, settings).epochs[0].train_loss, 4))
    assert len(losses) == 3


def test_fit_and_evaluate_leave_the_random_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    model = small_net(dropout=0.5)
    torch.manual_seed(0)
    fit(model, digits(40), digits(40), config())
    assert torch.equal(torch.rand(3), expected)


def test_lenet_starts_at_the_loss_of_guessing_among_ten():
    torch.manual_seed(0)
    model = LeNet5()
    data = digits(200)
    images = F.interpolate(data.images.float() / 255, size=(32, 32))
    loss = evaluate(model, SimpleNamespace(images=images, targets=data.targets), device="cpu").loss
    assert loss == pytest.approx(math.log(10), abs=0.05)


def test_fit_learns_twenty_digits_by_heart():
    data = digits(20)
    settings = config(num_epochs=100, batch_size=10, lr=0.1, momentum=0.9)
    history = fit(small_net(), data, data, settings)
    assert history.epochs[0].val_top1 < 1
    assert history.epochs[-1].val_top1 == 1
    assert history.epochs[-1].val_loss < 0.05


# What is recorded


def test_training_statistics_weigh_images_not_batches():
    data = digits(65)  # batches of 32, 32 and 1: the plain mean of means would be far off
    data.targets[:] = 3
    data.targets[order_of(65, seed=0, epoch=1)[-1]] = 4  # alone in the last batch
    model = small_net()
    with torch.no_grad():
        model[-1].bias[3] += 5
    record = fit(model, data, None, config(num_epochs=1, lr=1e-12)).epochs[0]
    truth = evaluate(model, data, device="cpu")
    assert record.train_loss == pytest.approx(truth.loss, rel=1e-6)
    assert record.train_top1 == truth.top1 == 64 / 65


def test_the_history_holds_one_record_per_epoch():
    data, seen = digits(50), []
    history = fit(small_net(), data, data, config(num_epochs=3), on_epoch=seen.append)
    assert history.epochs == seen
    assert history.column("epoch") == [1, 2, 3]
    assert history.seconds == sum(history.column("seconds")) > 0
    assert json.loads(json.dumps(history.to_list())) == [dataclasses.asdict(e) for e in seen]
    assert set(history.to_list()[0]) == {f.name for f in dataclasses.fields(EpochRecord)}


def test_the_last_record_is_what_evaluate_finds():
    data, model = digits(50), small_net()
    record = fit(model, data, data, config()).epochs[-1]
    result = evaluate(model, data, batch_size=7, device="cpu")
    assert record.val_loss == pytest.approx(result.loss, rel=1e-6)
    assert record.val_top1 == result.top1


def test_without_validation_set_there_is_no_validation_number():
    history = fit(small_net(), digits(50), None, config())
    assert history.column("val_loss") == history.column("val_top1") == [None, None]


def test_train_loss_includes_label_smoothing_and_val_loss_does_not():
    data = digits(50)
    settings = config(num_epochs=1, lr=1e-12, label_smoothing=0.5)
    model = small_net()
    with torch.no_grad():
        model[-1].weight *= 20  # confident, so that smoothing shows
    record = fit(model, data, data, settings).epochs[0]
    logits = predict(model, data.images)
    smoothed = F.cross_entropy(logits, data.targets, label_smoothing=0.5).item()
    assert record.train_loss == pytest.approx(smoothed, rel=1e-5)
    assert record.val_loss == pytest.approx(cross_entropy(logits, data.targets), rel=1e-6)
    assert abs(record.train_loss - record.val_loss) > 0.01


def test_an_unknown_column_names_the_known_ones():
    with pytest.raises(ValueError, match=r"column must be one of epoch, lr, .* got 'accuracy'"):
        History().column("accuracy")


# Measuring


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_predict_is_the_model_in_eval_mode_for_any_batch_size(batch_size):
    model, data = small_net(dropout=0.5), digits(50)
    logits = predict(model, data.images, batch_size=batch_size)
    assert model.training
    model.eval()
    torch.testing.assert_close(logits, model(scale_pixels(data.images)).detach())
    assert not logits.requires_grad
    (logits / torch.ones(1, requires_grad=True)).sum().backward()  # usable in later gradients


def test_evaluate_agrees_with_the_metrics():
    model, data = small_net(), digits(50)
    result = evaluate(model, data, batch_size=8, device="cpu")
    assert result.logits.shape == (50, 10)
    assert result.loss == cross_entropy(result.logits, data.targets)
    assert result.top1 == top_k_accuracy(result.logits, data.targets)


def test_every_module_gets_its_own_mode_back():
    model, data = small_net(), digits(20)
    model.train()
    model[1].eval()  # a frozen part
    modes = [module.training for module in model.modules()]
    predict(model, data.images)
    evaluate(model, data, device="cpu")
    fit(model, data, data, config())
    assert [module.training for module in model.modules()] == modes


def test_fit_trains_in_train_mode_whatever_mode_the_model_came_in():
    seen = []

    class Spy(nn.Module):
        def forward(self, images):
            seen.append((self.training, torch.is_grad_enabled()))
            return images

    model = nn.Sequential(Spy(), small_net()).eval()
    fit(model, digits(20), digits(20), config(num_epochs=1))
    assert seen == [(False, False), (False, False), (True, True), (False, False)]
    assert not model.training


def test_the_checks_before_training_leave_batch_norm_statistics_alone():
    model = nn.Sequential(nn.BatchNorm2d(1), small_net())
    with pytest.raises(ValueError, match="warmup_steps"):
        fit(model, digits(20), None, config(warmup_steps=1000))
    assert model[0].num_batches_tracked == 0
    fit(model, digits(20), digits(20), config(num_epochs=1))
    assert model[0].num_batches_tracked == 1


def test_float_images_are_taken_as_they_are():
    data, first, second = digits(40), small_net(), small_net()
    scaled = SimpleNamespace(images=data.images.float() / 255, targets=data.targets)
    fit(first, data, None, config())
    fit(second, scaled, None, config())
    assert same(weights(first), weights(second))


# The learning rate


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {0: 0.1, 99: 0.1}),
        ({"warmup_steps": 4}, {0: 0.025, 1: 0.05, 3: 0.1, 4: 0.1, 99: 0.1}),
        ({"schedule": "cosine"}, {0: 0.1, 25: 0.05 * (1 + math.sqrt(0.5)), 50: 0.05}),
        ({"schedule": "cosine", "warmup_steps": 20}, {0: 0.005, 19: 0.1, 20: 0.1, 60: 0.05}),
        ({"schedule": "step"}, {0: 0.1, 49: 0.1, 50: 0.01, 74: 0.01, 75: 0.001, 99: 0.001}),
        ({"schedule": "step", "milestones": (0.9,)}, {89: 0.1, 90: 0.01}),
        ({"schedule": "step", "milestones": ()}, {99: 0.1}),
    ],
)
def test_the_learning_rate_at_chosen_steps(options, expected):
    settings = config(lr=0.1, **options)
    rates = {step: learning_rate(step, 100, settings) for step in expected}
    assert rates == pytest.approx(expected)


def test_cosine_falls_at_every_step_and_ends_just_above_zero():
    rates = [learning_rate(step, 100, config(lr=1, schedule="cosine")) for step in range(100)]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 1e-3


@pytest.mark.parametrize("step", [-1, 100])
def test_a_step_outside_the_run_has_no_learning_rate(step):
    with pytest.raises(ValueError, match=rf"step must be in \[0, 100\), got {step}"):
        learning_rate(step, 100, config())


def test_a_warm_up_must_end_before_the_run_does():
    with pytest.raises(ValueError, match="warmup_steps must be below the 4 steps, got 4"):
        fit(small_net(), digits(50), None, config(warmup_steps=4))


# The progress bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_no_progress_bar_where_stderr_is_no_terminal(capsys):
    fit(small_net(), digits(50), None, config(progress=True))
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_the_progress_bar_is_redrawn_at_most_every_fifty_steps(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # no thread left behind by the test
    fit(small_net(), digits(200), None, config(num_epochs=1, batch_size=1))
    text = sys.stderr.getvalue()
    assert "epoch 1/1: 100%" in text
    assert 2 <= text.count("epoch 1/1") <= 1 + 200 // 50 + 1  # start, every 50, end


def test_progress_false_is_silent_on_a_terminal_too(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit(small_net(), digits(50), None, config(progress=False))
    assert sys.stderr.getvalue() == ""


# What is refused


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("num_epochs", 0, "an int >= 1"),
        ("num_epochs", 2.5, "an int >= 1"),
        ("num_epochs", True, "an int >= 1"),
        ("batch_size", -1, "an int >= 1"),
        ("batch_size", "32", "an int >= 1"),
        ("lr", 0.0, "a number > 0"),
        ("lr", -0.1, "a number > 0"),
        ("lr", math.nan, "a number > 0"),
        ("lr", math.inf, "a number > 0"),
        ("lr", "0.1", "a number > 0"),
        ("momentum", 1.0, r"in \[0, 1\)"),
        ("momentum", -0.1, r"in \[0, 1\)"),
        ("nesterov", 1, "True or False"),
        ("weight_decay", -1e-4, "a number >= 0"),
        ("weight_decay", math.nan, "a number >= 0"),
        ("optimizer", "adam", "sgd or adamw"),
        ("schedule", "linear", "constant, cosine, step or one_cycle"),
        ("milestones", (0.75, 0.5), "fractions rising between 0 and 1"),
        ("milestones", (30, 60), "fractions rising between 0 and 1"),
        ("milestones", (0.5, "x"), "fractions rising between 0 and 1"),
        ("milestones", 0.5, "fractions rising between 0 and 1"),
        ("warmup_steps", -1, "an int >= 0"),
        ("warmup_steps", 0.1, "an int >= 0"),
        ("label_smoothing", 1.0, r"in \[0, 1\)"),
        ("label_smoothing", None, r"in \[0, 1\)"),
        ("seed", -1, r"an int in \[0, 2\*\*32\)"),
        ("seed", 2**32, r"an int in \[0, 2\*\*32\)"),
        ("device", None, "a name"),
        ("progress", "yes", "True or False"),
    ],
)
def test_an_invalid_field_is_refused_with_its_rule_and_value(field, value, rule):
    with pytest.raises(ValueError) as caught:
        TrainConfig(**{field: value})
    assert caught.match(f"^{field} must be {rule}, got ")
    assert str(caught.value).endswith(repr(value))


def test_options_that_would_be_ignored_are_refused():
    with pytest.raises(ValueError, match=r"momentum must be 0 unless optimizer is sgd, got 0\.9"):
        TrainConfig(optimizer="adamw", momentum=0.9)
    with pytest.raises(ValueError, match="nesterov must be False while momentum is 0"):
        TrainConfig(nesterov=True)


def test_a_config_survives_json():
    settings = config(schedule="step", milestones=(0.2, 0.4), seed=7)
    assert TrainConfig(**json.loads(json.dumps(dataclasses.asdict(settings)))) == settings


IMAGES, TARGETS = torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 2, 9])
BAD_DATA = {
    "empty": (IMAGES[:0], TARGETS[:0], ValueError, "images must hold at least one image"),
    "no channels": (IMAGES[:, 0], TARGETS, ValueError, r"shape \(N, C, H, W\), got \(4, 8, 8\)"),
    "lengths": (IMAGES, TARGETS[:3], ValueError, r"must have shape \(4,\).* got \(3,\)"),
    "one-hot": (IMAGES, torch.eye(4).long(), ValueError, r"must have shape \(4,\).* got \(4, 4\)"),
    "too large": (IMAGES, TARGETS + 1, ValueError, r"must be in \[0, 10\).* from 1 to 10"),
    "negative": (IMAGES, TARGETS - 1, ValueError, r"must be in \[0, 10\).* from -1 to 8"),
    "wrong size": (IMAGES[..., :7], TARGETS, ValueError, r"model cannot take .*\(4, 1, 8, 7\): "),
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
    assert same(weights(model), before)


@pytest.mark.parametrize(
    ("layers", "got"),
    [
        ([nn.Identity()], r"\(2, 1, 8, 8\)"),
        ([nn.Conv2d(1, 10, 8)], r"\(2, 10, 1, 1\)"),
        ([nn.Conv2d(1, 2, 8), nn.Flatten(0)], r"\(4,\)"),
        ([nn.Conv2d(1, 2, 8), nn.Flatten(0), nn.Unflatten(0, (4, 1))], r"\(4, 1\)"),
        ([nn.Flatten(), nn.RNN(64, 10)], "tuple"),
    ],
)
def test_a_model_must_return_one_row_of_logits_per_image(layers, got):
    with pytest.raises(ValueError, match=rf"must return logits \(2, K\), got {got}"):
        fit(nn.Sequential(*layers), digits(20), None, config())


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(ValueError, match="batch_size must be an int >= 1, got 0"):
        predict(small_net(), digits(3).images, batch_size=0)


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="device 'abacus' cannot be used here"):
        fit(small_net(), digits(3), None, config(device="abacus"))


@pytest.mark.parametrize("val", [None, digits(64)])
def test_a_diverging_run_stops_and_names_epoch_and_learning_rate(val):
    records = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    model.eval()
    with pytest.raises(
        FloatingPointError, match=r"epoch \d.* an lr smaller than 1e\+30"
    ) as caught:
        fit(model, digits(64), val, config(num_epochs=5, lr=1e30), on_epoch=records.append)
    assert f"epoch {len(records) + 1}" in str(caught.value)
    assert not all(parameter.isfinite().all() for parameter in model.parameters())
    assert not model.training


def test_weights_ruined_by_the_last_step_are_noticed_in_validation():
    data = digits(20)  # one batch, one step: the training loss is measured before it
    with pytest.raises(FloatingPointError, match=r"a logit after epoch 1 must be finite, got"):
        fit(small_net(), data, data, config(num_epochs=1, lr=1e38, weight_decay=1e38))
