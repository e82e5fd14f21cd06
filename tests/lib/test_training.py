"""The loop: its steps, what it records and leaves alone, and when it stops."""

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

from dlvlib.training import EpochRecord, History, epoch_seeds, evaluate, fit, learning_rate
from dlvlib.training.history import best_epoch, is_out_of_patience


def order_of(num_images, seed, epoch):
    generator = torch.Generator().manual_seed(epoch_seeds(seed, epoch)[0])
    return torch.randperm(num_images, generator=generator)


# The steps


class WithAux(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.BatchNorm1d(20), nn.Tanh())
        self.head, self.one, self.two = nn.Linear(20, 10), nn.Linear(20, 10), nn.Linear(20, 10)

    def forward(self, images):
        return self.head(self.trunk(images))

    def forward_with_aux(self, images):
        maps = self.trunk(images)
        return self.head(maps), [self.one(maps), self.two(maps)]


SGD, ADAMW = torch.optim.SGD, torch.optim.AdamW


def spared(parameters):
    """Groups with and without weight decay: biases and scales have one axis."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0},
    ]


@pytest.mark.parametrize(
    ("options", "make_optimizer"),
    [
        ({"lr": 0.1, "aux_weight": 0.3}, lambda p: SGD(p, 0.1)),
        (
            {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.5},
            lambda p: SGD(p, 0.05, momentum=0.9, nesterov=True, weight_decay=0.5),
        ),
        (
            {"lr": 0.1, "weight_decay": 0.5, "decay_all": False},
            lambda p: SGD(spared(p), 0.1, weight_decay=0.5),
        ),
        (
            {"lr": 1e-3, "optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine"},
            lambda p: ADAMW(p, 1e-3, weight_decay=0.1),
        ),
        (
            {"lr": 0.1, "optimizer": "adamw", "weight_decay": 0.5, "decay_all": False},
            lambda p: ADAMW(spared(p), 0.1, weight_decay=0.5),
        ),
    ],
    ids=["auxiliary losses", "nesterov", "spared", "adamw with a schedule", "adamw, spared"],
)
def test_fit_gives_the_weights_of_a_loop_written_by_hand(options, make_optimizer):
    data = digits(100)  # 3 batches of 32 and one of 4
    ours, plain = WithAux(), WithAux()
    settings = config(seed=3, label_smoothing=0.1, **options)
    optimizer = make_optimizer(plain.parameters())
    losses, right = torch.zeros(2), torch.zeros(2)
    for epoch in (1, 2):
        for number, index in enumerate(order_of(100, seed=3, epoch=epoch).split(32)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(4 * (epoch - 1) + number, 8, settings)
            optimizer.zero_grad()
            logits, aux = plain.forward_with_aux(data.images[index].float() / 255)
            loss, *extra = (
                F.cross_entropy(each, data.targets[index], label_smoothing=0.1)
                for each in (logits, *aux)
            )
            total = loss + 0.3 * extra[0] + 0.3 * extra[1] if settings.aux_weight else loss
            total.backward()
            optimizer.step()
            losses[epoch - 1] += loss.detach() * len(index)  # images count alike, not batches
            right[epoch - 1] += (logits.argmax(1) == data.targets[index]).sum()
    before = weights(ours)
    history = fit(ours, data, None, settings)
    assert same(ours, plain)
    assert not same(ours, before)
    assert history.column("lr") == [learning_rate(step, 8, settings) for step in (3, 7)]
    assert history.column("train_loss") == pytest.approx((losses / 100).tolist(), rel=1e-6)
    assert history.column("train_top1") == pytest.approx((right / 100).tolist())
    assert history.column("val_loss") == history.column("val_top1") == [None, None]


def test_the_order_of_recorded_runs():
    """Recorded runs are repeated bit for bit: these numbers must never change."""
    assert epoch_seeds(0, 1)[:2] == [3964924996, 1358922860]
    assert order_of(10, seed=0, epoch=1).tolist() == [4, 8, 5, 0, 7, 6, 2, 3, 9, 1]
    assert order_of(10, seed=5, epoch=3).tolist() == [5, 2, 3, 7, 4, 8, 1, 9, 6, 0]


def test_a_run_follows_from_its_seed_and_leaves_the_random_state_alone():
    data = digits(20)  # one batch: the order hardly matters, the dropout mask does

    def train(seed, noise):
        model = small_net(dropout=0.5)
        torch.manual_seed(noise)  # whatever happened before must not matter
        expected = torch.rand(3)
        torch.manual_seed(noise)
        history = fit(model, data, data, config(seed=seed, lr=1e-12, crop_padding=1))
        assert torch.equal(torch.rand(3), expected)
        return without_time(history)

    assert train(0, noise=10) == train(0, noise=11)
    assert len({round(train(seed, noise=10)[0].train_loss, 4) for seed in (0, 1, 2)}) == 3


@pytest.mark.parametrize("accumulate", [3, 32])
def test_shards_give_the_step_of_the_whole_batch(accumulate):
    data, spy = digits(100), Spy()  # a last batch of 4: shards of 2 and 2, of 1
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


def test_the_history_holds_one_record_per_epoch():
    data, seen, model, start = digits(50), [], small_net(), time.perf_counter()
    settings = config(num_epochs=3, lr=0.5, label_smoothing=0.5)  # which val_loss never includes
    history = fit(model, data, data, settings, on_epoch=seen.append)
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


def test_equal_logits_count_alike_in_training_validation_and_evaluation():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.ReLU())
    nn.init.zeros_(model[1].weight)
    nn.init.constant_(model[1].bias, -1.0)  # all logits are 0 and stay 0
    images = torch.zeros(100, 1, 8, 8, dtype=torch.uint8)
    data = SimpleNamespace(images=images, targets=torch.tensor([0] * 90 + [8] * 10))
    record = fit(model, data, data, config()).epochs[-1]
    found = evaluate(model, data, device="cpu")
    assert record.train_top1 == record.val_top1 == found.top1 == 0.9  # the lowest class wins


# Early stopping, and the weights that stay


def history_of(*losses):
    return History([EpochRecord(i, 0.1, 1.0, 0.5, v, 1 - v, 0) for i, v in enumerate(losses, 1)])


def test_patience_counts_epochs_since_the_best_one():
    patient = config(patience=2)
    assert best_epoch(history_of(0.5, 0.3, 0.3, 0.4), patient) == 2  # the first of equals
    assert best_epoch(history_of(0.5, 0.3, 0.4), config(monitor="val_top1")) == 2
    assert best_epoch(history_of(), patient) == 0
    assert not is_out_of_patience(history_of(0.5, 0.3, 0.4), patient)
    assert is_out_of_patience(history_of(0.5, 0.3, 0.3, 0.4), patient)
    assert not is_out_of_patience(history_of(0.3, 0.4, 0.5, 0.6), config())
    assert not is_out_of_patience(history_of(), patient)


@pytest.mark.parametrize("monitor", ["val_loss", "val_top1"])
def test_a_run_stops_and_keeps_its_best_weights_on_request(monitor):
    train, val = digits(100), digits(100)
    val.targets = (val.targets + 1) % 10  # the better the training, the worse the validation
    settings = config(num_epochs=20, lr=0.5, keep="best", monitor=monitor, patience=3)
    best, last = small_net(), small_net()
    values = fit(best, train, val, settings).column(monitor)
    fit(last, train, val, dataclasses.replace(settings, keep="last"))
    wanted = min(values) if monitor == "val_loss" else max(values)
    assert values.index(wanted) == len(values) - 1 - 3 and len(values) < 20
    found = evaluate(best, val, device="cpu")
    assert {"val_loss": found.loss, "val_top1": found.top1}[monitor] == pytest.approx(wanted)
    assert not same(best, last)


# The progress bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_redrawn_at_most_every_fifty_steps(monkeypatch):
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # no thread left behind by the test
    for progress, stream in ((True, io.StringIO()), (False, Terminal()), (True, Terminal())):
        monkeypatch.setattr(sys, "stderr", stream)
        fit(small_net(), digits(200), None, config(num_epochs=1, batch_size=1, progress=progress))
        if progress and stream.isatty():
            assert "epoch 1/1: 100%" in stream.getvalue()
            assert 2 <= stream.getvalue().count("epoch 1/1") <= 1 + 200 // 50 + 1  # and the start
        else:
            assert stream.getvalue() == ""
