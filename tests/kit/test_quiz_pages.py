"""All quizzes of the book together, and their HTML; each one is checked by lint_book."""

from collections import Counter

from bs4 import BeautifulSoup

from coursekit import quiz

QUIZZES = {name: quiz.read(name) for name in quiz.names()}
EVERY = [question for questions in QUIZZES.values() for question in questions]


def test_no_letter_is_a_good_guess():
    single = [question for question in EVERY if not question.several]
    letters = Counter([choice.right for choice in q.choices].index(True) for q in single)
    assert max(letters.values()) < 0.4 * len(single)
    longest = [max(q.choices, key=lambda choice: len(choice.text)).right for q in single]
    assert sum(longest) < 0.5 * len(longest)


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
