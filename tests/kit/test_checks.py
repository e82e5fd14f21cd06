import dataclasses
import math
import time

import pytest
import torch

from coursekit import checks
from coursekit.checks import LECTURE_SCORES, LECTURE_TARGETS, check, progress
from coursekit.checks.engine import sandbox as calling
from coursekit.checks.engine.questions import FunctionQuestion, NumberQuestion, StudentQuestion
from dlvlib import metrics

LOSS = metrics.cross_entropy(LECTURE_SCORES, LECTURE_TARGETS)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("metrics.top1", 0.2),
        ("metrics.top1", torch.tensor(0.2)),
        ("metrics.top5", 4 / 5),
        ("metrics.cross_entropy", 4.0237),
        ("metrics.cross_entropy", torch.tensor([LOSS])),
        ("metrics.top_k_function", metrics.top_k_accuracy),
    ],
)
def test_a_right_answer_is_right(question, answer):
    verdict = check(question, answer)
    assert verdict
    assert repr(verdict).startswith("Right. ")


@pytest.mark.parametrize(
    ("question", "answer", "hint"),
    [
        ("metrics.top1", 20, "percentage"),
        ("metrics.top1", 1, "divide by the number"),
        ("metrics.top1", 0.8, "error"),
        ("metrics.top1", 0, "sample 4"),
        ("metrics.top1", 0.4, "largest score of its row"),
        ("metrics.top1", 0.35, "0.35 is not it"),
        ("metrics.top5", 80, "percentage"),
        ("metrics.top5", 4, "divide by the number"),
        ("metrics.top5", 0.2, "five largest"),
        ("metrics.top5", 1.0, "sample 3"),
        ("metrics.cross_entropy", 5 * LOSS, "the sum"),
        ("metrics.cross_entropy", -LOSS, "minus"),
        ("metrics.cross_entropy", LOSS / math.log(2), "bits"),
        (
            "metrics.cross_entropy",
            torch.nn.functional.cross_entropy(LECTURE_SCORES.softmax(1), LECTURE_TARGETS),
            "softmax of a softmax",
        ),
        ("metrics.top_k_function", lambda z, t, k: metrics.top_k_accuracy(z, t), "ignores k"),
        ("metrics.top_k_function", lambda z, t, k: metrics.top_k_accuracy(-z, t, k), "smallest"),
        ("metrics.top_k_function", lambda z, t, k: 1 - metrics.top_k_accuracy(z, t, k), "error"),
        (
            "metrics.top_k_function",
            lambda z, t, k: len(t) * metrics.top_k_accuracy(z, t, k),
            "counts the images",
        ),
        (
            "metrics.top_k_function",
            lambda z, t, k: 100 * metrics.top_k_accuracy(z, t, k),
            "percentage",
        ),
        (
            "metrics.top_k_function",
            lambda z, t, k: metrics.top_k_accuracy(z, t, k) / k,
            "divides by k",
        ),
        ("metrics.top_k_function", lambda z, t, k: 0.123, "random input number 1, it gives 0.123"),
        ("metrics.top_k_function", lambda z, t, k: None, "it returned nothing"),
        ("metrics.top_k_function", lambda z, t, k: 1 / 0, "raised ZeroDivisionError"),
        ("metrics.top_k_function", lambda z: 1, "raised TypeError"),
        ("metrics.top_k_function", 3, "should be a function"),
    ],
)
def test_a_mistake_gets_the_hint_that_fits(question, answer, hint):
    verdict = check(question, answer)
    assert not verdict
    assert hint in verdict.message
    assert "\n" not in repr(verdict)


class Hostile:
    def __repr__(self):
        return "a hostile object"

    def __float__(self):
        raise RuntimeError("no")

    def __call__(self, *arguments):
        raise SystemExit


