"""TrainConfig: its rules, its types, its files; and the learning rate that follows from it."""

import dataclasses
import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
import yaml
from training_helpers import config, digits, small_net

from dlvlib.training import TrainConfig, fit, learning_rate


@pytest.mark.parametrize(
    ("fields", "rule", "values"),
    [
        ("num_epochs batch_size accumulate", "an integer >= 1", [0, 2.5, True, torch.tensor(2.0)]),
        (
            "warmup_steps crop_padding cutout patience",
            "an integer >= 0",
            [-1, "32", np.float64(8)],
        ),
        ("seed", r"an integer in \[0, 4294967295\]", [-1, 2**32, None]),
        ("lr", "a number > 0", [0.0, -0.1, math.nan, math.inf, "0.1", True, 10**400]),
        ("weight_decay aux_weight", "a number >= 0", [-1e-4, math.nan, math.inf]),
        ("momentum label_smoothing", r"in \[0, 1\)", [1.0, -0.1, None, np.array([0.5, 0.6])]),
        ("peak", "between 0 and 1", [0, 1]),
        ("milestones", "fractions rising between", [(0.75, 0.5), (30, 60), (0.5, "x"), 0.5, [0]]),
        ("optimizer", "sgd or adamw", ["adam", None, ["sgd"]]),
        ("schedule", "constant, cosine, step or one_cycle", ["linear"]),
        ("monitor", "val_loss or val_top1", ["val_acc"]),
        ("keep", "last or best", ["first"]),
        ("precision", "auto, float32, bf16 or fp16", ["fp8"]),
        ("compile", "none, default or reduce-overhead", [True]),
        (
            "graph nesterov decay_all flip channels_last progress",
            "True or False",
            ["yes", 1, None],
        ),
        ("device", "a name", [None, 3]),
    ],
)
def test_an_invalid_field_is_refused_with_its_rule_and_value(fields, rule, values):
    for field, value in itertools.product(fields.split(), values):
        with pytest.raises(ValueError, match=f"^{field} must be {rule}.*, got "):
            TrainConfig(**{field: value})


def test_the_defaults_never_change():
    """Recorded runs are repeated from the fields that they set; the others are these."""
    assert dataclasses.asdict(TrainConfig()) == {
        **{"num_epochs": 10, "batch_size": 100, "lr": 0.01, "momentum": 0.0, "nesterov": False},
        **{"weight_decay": 0.0, "decay_all": True, "optimizer": "sgd", "schedule": "constant"},
        **{"milestones": (0.5, 0.75), "peak": 0.3, "warmup_steps": 0, "label_smoothing": 0.0},
        **{"aux_weight": 0.0, "crop_padding": 0, "flip": False, "cutout": 0, "patience": 0},
        **{"monitor": "val_loss", "keep": "last", "accumulate": 1, "precision": "auto"},
        **{"channels_last": False, "compile": "none", "graph": True, "seed": 0},
        **{"device": "auto", "progress": True},
    }
    with pytest.raises(TypeError, match="positional"):
        TrainConfig(10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().lr = 0.1
    limits = {"num_epochs": 1, "batch_size": 1, "patience": 0, "seed": 2**32 - 1, "momentum": 0}
    assert vars(TrainConfig(**limits)).items() >= limits.items()  # the ends of the ranges


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamw", "momentum": 0.9}, "momentum must be 0 unless optimizer is sgd"),
        ({"nesterov": True}, "nesterov must be False while momentum is 0"),
        ({"schedule": "one_cycle", "warmup_steps": 5}, "warmup_steps must be 0 for one_cycle"),
        ({"batch_size": 8, "accumulate": 9}, "accumulate must be at most batch_size 8, got 9"),
    ],
)
def test_fields_that_contradict_each_other(options, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**options)


