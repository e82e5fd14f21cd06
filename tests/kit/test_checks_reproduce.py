"""Exercise 9: right answers in several forms, mistakes with the hint that fits."""

import math

import numpy as np
import pytest
import torch

from coursekit.checks import check
from dlvlib import results, runtime, training
from dlvlib.models.lenet import LeNet5

INPUTS = ("config", "dataset", "model", "seed")


def differing(recorded, mine, fields=INPUTS):
    return sorted({name for name in fields if recorded[name] != mine[name]})


def rerun(record, train, test, *, seed=None, late=False, config=None, measured=None):
    if not late:
        runtime.set_seed(record["seed"] if seed is None else seed)
    model = LeNet5()
    if late:
        runtime.set_seed(record["seed"])
    config = config or training.TrainConfig(**record["config"])
    training.fit(model, train, test, config)
    found = training.evaluate(model, measured or test, device="cpu")
    return [found.top1, found.loss]


def interval(first, second, *, z=1.96, ddof=1, root=True):
    a, b = np.array(first), np.array(second)
    errors = [a.var(ddof=ddof) / len(a), b.var(ddof=ddof) / len(b)]
    half = z * (math.sqrt(sum(errors)) if root else sum(map(math.sqrt, errors)))
    return b.mean() - a.mean() - half, b.mean() - a.mean() + half


def first_missing(record, required):
    for name in required:
        if not isinstance(record.get(name), required[name]):
            return name


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("reproduce.inputs", set(INPUTS)),
        ("reproduce.inputs", ["Seed", "model", "dataset", "config"]),
        ("reproduce.differing", differing),
        ("reproduce.rerun", rerun),
        ("reproduce.spread", lambda v: (np.mean(v), np.std(v, ddof=1))),
        ("reproduce.spread", lambda v: np.array([np.mean(v), np.std(v, ddof=1)])),
        ("reproduce.interval", interval),
        ("reproduce.interval", lambda a, b: torch.tensor(interval(a, b))),
        ("reproduce.last_digits", ("threads", "processor", "torch version")),
        ("reproduce.missing", first_missing),
    ],
)
def test_a_right_answer_is_right(question, answer):
    verdict = check(question, answer)
    assert verdict, verdict.message


@pytest.mark.parametrize(
    ("question", "answer", "hint"),
    [
        ("reproduce.inputs", {"dataset", "model", "config"}, "weights at the start"),
        ("reproduce.inputs", {*INPUTS, "metrics"}, "come out"),
        ("reproduce.inputs", {*INPUTS, "machine"}, "last digits"),
        ("reproduce.inputs", "metrics", "same accuracy"),
        ("reproduce.inputs", {"weights"}, "not one of the words"),
        ("reproduce.differing", lambda a, b: differing(a, b, a), "every field"),
        ("reproduce.differing", lambda a, b: differing(a, b, INPUTS[:3]), "forgets the seed"),
        ("reproduce.differing", lambda a, b: [n for n in INPUTS if a[n] is not b[n]], "identity"),
        ("reproduce.differing", lambda a, b: bool(differing(a, b)), "give the names"),
        ("reproduce.differing", lambda a, b: set(differing(a, b)), "a set"),
        ("reproduce.differing", lambda a, b: ["seed"], "got ('seed',) where ('dataset', "),
        ("reproduce.differing", lambda a, b: ["x" * 99], "it returned a list"),
        ("reproduce.rerun", lambda r, a, b: rerun(r, a, b, late=True), "before it is built"),
        ("reproduce.rerun", lambda r, a, b: rerun(r, a, b, seed=0), "always 0"),
        (
            "reproduce.rerun",
            lambda r, a, b: rerun(r, a, b, config=training.TrainConfig(seed=r["seed"])),
            "default recipe",
        ),
        ("reproduce.rerun", lambda r, a, b: rerun(r, a, b, measured=a), "trained on"),
        ("reproduce.rerun", lambda r, a, b: rerun(r, b, b), "trains on the test"),
        ("reproduce.rerun", lambda r, a, b: (0.5, 1.5), "recorded numbers"),
        ("reproduce.rerun", lambda r, a, b: rerun(r, a, b)[0], "the loss too"),
        ("reproduce.rerun", lambda r, a, b: rerun(r, a, b)[::-1], "accuracy, then loss"),
        ("reproduce.spread", lambda v: (np.mean(v), np.std(v)), "n − 1"),
        ("reproduce.spread", lambda v: (np.mean(v), np.var(v, ddof=1)), "variance"),
        ("reproduce.spread", lambda v: np.std(v, ddof=1), "where 2 values are right"),
        (
            "reproduce.spread",
            lambda v: (np.mean(v), np.std(v, ddof=1) / len(v) ** 0.5),
            "standard error",
        ),
        ("reproduce.interval", lambda a, b: interval(b, a), "sign"),
        ("reproduce.interval", lambda a, b: interval(a, b)[::-1], "lower end comes first"),
        ("reproduce.interval", lambda a, b: interval(a, b, z=1), "1.96"),
        ("reproduce.interval", lambda a, b: interval(a, b, ddof=0), "n − 1"),
        ("reproduce.interval", lambda a, b: interval(a, b, root=False), "add their squares"),
        ("reproduce.last_digits", {"threads", "processor"}, "how a convolution"),
        ("reproduce.last_digits", {"threads"}, "2 missing"),
        ("reproduce.missing", lambda r, q: next((n for n in q if n not in r), None), "its type"),
        (
            "reproduce.missing",
            lambda r, q: next((n for n in q if not r.get(n) or type(r[n]) is not q[n]), None),
            "the seed 0",
        ),
        ("reproduce.missing", lambda r, q: first_missing(r, q) is None, "complete"),
    ],
)
def test_a_mistake_gets_the_hint_that_fits(question, answer, hint):
    verdict = check(question, answer)
    assert not verdict
    assert hint in verdict.message


def test_a_run_that_sets_no_seed_is_seen_every_time():
    def unseeded(record, train, test):
        model = LeNet5()
        training.fit(model, train, None, training.TrainConfig.from_dict(record["config"]))
        found = training.evaluate(model, test)
        return found.top1, found.loss

    said = {check("reproduce.rerun", unseeded).message for _ in range(3)}
    assert len(said) == 1
    assert "before it is built" in said.pop()


def test_the_question_on_records_agrees_with_what_the_library_requires(tmp_path):
    """The checker's reference and `read_record` refuse the same records."""
    fields = {
        **{"experiment": "demo", "run": "a", "budget": "full", "seed": 0, "model": "lenet5"},
        **{"dataset": {}, "config": {}, "history": [], "metrics": {}, "machine": {}},
        "wall_seconds": 0.0,
    }
    record = results.read_record(results.write_record(tmp_path / "a.json", **fields))
    assert first_missing(record, results.REQUIRED) is None
    for name in fields:
        rest = {key: value for key, value in fields.items() if key != name}
        with pytest.raises(results.RecordError, match=name):
            results.write_record(tmp_path / "b.json", **rest)
        stored = {key: value for key, value in record.items() if key != name}
        assert first_missing(stored, results.REQUIRED) == name
