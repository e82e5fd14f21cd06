"""What a recipe may add to the loop: weight decay, auxiliary losses, early stopping."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_helpers import config, digits, same, small_net, weights

from dlvlib.training import EpochRecord, History, evaluate, fit
from dlvlib.training.history import best_epoch, is_out_of_patience


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_spares_biases_and_batch_norm_on_request(optimizer):
    def after_one_step(**options):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))
        before = weights(model)
        fit(model, digits(8), None, config(optimizer=optimizer, lr=0.1, num_epochs=1, **options))
        return before, weights(model)

    before, without = after_one_step()
    spared = after_one_step(weight_decay=0.5, decay_all=False)[1]
    everywhere = after_one_step(weight_decay=0.5)[1]
    for i, (start, plain) in enumerate(zip(before, without, strict=True)):
        decayed = plain - 0.1 * 0.5 * start
        torch.testing.assert_close(everywhere[i], decayed, rtol=0, atol=1e-6)
        torch.testing.assert_close(spared[i], plain if i else decayed, rtol=0, atol=1e-6)
    assert not same(spared, everywhere)


class WithAux(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.Tanh())
        self.head, self.one, self.two = nn.Linear(20, 10), nn.Linear(20, 10), nn.Linear(20, 10)

    def forward(self, images):
        return self.head(self.trunk(images))

    def forward_with_aux(self, images):
        maps = self.trunk(images)
        return self.head(maps), [self.one(maps), self.two(maps)]


def test_auxiliary_losses_are_added_with_their_weight():
    data, ours, plain = digits(20), WithAux(), WithAux()
    logits, (one, two) = plain.forward_with_aux(data.images.float() / 255)
    main = F.cross_entropy(logits, data.targets)
    extra = F.cross_entropy(one, data.targets) + F.cross_entropy(two, data.targets)
    (main + 0.3 * extra).backward()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter -= 0.1 * parameter.grad
    history = fit(ours, data, data, config(num_epochs=1, lr=0.1, aux_weight=0.3))
    for a, b in zip(weights(ours), weights(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert history.epochs[0].train_loss == pytest.approx(main.item())  # without the others


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
    assert not same(weights(best), weights(last))
