"""What all checkers have in common: any answer gets one short line, each mistake its own hint."""

import dataclasses
import json
from importlib import import_module
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from answers import in_process, refused, without_hint

from coursekit import checks
from coursekit.checks import check, hint, progress
from coursekit.checks.engine import sandbox
from coursekit.checks.engine.questions import (
    MAX_MESSAGE,
    MAX_WIDTH,
    NumberQuestion,
    StudentQuestion,
    Verdict,
)
from coursekit.checks.engine.values import Other, difference, number_in_text
from dlvlib import metrics

SOLUTIONS = Path(__file__).parents[2] / "solutions"


class Hostile:
    def __init__(self, error=RuntimeError):
        self.error = error

    def __repr__(self):
        raise self.error

    def __float__(self):
        raise self.error

    def __call__(self, *arguments):
        raise self.error("x" * 10**5 + "\n\x1b\ud800" * 9)


def hostile_answers():
    yield from (..., None, True, "", "0.2.", b"1", float("nan"), float("-inf"), 10**400, -(10**19))
    yield from ("x" * 10**6, ["x"] * 10**5, [0] * 10**5, {"x" * 10**6}, (10**400, 1), (1, "a"))
    yield from ([], {}, set(), object, complex(1, 2), Hostile(KeyboardInterrupt), Hostile)
    yield from (torch.zeros(2, 3), torch.empty(0), torch.tensor(1j), np.array(True), lambda: 1)
    yield from (lambda *arguments: arguments, lambda *arguments: Hostile(SystemExit))


def questions_of(topic):
    return [(name, q) for name, q in checks.QUESTIONS.items() if name.split(".")[0] == topic]


@pytest.mark.parametrize("topic", checks.TOPICS)
@in_process()
def test_judge_answers_anything_in_one_short_line(topic):
    for name, question in questions_of(topic):
        more = (12345,) if isinstance(question, StudentQuestion) else ()
        for answer in hostile_answers():
            verdict = question.judge(answer, *more)  # not `check`, which catches exceptions
            assert not verdict, (name, type(answer))
            assert 0 < len(verdict.message) <= MAX_MESSAGE
            assert verdict.message.isprintable()
            assert max(map(len, repr(verdict).splitlines())) <= MAX_WIDTH


def test_a_judge_that_raises_does_not_reach_the_student(monkeypatch):
    broken = mock.Mock(judge=mock.Mock(side_effect=RuntimeError))
    monkeypatch.setitem(checks.QUESTIONS, "metrics.top1", broken)
    assert "could not be checked (RuntimeError)" in check("metrics.top1", 0.375).message


def test_what_is_no_question_is_named_with_those_that_are():
    for ask in (lambda name: check(name, 1).message, hint):
        assert "metrics.top1" in ask("metrics.topp1")
        assert "There is no question" in ask([])


@pytest.mark.parametrize("topic", checks.TOPICS)
def test_right_answers_are_right_and_mistakes_get_the_hint_that_fits(topic):
    """The tables of answers are in the test modules of the topics."""
    table = import_module(f"test_checks_{topic}")
    assert not refused(topic, table.RIGHT)
    assert not without_hint(topic, table.WRONG)


IN_TEXT = [
    (" \N{MINUS SIGN},5", "-0.5"),
    ("1/5", "1/5"),
    ("20%", "0.2"),
    ("200,960", "200_960"),
    ("3 288 064", "3_288_064"),
    ("1e-3 s", "1e-3"),
    ((0, 2), "0.2"),
    ((200, 960), "200_960"),
    ((4, 2), "4.2"),
]


def test_a_number_in_text_or_with_a_comma_is_answered_with_pythons_form():
    for answer, form in IN_TEXT:
        for question in ("metrics.top1", "layers.dense.params", "lenet.test_accuracy"):
            verdict = check(question, answer)
            assert not verdict
            assert "Python writes" in verdict.message and form in verdict.message, answer


def test_text_without_a_number_has_none():
    assert [number_in_text(text) for text in ("", "x", "1.2.3", "--1", "1" * 99)] == [None] * 5
    assert "Python writes (1, 14, 14)" in check("layers.pool.shape", "1 x 14 x 14").message


@pytest.mark.parametrize("topic", checks.TOPICS)
@in_process()
def test_three_wrong_answers_or_more_get_their_own_hint(topic):
    for name, asked in questions_of(topic):
        per_student = isinstance(asked, StudentQuestion)
        for student in (0, 7, 12345, 2**64, *range(20, 80)) if per_student else (None,):
            question = asked.make(student) if per_student else asked
            assert len(set(question.hints.values())) >= 3, (name, student)
            for wrong, reply in question.hints.items():
                assert question.judge(wrong) == Verdict(False, reply), (name, student, wrong)
                assert len(reply) < MAX_MESSAGE


