"""Quizzes: what a file must hold, what Python makes of it, and those of the book together."""

import copy
import itertools
import re

import pytest
import shorter
import yaml
from bs4 import BeautifulSoup

from coursekit import quiz

ENTRY = {
    "id": "sky.color",
    "question": "Is 2 < 3, says `a < b`?",
    "choices": [
        {"text": "Yes, 5 × 5.", "why": "It is `so`.", "right": True},
        {"text": "No.", "why": "Two & three are mixed up."},
    ],
}


def parsed(*entries):
    return quiz.parse(yaml.safe_dump(list(entries), allow_unicode=True), where="sky.yml")


def changed(**fields):
    """ENTRY with fields set, or removed where the value is None; choice_<key> is of choice B."""
    entry = copy.deepcopy(ENTRY)
    for name, value in fields.items():
        target = entry["choices"][1] if name.startswith("choice_") else entry
        key = name.removeprefix("choice_")
        if value is None:
            del target[key]
        else:
            target[key] = value
    return entry


BROKEN = [
    ({"hint": "x"}, "keys must be id, question, several, choices, got hint"),
    ({"question": None}, "question is missing"),
    ({"question": "Costs $5$?"}, r"plain text and `code`, got '\$'"),
    ({"question": "Open `code?"}, "close each backtick"),
    ({"several": "yes"}, "several must be a bool, got 'yes'"),
    ({"choices": "A"}, "choices must be a list, got 'A'"),
    ({"choices": ENTRY["choices"][:1]}, "2 to 26 choices, got 1"),
    ({"choices": [{"text": f"{n}", "why": "x"} for n in range(27)]}, "2 to 26 choices, got 27"),
    ({"choices": ["A", "B"]}, "choice A: must have the keys text, right, why, got 'A'"),
    ({"choices": [c | {"right": False} for c in ENTRY["choices"]]}, "be right, got none"),
    ({"choice_right": True}, "one choice may be right without `several`, got 2"),
    ({"choice_why": None}, "choice B: why is missing"),
    ({"choice_why": " "}, "choice B: why must not be empty"),
    ({"choice_because": "x"}, "choice B: keys must be text, right, why, got because"),
    ({"choice_text": False}, "choice B: text must be a str, got False; put it in quotes"),
    ({"choice_text": "Yes, 5 × 5."}, "the choices must differ"),
]


FILES = [
    ("", ": a quiz must be a list of questions"),
    ("a: b", ": a quiz must be a list of questions"),
    ("- [", ": not valid YAML"),
    ("- just text", ", entry 1: must have the keys"),
    ("- question: x", ", entry 1: id is missing"),
]


def test_a_broken_rule_is_named_with_file_and_question():
    for fields, message in BROKEN:
        with pytest.raises(quiz.QuizError, match=rf"^sky\.yml, sky\.color.*{message}"):
            parsed(changed(**fields))
    for text, message in FILES:
        with pytest.raises(ValueError, match=rf"^sky\.yml{message}"):
            quiz.parse(text, where="sky.yml")
    known = quiz.names()[0]
    with pytest.raises(ValueError, match=rf"one of .*{known}.*, got '{known}x'"):
        quiz.show(f"{known}x")


def test_all_problems_are_listed_a_line_each():
    entries = [changed(question="$x$", several=1), changed(id="sky.two", choice_why=" ")]
    with pytest.raises(quiz.QuizError) as caught:
        parsed(*entries, "text", {"id": "sky.two", "choices": []})
    starts = [line.split(": ")[0] for line in caught.value.problems]
    assert starts == [
        *["sky.yml, sky.color"] * 2,
        "sky.yml, sky.two, choice B",
        "sky.yml, entry 3",
        *["sky.yml, sky.two"] * 4,  # no question, too few choices, none right, the id again
    ]
    assert caught.value.problems[-1].endswith("the id must be unique, used 2 times")
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all("\n" not in line for line in caught.value.problems)


def test_text_becomes_html_code_is_marked_and_products_stay_on_one_line():
    html = quiz.fallback(parsed(ENTRY))
    assert "Is 2 &lt; 3, says <code>a &lt; b</code>?" in html
    assert "Two &amp; three" in html
    assert "5\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}5" in html


def test_the_hash_changes_with_any_text():
    changes = ({}, {"question": "Another?"}, {"choice_text": "Never."}, {"choice_why": "So."})
    assert len({quiz._hash(parsed(changed(**fields))[0]) for fields in changes}) == 4


WORDS = {True: "Right", False: "Wrong"}
QUIZZES = {name: quiz.read(name) for name in quiz.names()}
ABSOLUTE = re.compile(r"\b(none|nothing|never|always)\b", re.IGNORECASE)


# how somebody who knows nothing might choose: a question gives the choices picked
CUES = {
    "longest": lambda question: [max(question.choices, key=lambda choice: len(choice.text))],
    "shortest": lambda question: [min(question.choices, key=lambda choice: len(choice.text))],
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
    for question in itertools.chain(*QUIZZES.values()):
        chance = sum(choice.right for choice in question.choices) / len(question.choices)
        for choice in CUES[cue](question):
            surplus += choice.right - chance
            variance += chance * (1 - chance)
    assert abs(surplus) < 2 * variance**0.5


def test_the_fallback_has_all_questions_then_all_answers():
    for name, questions in QUIZZES.items():
        soup = BeautifulSoup(quiz.show(name).html, "html.parser")
        soup = soup.select_one(".dlv-live-fallback")
        assert soup.find("p").text == "Answers"
        lists = (part.find_all("li", recursive=False) for part in soup.select(":scope > ol"))
        for question, asked, answered in zip(questions, *lists, strict=True):
            assert asked.text.startswith(question.question.replace("`", ""))
            texts, reasons = ([x.text for x in part.select("li")] for part in (asked, answered))
            assert texts == [choice.text.replace("`", "") for choice in question.choices]
            whys = [f"{WORDS[c.right]}. {c.why.replace('`', '')}" for c in question.choices]
            assert reasons == whys
            right = [chr(65 + i) for i, choice in enumerate(question.choices) if choice.right]
            assert answered.strong.text == ", ".join(right)
