"""TrainConfig from files, schedules, weight decay, auxiliary losses, early stopping."""

import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from training_helpers import config, digits, one_thread, same, small_net, weights  # noqa: F401

from dlvlib import models
from dlvlib.training import TrainConfig, evaluate, fit, learning_rate
from dlvlib.training.history import EpochRecord, History, best_epoch, is_out_of_patience

# From a dictionary or a file


def test_a_config_from_a_dictionary_and_from_yaml(tmp_path):
    wanted = TrainConfig(lr=1e-3, optimizer="adamw", milestones=(0.2, 0.4), flip=True)
    values = {"lr": 0.001, "optimizer": "adamw", "milestones": [0.2, 0.4], "flip": True}
    assert TrainConfig.from_dict(values) == wanted
    file = tmp_path / "c.yaml"
    file.write_text("lr: 1e-3  # PyYAML alone reads a string\noptimizer: adamw\nflip: true\n")
    file.write_text(file.read_text() + "milestones:\n- 0.2\n- 4e-1\n")
    assert TrainConfig.from_yaml(file) == wanted


def test_every_field_survives_yaml(tmp_path):
    import yaml

    wanted = config(schedule="step", milestones=(0.2, 0.4), weight_decay=5e-4, lr=1e-05)
    file = tmp_path / "c.yaml"
    values = dataclasses.asdict(wanted)
    file.write_text(yaml.safe_dump(values | {"milestones": list(wanted.milestones)}))
    assert TrainConfig.from_yaml(file) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate: 0.1", r"c\.yaml: unknown key 'learning_rate'; there are: num_epochs, "),
        ("lr: 0.1\nepochs: 3\n7: 1", r"unknown key 'epochs', 7; "),
        ("lr: fast", r"c\.yaml: lr must be a number > 0, got 'fast'"),
        ("lr: 0.1\nseed: 1\nlr: 0.2", r"c\.yaml: a key must stand once, got 'lr' 2 times"),
        ("- lr", r"must hold lines of the form name: value, got list"),
        ("", r"must hold lines of the form name: value, got NoneType"),
        ("lr: [0.1", r"c\.yaml: not readable as YAML: .*line 1"),
        ("lr: !!python/object/apply:os.getcwd []", "not readable as YAML"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, text, message):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        TrainConfig.from_yaml(file)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accumulate", 0),
        ("crop_padding", -1),
        ("cutout", 1.5),
        ("patience", True),
        ("aux_weight", -0.3),
        ("peak", 1),
        ("monitor", "val_acc"),
        ("keep", "first"),
        ("precision", "fp8"),
        ("compile", True),
        ("channels_last", 1),
        ("decay_all", None),
        ("flip", "yes"),
    ],
)
def test_a_new_field_has_a_rule_too(field, value):
    with pytest.raises(ValueError) as caught:
        TrainConfig(**{field: value})
    assert caught.match(f"^{field} must be ")
    assert str(caught.value).endswith(f"got {value!r}")


def test_fields_that_contradict_each_other():
    with pytest.raises(ValueError, match="warmup_steps must be 0 for one_cycle.* got 5"):
        TrainConfig(schedule="one_cycle", warmup_steps=5)
    with pytest.raises(ValueError, match="accumulate must be at most batch_size, got 9 pieces of"):
        TrainConfig(batch_size=8, accumulate=9)


# One cycle


@pytest.mark.parametrize(("total", "peak"), [(100, 0.3), (37, 0.25), (10, 0.9)])
def test_one_cycle_is_that_of_torch(total, peak):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    oracle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.4, total_steps=total, pct_start=peak, cycle_momentum=False
    )
    expected = []
    for step in range(total):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < total - 1:
            oracle.step()
    settings = config(schedule="one_cycle", lr=0.4, peak=peak)
    ours = [learning_rate(step, total, settings) for step in range(total)]
    assert ours == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("total", [1, 2, 3, 4])
