"""The quizzes of the book: what every one of them holds, and that its page shows it."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from coursekit import quiz

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("[0-9][0-9]_*.*"))
QUIZZES = {name: quiz.read(name) for name in quiz.names()}
EVERY = [question for questions in QUIZZES.values() for question in questions]
each_quiz = pytest.mark.parametrize("name", QUIZZES)


def test_every_chapter_has_a_quiz_of_four_or_more_questions():
    assert list(QUIZZES) == CHAPTERS
    assert min(map(len, QUIZZES.values())) >= 4


def test_ids_are_unique_in_the_book():
    assert not [i for i, count in Counter(question.id for question in EVERY).items() if count > 1]


def test_the_ids_of_a_quiz_share_their_first_word():
    for name, questions in QUIZZES.items():
        assert len({question.id.partition(".")[0] for question in questions}) == 1, name
    assert all(re.fullmatch(r"[a-z]+\.[a-z0-9-]+", question.id) for question in EVERY)


def test_every_choice_has_a_reason_of_its_own():
    for question in EVERY:
        reasons = [choice.why for choice in question.choices]
        assert 3 <= len(reasons) <= 7, question.id
        assert len(set(reasons)) == len(reasons), question.id
        assert min(map(len, reasons)) > 15, question.id
        assert {choice.right for choice in question.choices} == {True, False}, question.id


def test_no_letter_is_a_good_guess():
    single = [question for question in EVERY if not question.several]
    letters = Counter([choice.right for choice in q.choices].index(True) for q in single)
    assert max(letters.values()) < 0.4 * len(single)
    longest = [max(q.choices, key=lambda choice: len(choice.text)).right for q in single]
    assert sum(longest) < 0.5 * len(longest)


@each_quiz
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
@pytest.mark.parametrize("name", CHAPTERS)
def test_the_page_shows_its_quiz_and_no_old_question(name):
    path = ROOT / "chapters" / f"{name}.ipynb"
    if not path.exists():
        text = path.with_suffix(".md").read_text(encoding="utf8")
        assert f"```{{quiz}} {name}\n" in text.partition("## Check yourself")[2]
        return
    cells = nbformat.read(path, as_version=4).cells
    at = next(i for i, cell in enumerate(cells) if "## Check yourself" in cell.source)
    asked = cells[at + 1]
    assert asked.source == f'from coursekit import quiz\n\nquiz.show("{name}")'
    assert asked.metadata.tags == ["hide-input"]
    assert "dropdown" not in cells[at].source.partition("## Check yourself")[2]
    assert cells[at + 2].source.startswith("**Exercise")
    stored = asked.outputs[0].data["text/html"]
    assert stored == quiz.show(name).html, "the stored quiz is an old one: `make refresh`"
