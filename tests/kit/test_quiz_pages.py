"""All quizzes of the book together, and their HTML; each one is checked by lint_book."""

import re

import pytest
import shorter
from bs4 import BeautifulSoup

from coursekit import quiz

QUIZZES = {name: quiz.read(name) for name in quiz.names()}
EVERY = [question for questions in QUIZZES.values() for question in questions]


ABSOLUTE = re.compile(r"\b(none|nothing|never|always)\b", re.IGNORECASE)


def length(choice):
    return len(choice.text)


# how somebody who knows nothing might choose: a question gives the choices picked
CUES = {
    "longest": lambda question: [max(question.choices, key=length)],
    "shortest": lambda question: [min(question.choices, key=length)],
    "first": lambda question: question.choices[:1],
    "second": lambda question: question.choices[1:2],
    "last": lambda question: question.choices[-1:],
    "absolute": lambda question: [c for c in question.choices if ABSOLUTE.search(c.text)],
    "one word": lambda question: [c for c in question.choices if c.text.strip(".").isalpha()],
}


@pytest.mark.skipif(bool(shorter.REMOVED), reason="balanced over the whole book")
@pytest.mark.parametrize("cue", CUES)
def test_no_cue_beats_chance(cue):
    surplus = variance = 0
    for question in EVERY:
        chance = sum(choice.right for choice in question.choices) / len(question.choices)
        for choice in CUES[cue](question):
            surplus += choice.right - chance
            variance += chance * (1 - chance)
    assert abs(surplus) < 2 * variance**0.5


def test_the_fallback_has_all_questions_then_all_answers():
    for name, questions in QUIZZES.items():
        soup = BeautifulSoup(quiz.show(name).html, "html.parser")
        soup = soup.select_one(".dlv-live-fallback")
        asked, answered = soup.find_all("ol", recursive=False)
        assert soup.find("p").text == "Answers"
        for question, *lists in zip(
            questions,
            asked.find_all("li", recursive=False),
            answered.find_all("li", recursive=False),
            strict=True,
        ):
            check_fallback(question, *lists)


def check_fallback(question, asked, answered):
    assert asked.text.startswith(question.question.replace("`", ""))
    right = [chr(65 + i) for i, choice in enumerate(question.choices) if choice.right]
    assert answered.strong.text == ", ".join(right)
    texts, reasons = ([item.text for item in block.select("li")] for block in (asked, answered))
    assert texts == [choice.text.replace("`", "") for choice in question.choices]
    assert reasons == [
        f"{'Right' if choice.right else 'Wrong'}. {choice.why.replace('`', '')}"
        for choice in question.choices
    ]