def test_one_cycle_of_a_few_steps_stays_in_its_bounds(total):
    settings = config(schedule="one_cycle", lr=1.0)
    rates = [learning_rate(step, total, settings) for step in range(total)]
    assert all(0 < rate <= 1 and math.isfinite(rate) for rate in rates)
    assert rates[-1] == pytest.approx(1 / 25e4)


# Weight decay


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


# Auxiliary losses


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


def test_without_weight_the_auxiliary_heads_are_not_even_computed():
    model = WithAux()
    before = model.one.weight.clone()
    fit(model, digits(20), None, config())
    assert torch.equal(model.one.weight, before) and model.one.weight.grad is None


def test_a_model_without_auxiliary_heads_is_refused():
    with pytest.raises(ValueError, match=r"aux_weight must be 0 .* got 0\.3 for Sequential"):
        fit(small_net(), digits(20), None, config(aux_weight=0.3))


def test_googlenet_trains_with_its_auxiliary_heads():
    torch.manual_seed(0)
    model = models.build("googlenet_small", in_channels=1, aux=True)
    before = [p.detach().clone() for p in model.aux.parameters()]
    data = digits(8)
    fit(model, data, None, config(num_epochs=1, aux_weight=0.3, lr=0.1))
    moved = [not torch.equal(p, q) for p, q in zip(model.aux.parameters(), before, strict=True)]
    assert any(moved)


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


def contrary():
    """A validation set with the wrong targets: the better the training, the worse it gets."""
    data = digits(100)
    return data, type(data)(images=data.images, targets=(data.targets + 1) % 10)


def test_a_run_out_of_patience_stops():
    train, val = contrary()
    history = fit(small_net(), train, val, config(num_epochs=20, lr=0.5, patience=3))
    assert len(history.epochs) < 20
    losses = history.column("val_loss")
    assert losses.index(min(losses)) == len(losses) - 1 - 3


@pytest.mark.parametrize("monitor", ["val_loss", "val_top1"])
def test_the_best_weights_stay_on_request(monitor):
    train, val = contrary()
    settings = config(num_epochs=6, lr=0.5, keep="best", monitor=monitor)
    best, last = small_net(), small_net()
    history = fit(best, train, val, settings)
    fit(last, train, val, dataclasses.replace(settings, keep="last"))
    values = history.column(monitor)
    wanted = min(values) if monitor == "val_loss" else max(values)
    found = evaluate(best, val, device="cpu")
    assert {"val_loss": found.loss, "val_top1": found.top1}[monitor] == pytest.approx(wanted)
    assert values[-1] != wanted and not same(weights(best), weights(last))


@pytest.mark.parametrize("options", [{"patience": 1}, {"keep": "best"}])
def test_early_stopping_needs_a_validation_set(options):
    with pytest.raises(ValueError, match="val must be given for patience and for keep='best'"):
        fit(small_net(), digits(20), None, config(**options))


# Pieces of a batch


@pytest.mark.parametrize("accumulate", [2, 3, 32])
def test_pieces_give_the_step_of_the_whole_batch(accumulate):
    data = digits(100)  # a last batch of 4: pieces of 2, of 2 and 2, of 1
    whole, pieces = small_net(), small_net()
    settings = config(lr=0.2, momentum=0.9, label_smoothing=0.1)
    first = fit(whole, data, data, settings)
    second = fit(pieces, data, data, dataclasses.replace(settings, accumulate=accumulate))
    for a, b in zip(weights(whole), weights(pieces), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-6)
    assert first.column("train_loss") == pytest.approx(second.column("train_loss"), rel=1e-5)
    assert first.column("train_top1") == second.column("train_top1")


def test_pieces_are_as_small_as_asked():
    sizes = []

    class Spy(nn.Module):
        def forward(self, images):
            if self.training:
                sizes.append(len(images))
            return images

    fit(
        nn.Sequential(Spy(), small_net()),
        digits(50),
        None,
        config(num_epochs=1, batch_size=30, accumulate=4),
    )
    assert sizes == [8, 8, 8, 6, 5, 5, 5, 5]
