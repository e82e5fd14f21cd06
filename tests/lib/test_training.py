"""The loop: its steps, what it records, what it leaves alone, and what it refuses."""

import dataclasses
import io
import json
import math
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_helpers import Spy, config, digits, same, small_net, weights, without_time

from dlvlib.metrics import cross_entropy
from dlvlib.training import epoch_seeds, evaluate, fit, learning_rate, predict


def order_of(num_images, seed, epoch):
    generator = torch.Generator().manual_seed(epoch_seeds(seed, epoch)[0])
    return torch.randperm(num_images, generator=generator)


# The steps


@pytest.mark.parametrize(
    ("options", "make_optimizer"),
    [
        ({"lr": 0.1}, lambda p: torch.optim.SGD(p, lr=0.1)),
        (
            {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
            lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
        ),
        (
            {"lr": 1e-3, "optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine"},
            lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1),
        ),
    ],
    ids=["sgd", "nesterov", "adamw with a schedule"],
)
def test_fit_gives_the_weights_of_a_loop_written_by_hand(options, make_optimizer):
    data = digits(100)  # 3 batches of 32 and one of 4
    ours, plain = small_net(), small_net()
    settings = config(seed=3, label_smoothing=0.1, **options)
    optimizer = make_optimizer(plain.parameters())
    for epoch in (1, 2):
        for number, index in enumerate(order_of(100, seed=3, epoch=epoch).split(32)):
            rate = learning_rate(4 * (epoch - 1) + number, 8, settings)
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            logits = plain(data.images[index].float() / 255)
            F.cross_entropy(logits, data.targets[index], label_smoothing=0.1).backward()
            optimizer.step()
    before = weights(ours)
    history = fit(ours, data, None, settings)
    assert same(weights(ours), weights(plain))
    assert not same(weights(ours), before)
    assert history.column("lr") == [learning_rate(step, 8, settings) for step in (3, 7)]


def test_the_order_of_recorded_runs():
    """Recorded runs are repeated bit for bit: these numbers must never change."""
    assert epoch_seeds(0, 1)[:2] == [3964924996, 1358922860]
    assert order_of(10, seed=0, epoch=1).tolist() == [4, 8, 5, 0, 7, 6, 2, 3, 9, 1]
    assert order_of(10, seed=5, epoch=3).tolist() == [5, 2, 3, 7, 4, 8, 1, 9, 6, 0]


def test_same_seed_same_run_even_with_dropout():
    data = digits(100)

    def train(seed, noise):
        model = small_net(dropout=0.5)
        torch.manual_seed(noise)  # whatever happened before must not matter
        history = fit(model, data, data, config(seed=seed, lr=0.1))
        return weights(model), without_time(history)

    first, second, other = train(1, noise=10), train(1, noise=11), train(2, noise=10)
    assert same(first[0], second[0]) and first[1] == second[1]
    assert not same(first[0], other[0])


def test_dropout_follows_the_seed_apart_from_the_order():
    data = digits(20)  # one batch: the order hardly matters, the dropout mask does
    losses = set()
    for seed in (0, 1, 2):
        settings = config(seed=seed, num_epochs=1, lr=1e-12)
        history = fit(small_net(dropout=0.5), data, None, settings)
        losses.add(round(history.epochs[0].train_loss, 4))
    assert len(losses) == 3


def test_fit_and_evaluate_leave_the_random_state_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    model = small_net(dropout=0.5)
    torch.manual_seed(0)
    fit(model, digits(40), digits(40), config(crop_padding=1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("accumulate", [2, 3, 32])
def test_shards_give_the_step_of_the_whole_batch(accumulate):
    data, spy = digits(100), Spy()  # a last batch of 4: shards of 2, of 2 and 2, of 1
    whole, parts = small_net(), small_net()
    settings = config(lr=0.2, momentum=0.9, label_smoothing=0.1)
    first = fit(whole, data, data, settings)
    settings = dataclasses.replace(settings, accumulate=accumulate)
    second = fit(nn.Sequential(spy, parts), data, data, settings)
    assert max(map(len, spy.training_batches())) == math.ceil(32 / accumulate)
    for a, b in zip(weights(whole), weights(parts), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-6)
    assert first.column("train_loss") == pytest.approx(second.column("train_loss"), rel=1e-5)
    assert first.column("train_top1") == second.column("train_top1")


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
    assert record.val_loss is record.val_top1 is None


def test_the_history_holds_one_record_per_epoch():
    data, seen, model, start = digits(50), [], small_net(), time.perf_counter()
    history = fit(model, data, data, config(num_epochs=3), on_epoch=seen.append)
    assert history.epochs == seen
    assert history.column("epoch") == [1, 2, 3]
    assert 0 < history.seconds == sum(history.column("seconds")) <= time.perf_counter() - start
    assert json.loads(json.dumps(history.to_list())) == [dataclasses.asdict(e) for e in seen]
    last = evaluate(model, data, batch_size=7, device="cpu")
    assert seen[-1].val_loss == pytest.approx(last.loss, rel=1e-6)
    assert seen[-1].val_top1 == last.top1
    with pytest.raises(dataclasses.FrozenInstanceError):
        seen[0].lr = 0.0
    with pytest.raises(ValueError, match=r"column must be one of epoch, lr, .* got 'accuracy'"):
        history.column("accuracy")


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


def test_equal_logits_count_alike_in_training_validation_and_evaluation():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU())
    nn.init.zeros_(model[1].weight)
    nn.init.constant_(model[1].bias, -1.0)  # all logits are 0 and stay 0
    images = torch.zeros(100, 1, 8, 8, dtype=torch.uint8)
    data = SimpleNamespace(images=images, targets=torch.tensor([0] * 90 + [8] * 10))
    record = fit(model, data, data, config()).epochs[-1]
    found = evaluate(model, data, device="cpu")
    assert record.train_top1 == record.val_top1 == found.top1 == 0.9  # the lowest class wins


# The progress bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("progress", "stream"), [(True, io.StringIO), (False, Terminal), (True, Terminal)]
)
def test_a_terminal_gets_a_bar_redrawn_at_most_every_fifty_steps(monkeypatch, progress, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # no thread left behind by the test
    fit(small_net(), digits(200), None, config(num_epochs=1, batch_size=1, progress=progress))
    text = sys.stderr.getvalue()
    if progress and stream is Terminal:
        assert "epoch 1/1: 100%" in text
        assert 2 <= text.count("epoch 1/1") <= 1 + 200 // 50 + 1  # start, every 50, end
    else:
        assert text == ""
