import math
from pathlib import Path

import pytest
import torch

from coursekit.checks import check
from coursekit.checks.diagnosis import variants as curves
from coursekit.checks.diagnosis.questions import DECISIONS, DIAGNOSES, QUESTIONS
from dlvlib import results
from dlvlib.training import EpochRecord, History, TrainConfig
from dlvlib.training.history import best_epoch, is_out_of_patience

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "chapters" / "results" / "overfitting"


def kept_by_the_library(val_losses, patience):
    """The rule of `dlvlib.training`, applied epoch by epoch."""
    history, config = History(), TrainConfig(patience=patience)
    for epoch, loss in enumerate(val_losses, start=1):
        history.epochs.append(EpochRecord(epoch, 0.1, 0.0, 0.0, loss, 0.0, 0.0))
        if is_out_of_patience(history, config):
            break
    return best_epoch(history, config)


def counts_bad_epochs(val_losses, patience):
    """Another right way: a counter that a better epoch sets back."""
    kept, lowest, bad = 0, math.inf, 0
    for index, loss in enumerate(val_losses):
        if loss < lowest:
            kept, lowest, bad = index + 1, loss, 0
            continue
        bad += 1
        if bad == patience:
            return kept
    return kept


def test_the_reference_keeps_the_epoch_that_the_library_keeps():
    generator = torch.Generator().manual_seed(1)
    for _ in range(300):
        losses, patience = curves.draw_curve(generator)
        assert curves.best_epoch(losses, patience) == kept_by_the_library(losses, patience)


RIGHT = [
    ("phenomenon", " Overfitting"),
    ("best_epoch", kept_by_the_library),
    ("best_epoch", counts_bad_epochs),
    (
        "gap",
        lambda train, val: min(zip(val, train, strict=True))[0] - train[val.index(min(val))],
    ),
    ("lower", ["dropout", "weight decay", "augmentation", "more data"]),
    ("flatter", {"dropout", "weight decay", "augmentation", "smaller network"}),
    ("validation", {"epoch", "learning rate", "network", "remedy"}),
    ("test", "reported accuracy"),
]


def waits(extra):
    """A student's rule that waits `extra` epochs longer than asked."""

    def best(val_losses, patience):
        found, since = 0, 0
        for i, loss in enumerate(val_losses):
            found, since = (i, 0) if loss < val_losses[found] else (found, since + (i > 0))
            if since >= patience + extra:
                break
        return found + 1

    return best


def keeps_the_last_of_equals(val_losses, patience):
    found = 0
    for i, loss in enumerate(val_losses):
        if loss <= val_losses[found]:
            found = i
        if i - found >= patience:
            break
    return found + 1


WRONG = [
    ("phenomenon", "underfitting", "high and level"),
    ("phenomenon", "healthy", "never turns"),
    ("phenomenon", "stopped too soon", "still fall"),
    ("phenomenon", "overfit", "not one of the words"),
    ("best_epoch", lambda val, patience: 1 + min(range(len(val)), key=val.__getitem__), "ign"),
    ("best_epoch", lambda val, patience: kept_by_the_library(val, patience) - 1, "from 0"),
    ("best_epoch", waits(1), "too long"),
    ("best_epoch", waits(-1), "too soon"),
    ("best_epoch", keeps_the_last_of_equals, "keep the first"),
    ("best_epoch", lambda val, patience: val[waits(0)(val, patience) - 1], "returns the loss"),
    ("best_epoch", lambda val, patience: len(val), "random input"),
    ("gap", lambda train, val: val[-1] - train[-1], "last epoch"),
    ("gap", lambda train, val: min(val) - min(train), "own minimum"),
    ("gap", lambda train, val: train[val.index(min(val))] - min(val), "sign"),
    ("gap", lambda train, val: sum(val) / len(val) - sum(train) / len(train), "random input"),
    ("lower", {"more data", "early stopping"}, "moves no point"),
    ("lower", {"more data", "augmentation"}, "There are more"),
    ("lower", {"more data", "smaller network", "dropout"}, "smaller network with the case"),
    ("flatter", {"more data", "augmentation", "weight decay", "dropout"}, "its rise"),
    ("flatter", set(), "There are more"),
    ("validation", DECISIONS, "learned from training"),
    ("validation", {"epoch"}, "There are more"),
    ("test", set(), "One thing is left"),
    ("test", {"reported accuracy", "epoch"}, "An epoch is a choice"),
]


@pytest.mark.parametrize("students", [range(40), (2**64, 10**29)])
def test_the_curves_of_a_student_show_their_diagnosis(students):
    """Measured on the curves by rules of thumb, without a look at how they are made."""
    for student in students:
        assert_diagnosis(student)


def assert_diagnosis(student):
    train, val = map(torch.tensor, curves.learning_curves(student))
    if val[-1] > val.min() + 0.5 and train[-1] < 0.3:
        sign = "overfitting"
    elif train[-1] < train[-4] - 0.08 and val[-1] < val[-4] - 0.08:
        sign = "stopped too soon"
    else:
        sign = "underfitting" if train[-1] > 1.5 else "healthy"
    assert check("diagnosis.patient", sign, student=student)
    others = set(DIAGNOSES) - {sign}
    assert not any(check("diagnosis.patient", other, student=student) for other in others)


def test_students_get_each_of_the_diagnoses():
    assert {curves.diagnosis(student) for student in range(40)} == set(DIAGNOSES)


def test_the_two_lists_of_remedies_are_what_the_records_say():
    words = {
        "data": "more data",
        "augmentation": "augmentation",
        "small": "smaller network",
        "decay": "weight decay",
        "dropout": "dropout",
    }
    low, rise = {}, {}
    for variant in ("case", *words):
        paths = sorted(FOLDER.glob(f"{variant}-laptop-seed*.json"))
        seeds = [[e["val_loss"] for e in results.read_record(p)["history"]] for p in paths]
        low[variant] = sum(map(min, seeds)) / len(seeds)
        rise[variant] = sum(losses[-1] for losses in seeds) / len(seeds) - low[variant]
    lower = {word for v, word in words.items() if low[v] < low["case"]}
    flatter = {word for v, word in words.items() if rise[v] < rise["case"]}
    assert lower == QUESTIONS["lower"].expected
    assert flatter == QUESTIONS["flatter"].expected