def test_scalars_of_numpy_and_torch_become_python_numbers():
    ours = TrainConfig(
        num_epochs=np.int64(3),
        batch_size=torch.tensor(16),
        seed=np.uint32(7),
        lr=np.float64(0.125),
        momentum=torch.tensor(0.5),
        weight_decay=np.float32(0.25),
        label_smoothing=Fraction(1, 4),
        nesterov=np.bool_(True),
        flip=torch.tensor(True),
        milestones=np.array([0.25, 0.5]),
        optimizer=np.str_("sgd"),
        device=torch.device("cpu"),
    )
    values = dataclasses.asdict(ours)
    assert json.loads(json.dumps(values)) == values | {"milestones": [0.25, 0.5]}
    assert TrainConfig.from_dict(json.loads(json.dumps(values))) == ours
    types = {name: type(value) for name, value in dataclasses.asdict(TrainConfig()).items()}
    assert {name: type(value) for name, value in values.items()} == types


# Files


def test_a_config_from_yaml(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("lr: 1e-3  # PyYAML alone reads a string\noptimizer: adamw\nflip: true\n")
    file.write_text(file.read_text() + "milestones:\n- 0.2\n- 4e-1\n")
    wanted = TrainConfig(lr=1e-3, optimizer="adamw", milestones=(0.2, 0.4), flip=True)
    assert TrainConfig.from_yaml(file) == wanted
    values = dataclasses.asdict(wanted) | {"milestones": [0.2, 0.4], "lr": 1e-05}
    file.write_text(yaml.safe_dump(values))
    assert TrainConfig.from_yaml(file) == dataclasses.replace(wanted, lr=1e-05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate: 0.1", r"c\.yaml: unknown key 'learning_rate'; there are: num_epochs, "),
        ("lr: 0.1\nepochs: 3\n7: 1", r"unknown key 'epochs', 7; "),
        ("lr: fast", r"c\.yaml: lr must be a number > 0, got 'fast'"),
        ("lr: 0.1\nseed: 1\nlr: 0.2", r"c\.yaml: duplicate key 'lr'"),
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


# The learning rate


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {0: 0.1, 99: 0.1}),
        ({"warmup_steps": 4}, {0: 0.025, 1: 0.05, 3: 0.1, 4: 0.1, 99: 0.1}),
        ({"schedule": "cosine"}, {0: 0.1, 25: 0.05 * (1 + math.sqrt(0.5)), 50: 0.05}),
        ({"schedule": "cosine", "warmup_steps": 20}, {0: 0.005, 19: 0.1, 20: 0.1, 60: 0.05}),
        ({"schedule": "step"}, {0: 0.1, 49: 0.1, 50: 0.01, 74: 0.01, 75: 0.001, 99: 0.001}),
        ({"schedule": "step", "milestones": ()}, {99: 0.1}),
    ],
)
def test_the_learning_rate_at_chosen_steps(options, expected):
    settings = config(lr=0.1, **options)
    rates = {step: learning_rate(step, 100, settings) for step in expected}
    assert rates == pytest.approx(expected)


def test_milestones_are_exact():
    for percent in range(1, 100):
        settings = config(schedule="step", milestones=(percent / 100,))
        for total in (7, 30, 50, 100, 64_000):
            drop = math.ceil(Fraction(percent, 100) * total)
            if drop < total:
                assert learning_rate(drop, total, settings) == pytest.approx(0.001), percent
            assert learning_rate(drop - 1, total, settings) == 0.01, (percent, total)


@pytest.mark.parametrize(
    ("total", "peak"), [(100, 0.3), (37, 0.25), (10, 0.9), (1, 0.3), (2, 0.3), (3, 0.3), (4, 0.3)]
)
def test_one_cycle_is_that_of_torch(total, peak):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    oracle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.4, total_steps=total, pct_start=peak, cycle_momentum=False
    )
    settings = config(schedule="one_cycle", lr=0.4, peak=peak)
    for step in range(total):
        rate = optimizer.param_groups[0]["lr"]
        assert learning_rate(step, total, settings) == pytest.approx(rate, rel=1e-9)
        optimizer.step()
        if step < total - 1:
            oracle.step()


def test_steps_outside_the_run_and_endless_warm_ups_are_refused():
    for step in (-1, 100):
        with pytest.raises(ValueError, match=rf"step must be in \[0, 100\), got {step}"):
            learning_rate(step, 100, config())
    with pytest.raises(ValueError, match="warmup_steps must be below the 4 steps, got 4"):
        fit(small_net(), digits(50), None, config(warmup_steps=4))
