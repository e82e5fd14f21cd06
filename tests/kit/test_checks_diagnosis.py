import math
import operator
from functools import partial

import numpy as np
import torch

from coursekit.checks import check
from coursekit.checks.diagnosis import variants as curves
from coursekit.checks.diagnosis.questions import DIAGNOSES
from dlvlib.training import EpochRecord, History, TrainConfig
from dlvlib.training.history import best_epoch, is_out_of_patience


def by_the_library(val_losses, patience, top1s=None, monitor="val_loss"):
    """[kept, trained]: the rules of `dlvlib.training`, applied epoch by epoch."""
    history, config = History(), TrainConfig(patience=patience, monitor=monitor)
    for epoch, values in enumerate(zip(val_losses, top1s or val_losses, strict=True), start=1):
        history.epochs.append(EpochRecord(epoch, 0.1, 0.0, 0.0, *values, 0.0))
        if is_out_of_patience(history, config):
            break
    return [best_epoch(history, config), epoch]


def kept_by_the_library(val_losses, patience):
    return by_the_library(val_losses, patience)[0]


def counts_bad_epochs(val_losses, patience, *, is_better=operator.lt):
    """Another right way: a counter that a better epoch sets back."""
    kept, lowest, bad = 0, math.inf, 0
    for epoch, loss in enumerate(val_losses, start=1):
        bad += 1
        if is_better(loss, lowest):
            kept, lowest, bad = epoch, loss, 0
        if bad >= patience:
            break
    return kept


def effects(case, remedy):
    """Another right way, with arrays."""
    case, remedy = np.array(case), np.array(remedy)
    low = remedy.min(axis=1).mean() - case.min(axis=1).mean()
    return np.array([low, remedy[:, -1].mean() - case[:, -1].mean() - low])


def mean_curve(losses):
    return np.mean(losses, axis=0, keepdims=True)


RIGHT = [
    ("phenomenon", " Overfitting"),
    ("best_epoch", kept_by_the_library),
    ("best_epoch", counts_bad_epochs),
    ("gap", lambda train, val: (torch.tensor(val) - torch.tensor(train))[np.argmin(val)]),
    ("effects", effects),
    ("validation", {"epoch", "learning rate", "network", "remedy"}),
    ("test", "reported loss"),
]


def waits(extra):
    """A student's rule that waits `extra` epochs longer than asked."""
    return lambda val, patience: counts_bad_epochs(val, patience + extra)


WRONG = [
    ("phenomenon", "healthy", "never turns"),
    ("best_epoch", lambda val, patience: 1 + min(range(len(val)), key=val.__getitem__), "ign"),
    ("best_epoch", lambda val, patience: kept_by_the_library(val, patience) - 1, "from 0"),
    ("best_epoch", waits(1), "too long"),
    ("best_epoch", waits(-1), "too soon"),
    ("best_epoch", partial(counts_bad_epochs, is_better=operator.le), "keep the first"),
    ("best_epoch", lambda val, n: val[kept_by_the_library(val, n) - 1], "returns the loss"),
    ("best_epoch", lambda val, patience: len(val), "random input"),
    ("gap", lambda train, val: val[-1] - train[-1], "last epoch"),
    ("gap", lambda train, val: min(val) - min(train), "own minimum"),
    ("gap", lambda train, val: train[val.index(min(val))] - min(val), "sign"),
    ("gap", lambda train, val: sum(val) / len(val) - sum(train) / len(train), "random input"),
    ("effects", lambda case, remedy: -effects(case, remedy), "sign"),
    ("effects", lambda case, remedy: effects(case, remedy)[::-1], "then rise"),
    ("effects", lambda *sets: effects(*map(mean_curve, sets)), "averages the curves first"),
    ("effects", lambda case, remedy: effects(case[:1], remedy[:1]), "first seed only"),
    ("effects", lambda case, remedy: effects(case, remedy).cumsum(), "compares the last"),
    ("effects", lambda case, remedy: effects(np.zeros((1, 2)), remedy), "those of the case"),
    ("test", set(), "One thing is left"),
]


def test_the_curves_of_a_student_show_their_diagnosis():
    """Measured on the curves by rules of thumb, without a look at how they are made."""
    seen = set()
    for student in (*range(40), 2**64, 10**29):
        train, val = map(torch.tensor, curves.learning_curves(student))
        if val[-1] > val.min() + 0.5 and train[-1] < 0.3:
            sign = "overfitting"
        elif train[-1] < train[-4] - 0.08 and val[-1] < val[-4] - 0.08:
            sign = "stopped too soon"
        else:
            sign = "underfitting" if train[-1] > 1.5 else "healthy"
        accepted = [d for d in DIAGNOSES if check("diagnosis.patient", d, student=student)]
        assert accepted == [sign], student
        seen.add(sign)
    assert seen == set(DIAGNOSES)


def test_the_two_lists_of_treatments_are_what_the_curves_show():
    """Measured by another right way of computing the effects, with a margin."""
    orders = set()
    for student in (*range(40), 2**64, 10**29):
        treated = curves.treated_curves(student)
        found = {x: effects(treated["none"], treated[x]) for x in curves.TREATMENTS}
        signs = np.sign(np.round(list(found.values()), 6))
        assert sorted(map(tuple, signs)) == [(-1, -1), (-1, 1), (-1, 1), (0, 1), (1, -1)]
        lows = {x: np.min(seeds, axis=1) for x, seeds in treated.items()}
        apart = {x for x in found if lows[x].max() < lows["none"].min()}
        flatter = {x for x, change in found.items() if change[1] < -0.05}
        for question, right in (("lower", apart), ("flatter", flatter)):
            assert check(f"diagnosis.{question}", right, student=student), (student, right)
        epochs = {x: len(treated[x][0]) for x in curves.TREATMENTS}
        lowest, second, *_ = sorted(found, key=lambda x: found[x][0])
        assert found[second][0] - found[lowest][0] > 0.05
        assert sorted(epochs.values()) == [16, 16, 16, 16, 24]
        answers = {"unfair": max(epochs, key=epochs.get), "choice": lowest}
        for question, letter in answers.items():
            for x in curves.TREATMENTS:
                assert check(f"diagnosis.{question}", x, student=student).right == (x == letter)
        orders.add(tuple(curves.treatments(student).values()))
    assert len(orders) > 10


def test_a_treatment_that_does_not_help_gets_its_hint():
    for student in (7, 12345):
        letter = {change: x for x, change in curves.treatments(student).items()}
        for question, wrong, hint in (
            ("lower", {letter["both"], letter["longer"]}, "0.00 is not lower"),
            ("lower", {letter["flatter"]}, f"lowest loss of {letter['flatter']} in"),
            ("lower", {letter["both"], letter["chance"]}, "compare the last three columns"),
            ("lower", {letter["both"]}, "One is missing"),
            ("flatter", {letter["lower"]}, f"{letter['lower']} begins lower"),
            ("flatter", set(letter.values()), "more of the rise"),
            ("unfair", letter["both"], f"{letter['both']} was trained for as many"),
            ("choice", letter["lower"], f"{letter['lower']} lowers the lowest point"),
            ("choice", letter["flatter"], "higher lowest point"),
            ("choice", letter["longer"], "that of no treatment"),
            ("choice", letter["chance"], "Chance alone"),
        ):
            verdict = check(f"diagnosis.{question}", wrong, student=student)
            assert not verdict and hint in verdict.message, (question, verdict)
