"""The quizzes of the book; `tools/lint_book.py` checks the rules that each of them keeps."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from coursekit import quiz

ROOT = Path(__file__).parents[2]
QUIZZES = {name: quiz.read(name) for name in quiz.names()}
EVERY = [question for questions in QUIZZES.values() for question in questions]


def test_no_letter_is_a_good_guess():
    single = [question for question in EVERY if not question.several]
    letters = Counter([choice.right for choice in q.choices].index(True) for q in single)
    assert max(letters.values()) < 0.4 * len(single)
    longest = [max(q.choices, key=lambda choice: len(choice.text)).right for q in single]
    assert sum(longest) < 0.5 * len(longest)


@pytest.mark.parametrize("name", QUIZZES)
def test_the_fallback_has_all_questions_then_all_answers(name):
    soup = BeautifulSoup(quiz.show(name).html, "html.parser").select_one(".dlv-live-fallback")
    asked, answered = soup.find_all("ol", recursive=False)
    assert soup.find("p").text == "Answers"
    for question, *lists in zip(
        QUIZZES[name],
        asked.find_all("li", recursive=False),
        answered.find_all("li", recursive=False),
        strict=True,
    ):
        assert lists[0].text.startswith(question.question.replace("`", ""))
        right = [chr(65 + i) for i, choice in enumerate(question.choices) if choice.right]
        assert lists[1].strong.text == ", ".join(right)
        texts, reasons = ([item.text for item in block.select("li")] for block in lists)
        assert texts == [choice.text.replace("`", "") for choice in question.choices]
        assert reasons == [
            f"{'Right' if choice.right else 'Wrong'}. {choice.why.replace('`', '')}"
            for choice in question.choices
        ]


def test_the_figure_is_the_same_text_in_every_process():
    code = "from coursekit import quiz; print(quiz.show('04_lenet').html)"
    told = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert told[0] == told[1]
    assert ' id="' not in told[0]


@pytest.mark.book
def test_the_pages_show_the_quizzes_of_today():
    old = []
    for name in QUIZZES:
        path = ROOT / "chapters" / f"{name}.ipynb"
        if path.exists():  # a page in Markdown holds no copy
            cells = nbformat.read(path, as_version=4).cells
            shown = [c.outputs[0].data["text/html"] for c in cells if "quiz.show" in c.source]
            old += [name] * (shown != [quiz.show(name).html])
    assert not old, "`make refresh`"