def test_a_question_for_a_student_needs_the_student_number(monkeypatch):
    asked = StudentQuestion(lambda number: NumberQuestion(number, "Yes.", {}, "a number"))
    monkeypatch.setitem(checks.QUESTIONS, "metrics.own", asked)
    assert check("metrics.own", 7, student=7) and check("metrics.own", 7, student=np.int64(7))
    for student in (None, -1, 7.5, True, [], 10**5000, Hostile(), "seven"):
        assert "student=12345" in check("metrics.own", 7, student=student).message
    assert "student=1234, a whole number without quotes" in asked.judge(7, "01234").message


def test_hints_come_one_by_one_and_leave_some_for_the_answers(monkeypatch):
    monkeypatch.setattr(checks, "_hinted", {})
    for name, asked in checks.QUESTIONS.items():
        question = asked.make(7) if isinstance(asked, StudentQuestion) else asked
        known = set(question.hints.values())
        *given, last = [hint(name, student=7) for _ in range(1 + (len(known) + 1) // 2)]
        for number, text in enumerate(given, start=1):
            assert text.startswith(f"Hint {number} of {len(given)},")
        assert len(known.intersection(t.partition("mistake: ")[2] for t in given)) == len(given)
        assert len(given) < len(known), name
        assert not any("is one of them" in text for text in given), name
        assert last == hint(name, student=7) and "no more hints" in last
    assert "student=12345" in hint("diagnosis.patient")


def test_progress_tells_what_is_left_in_this_kernel(monkeypatch):
    monkeypatch.setattr(checks, "_answered", {})
    assert progress("metrics").startswith("metrics: 0 of 7 right. Still to do: metrics.top1")
    assert progress("metrics").endswith("and 3 more.")
    assert max(map(len, progress("metrics").splitlines())) <= MAX_WIDTH
    check("metrics.top1", 3 / 8)
    check("metrics.top3", 3 / 8)
    assert "1 of 7 right. Still to do: metrics.top3" in progress("metrics")
    check("metrics.top3", 6 / 8)
    assert "2 of 7 right" in progress("metrics")
    assert "no topic 'x'" in progress("x")
    assert len(progress("x" * 10**6)) < MAX_MESSAGE and "no topic" in progress(None)


def with_type(dtype):
    return lambda z, t, k: torch.tensor(metrics.top_k_accuracy(z, t, k), dtype=dtype)


TOP_K_MISTAKES = [
    (lambda z, t, k: 0.123, "random input number 1, it gives 0.123"),
    (lambda z, t, k: None, "returned nothing"),
    (lambda z, t, k: 1 / 0, "raised ZeroDivisionError"),
    (lambda z: 1, "raised TypeError"),
    (3, "should be a function"),
    (with_type(torch.float16), "float16 keeps about three digits"),
    (with_type(torch.bfloat16), "bfloat16 keeps about three digits"),
    (lambda z, t, k: np.float16(metrics.top_k_accuracy(z, t, k)), "float16 keeps"),
    (with_type(torch.long), "it gives 0 where"),
]


def test_a_wrong_function_is_described():
    cases = [("top_k_function", answer, hint) for answer, hint in TOP_K_MISTAKES]
    assert not without_hint("metrics", cases)
    assert check("metrics.top_k_function", with_type(torch.float64))
    assert difference(Other("set"), ["a"]) == "it returned a set where 1 value is expected"


def test_a_reference_that_fails_makes_no_answer_right():
    fails = mock.Mock(side_effect=MemoryError("no room"))
    asked = dataclasses.replace(checks.QUESTIONS["metrics.top_k_function"], reference=fails)
    assert not asked.judge(fails)
    assert "run it again" in asked.judge(metrics.top_k_accuracy).message


def test_a_wrong_answer_computes_each_mistake_once(monkeypatch):
    half = mock.Mock(return_value=0.5)
    question = checks.QUESTIONS["metrics.top_k_function"]
    asked = dataclasses.replace(question, hints={half: "Half."})
    for _ in range(3):
        assert "random input" in asked.judge(lambda *arguments: 0.1).message
    assert half.call_count == 1  # the first input tells them apart
    monkeypatch.setattr(sandbox, "run", lambda steps: [0.5 for _ in steps])
    assert asked.judge(print) == Verdict(False, "Half.")
    assert half.call_count == asked.rounds


def test_questions_hold_no_markup_of_the_book():
    """Outside the first cells and the answers: a notebook in Jupyter or on Colab shows it raw."""
    for path in SOLUTIONS.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
            text = "".join(cell["source"])
            is_question = "## Question" in text or not text.startswith(("#", "(", ":"))
            answer = "solution" in cell["metadata"].get("tags", [])
            if cell["cell_type"] == "markdown" and is_question and not answer:
                assert "{claim}" not in text and "{eq}" not in text, (path.name, text)
                assert "{ref}" not in text, (path.name, text)