@pytest.mark.parametrize("question", sorted(checks.QUESTIONS))
@pytest.mark.parametrize(
    "answer",
    [
        *(None, ..., "0.2", b"1", True, float("nan"), float("inf"), 10**400, [], {}, object),
        *(torch.zeros(2, 3), torch.empty(0), Hostile(), Hostile, complex(1, 2)),
    ],
    ids=repr,
)
def test_a_checker_answers_anything_and_never_raises(question, answer):
    verdict = check(question, answer)
    assert not verdict
    assert verdict.message


def test_a_function_that_never_returns_is_told_so(monkeypatch):
    monkeypatch.setattr(calling, "TIME_LIMIT_SECONDS", 0.2)

    def sleeps(logits, targets, k):
        time.sleep(2)

    assert "did not return within 0.2 seconds" in check("metrics.top_k_function", sleeps).message


def test_a_function_cannot_spoil_the_inputs_of_the_reference():
    def spoils(logits, targets, k):
        value = metrics.top_k_accuracy(logits, targets, k)
        logits.zero_()
        return value

    assert check("metrics.top_k_function", spoils)


def test_an_unknown_question_lists_those_there_are():
    assert "metrics.top1" in check("metrics.topp1", 1).message


STUDENTS = (0, 7, 12345, 20261126)


def wrong_answers():
    """(question, student, wrong answer, its hint) of every question and several students."""
    for name, asked in checks.QUESTIONS.items():
        per_student = isinstance(asked, StudentQuestion)
        for student in STUDENTS if per_student else (None,):
            question = asked.make(student) if per_student else asked
            if isinstance(question, FunctionQuestion):
                hints = [(mistake, hint) for hint, mistake in question.mistakes.items()]
            else:
                hints = list(question.hints.items())
            yield name, student, question, hints


@pytest.mark.parametrize(
    ("name", "student", "question", "hints"),
    list(wrong_answers()),
    ids=[f"{name}-{student}" for name, student, *_ in wrong_answers()],
)
def test_three_wrong_answers_or_more_get_their_own_hint(name, student, question, hints):
    assert len({hint for _, hint in hints}) >= 3
    for wrong, hint in hints:
        verdict = check(name, wrong, student=student)
        assert not verdict
        assert verdict.message == hint


@pytest.mark.parametrize("student", [None, -1, "7", 7.5, True, []])
def test_a_question_for_a_student_needs_the_student_number(student, monkeypatch):
    asked = StudentQuestion(lambda number: NumberQuestion(number, "Yes.", {}, "a number"))
    monkeypatch.setitem(checks.QUESTIONS, "metrics.own", asked)
    assert check("metrics.own", 7, student=7)
    assert "student number" in check("metrics.own", 7, student=student).message


def test_progress_says_what_is_left_in_this_kernel(monkeypatch):
    monkeypatch.setattr(checks, "_answered", {})
    assert progress("metrics").startswith("metrics: 0 of 7 right. Still to do: metrics.top1")
    assert progress("metrics").endswith("and 3 more.")
    check("metrics.top1", 0.2)
    check("metrics.top5", 0.2)
    assert "1 of 7 right. Still to do: metrics.top5" in progress("metrics")
    check("metrics.top5", 0.8)
    assert "2 of 7 right" in progress("metrics")
    assert "no topic 'x'" in progress("x")


def test_a_function_that_is_told_to_stop_does_stop(monkeypatch):
    monkeypatch.setattr(calling, "TIME_LIMIT_SECONDS", 0.2)
    ticks = []

    def never_returns(logits, targets, k):
        while True:
            ticks.append(time.sleep(0.01))

    assert "did not return" in check("metrics.top_k_function", never_returns).message
    time.sleep(0.3)
    count = len(ticks)
    time.sleep(0.3)
    assert len(ticks) == count


def test_a_reference_that_fails_makes_no_answer_right(monkeypatch):
    def fails(logits, targets, k):
        raise MemoryError("no room")

    asked = dataclasses.replace(checks.QUESTIONS["metrics.top_k_function"], reference=fails)
    assert not asked.judge(fails)
    assert "run it again" in asked.judge(metrics.top_k_accuracy).message
