"""Exercise 9: right answers in several forms, mistakes with the hint that fits."""

import math

import numpy as np
import torch

from dlvlib import runtime, training
from dlvlib.models.lenet import LeNet5

INPUTS = ("config", "dataset", "model", "seed")


def differing(recorded, mine, fields=INPUTS):
    return sorted({name for name in fields if recorded[name] != mine[name]})


def with_rate_only(record):
    return record | {"config": record["config"]["lr"]}


def rerun(record, train, test, *, seed=None, late=False, config=None, measured=None):
    if late is False:  # None: no seed is set at all
        runtime.set_seed(record["seed"] if seed is None else seed)
    model = LeNet5()
    if late:
        runtime.set_seed(record["seed"])
    training.fit(model, train, test, training.TrainConfig(**(config or record["config"])))
    found = training.evaluate(model, measured or test, device="cpu")
    return [found.top1, found.loss]


def interval(first, second, factor, *, ddof=1, root=True):
    a, b = np.array(first), np.array(second)
    errors = [a.var(ddof=ddof) / len(a), b.var(ddof=ddof) / len(b)]
    half = factor * (math.sqrt(sum(errors)) if root else sum(map(math.sqrt, errors)))
    return b.mean() - a.mean() - half, b.mean() - a.mean() + half


def first_missing(record, required):
    for name in required:
        if not isinstance(record.get(name), required[name]):
            return name


RIGHT = [
    ("inputs", set(INPUTS)),
    ("differing", differing),
    ("differing", lambda a, b: np.array(differing(a, b))),
    ("rerun", rerun),
    ("spread", lambda v: np.array([np.mean(v), np.std(v, ddof=1)])),
    ("interval", lambda *inputs: torch.tensor(interval(*inputs))),
    ("last_digits", ("threads", "processor", "torch version")),
    ("missing", first_missing),
]


WRONG = [
    ("differing", lambda a, b: differing(a, b, a), "every field"),
    ("differing", lambda a, b: differing(a, b, INPUTS[:3]), "forgets the seed"),
    ("differing", lambda a, b: [n for n in INPUTS if a[n] is not b[n]], "identity"),
    ("differing", lambda *both: differing(*map(with_rate_only, both)), "where ('config',"),
    ("differing", lambda a, b: bool(differing(a, b)), "give the names"),
    ("differing", lambda a, b: set(differing(a, b)), "a set"),
    ("differing", lambda a, b: ["seed"], "got ('seed',) where ('dataset', "),
    ("differing", lambda a, b: ["x" * 99], "it returned a list"),
    ("rerun", lambda r, a, b: rerun(r, a, b, late=True), "before it is built"),
    ("rerun", lambda r, a, b: rerun(r, a, b, late=None), "before it is built"),
    ("rerun", lambda r, a, b: rerun(r, a, b, seed=0), "always 0"),
    ("rerun", lambda r, a, b: rerun(r, a, b, seed=r["config"]["seed"]), "seed of the config"),
    ("rerun", lambda r, a, b: rerun(r, a, b, config={"seed": r["seed"]}), "default recipe"),
    ("rerun", lambda r, a, b: rerun(r, a, b, measured=a), "trained on"),
    ("rerun", lambda r, a, b: rerun(r, b, b), "trains on the test"),
    ("rerun", lambda r, a, b: (0.5, 1.5), "recorded numbers"),
    ("rerun", lambda r, a, b: rerun(r, a, b)[0], "the loss too"),
    ("rerun", lambda r, a, b: rerun(r, a, b)[::-1], "accuracy, then loss"),
    ("spread", lambda v: (np.mean(v), np.std(v)), "n − 1"),
    ("spread", lambda v: v.sort() or (np.mean(v), np.std(v, ddof=1)), "changes its input"),
    ("spread", lambda v: (np.mean(v), np.var(v, ddof=1)), "variance"),
    ("spread", lambda v: np.std(v, ddof=1), "where 2 values are expected"),
    ("spread", lambda v: (np.mean(v), np.std(v, ddof=1) / len(v) ** 0.5), "standard error"),
    ("interval", lambda a, b, t: interval(b, a, t), "sign"),
    ("interval", lambda *inputs: interval(*inputs)[::-1], "lower end comes first"),
    ("interval", lambda a, b, t: interval(a, b, 1), "multiply by the factor"),
    ("interval", lambda *inputs: interval(*inputs, ddof=0), "n − 1"),
    ("interval", lambda *inputs: interval(*inputs, root=False), "add their squares"),
    ("interval", lambda a, b, t: interval(a, b, 1.96), "always takes 1.96"),
    ("last_digits", {"threads"}, "2 missing"),
    ("missing", lambda r, q: next((n for n in q if n not in r), None), "its type"),
    ("missing", lambda r, q: first_missing({n: r[n] for n in r if r[n]}, q), "the seed 0"),
    ("missing", lambda r, q: first_missing(r, q) is None, "complete"),
]
