"""Quizzes: what their files must hold, what Python makes of them, and that the pages show them."""

import copy
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from dlvlib import quiz

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("[0-9][0-9]_*.*"))
QUIZZES = {name: quiz.read(name) for name in quiz.names()}
EVERY = [question for questions in QUIZZES.values() for question in questions]
ENTRY = {
    "id": "sky.color",
    "question": "Is 2 < 3, says `a < b`?",
    "choices": [
        {"text": "Yes, 5 × 5.", "why": "It is `so`.", "right": True},
        {"text": "No.", "why": "Two & three are mixed up."},
    ],
}
each_quiz = pytest.mark.parametrize("name", QUIZZES)


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


def test_every_chapter_has_a_quiz_of_four_or_more_questions():
    assert list(QUIZZES) == CHAPTERS
    assert min(map(len, QUIZZES.values())) >= 4


def test_ids_are_unique_in_the_book():
    assert not [i for i, count in Counter(question.id for question in EVERY).items() if count > 1]


@each_quiz
def test_the_ids_of_a_quiz_share_their_first_word(name):
    assert len({question.id.partition(".")[0] for question in QUIZZES[name]}) == 1
    assert all(re.fullmatch(r"[a-z]+\.[a-z0-9-]+", q.id) for q in QUIZZES[name])


@pytest.mark.parametrize("question", EVERY, ids=lambda question: question.id)
def test_every_choice_has_a_reason_of_its_own(question):
    assert 3 <= len(question.choices) <= 7
    reasons = [choice.why for choice in question.choices]
    assert len(set(reasons)) == len(reasons)
    assert min(map(len, reasons)) > 15
    assert {choice.right for choice in question.choices} == {True, False}


def test_no_letter_is_a_good_guess():
    single = [question for question in EVERY if not question.several]
    letters = Counter([choice.right for choice in q.choices].index(True) for q in single)
    assert max(letters.values()) < 0.4 * len(single)
    longest = [max(q.choices, key=lambda choice: len(choice.text)).right for q in single]
    assert sum(longest) < 0.5 * len(longest)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hint": "x"}, "keys must be id, question, several, choices, got hint"),
        ({"question": None}, "question is missing"),
        ({"question": "Costs $5$?"}, r"plain text and `code`, got '\$'"),
        ({"question": "Open `code?"}, "close each backtick"),
        ({"several": "yes"}, "several must be a bool, got 'yes'"),
        ({"choices": "A"}, "choices must be a list, got 'A'"),
        ({"choices": ENTRY["choices"][:1]}, "two choices or more, got 1"),
        ({"choices": ["A", "B"]}, "choice A: must have the keys text, right, why, got 'A'"),
        ({"choices": [c | {"right": False} for c in ENTRY["choices"]]}, "be right, got none"),
        ({"choice_right": True}, "one choice may be right without `several`, got 2"),
        ({"choice_why": None}, "choice B: why is missing"),
        ({"choice_why": " "}, "choice B: why must not be empty"),
        ({"choice_because": "x"}, "choice B: keys must be text, right, why, got because"),
        ({"choice_text": False}, "choice B: text must be a str, got False; put it in quotes"),
        ({"choice_text": "Yes, 5 × 5."}, "the choices must differ"),
    ],
)
def test_a_broken_rule_is_named_with_file_and_question(fields, message):
    with pytest.raises(ValueError, match=rf"^sky\.yml, sky\.color.*{message}"):
        parsed(changed(**fields))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "sky.yml: a quiz must be a list of questions"),
        ("a: b", "sky.yml: a quiz must be a list of questions"),
        ("- [", "sky.yml: not valid YAML"),
        ("- just text", "sky.yml, entry 1: must have the keys"),
        ("- question: x", "sky.yml, entry 1: id is missing"),
    ],
)
def test_a_broken_file_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        quiz.parse(text, where="sky.yml")


def test_an_id_used_twice_is_refused():
    with pytest.raises(
        ValueError, match="sky.yml, sky.color: the id must be unique, used 2 times"
    ):
        parsed(ENTRY, ENTRY)


def test_several_may_be_right():
    (question,) = parsed(changed(several=True, choice_right=True))
    assert question.several
    assert [choice.right for choice in question.choices] == [True, True]


def test_an_unknown_quiz_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of .*04_lenet.*, got '04_lanet'"):
        quiz.show("04_lanet")


def test_text_becomes_html_code_is_marked_and_products_stay_on_one_line():
    html = quiz.fallback(parsed(ENTRY))
    assert "Is 2 &lt; 3, says <code>a &lt; b</code>?" in html
    assert "Two &amp; three" in html
    assert "5\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}5" in html


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


def test_the_hash_changes_with_any_text():
    hashes = {
        quiz._hash(parsed(entry)[0])
        for entry in (
            ENTRY,
            changed(question="Another?"),
            changed(choice_text="Never."),
            changed(choice_why="Another reason."),
        )
    }
    assert len(hashes) == 4


def test_the_figure_is_the_same_text_in_every_process():
    code = "from dlvlib import quiz; print(quiz.show('04_lenet').html)"
    told = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert told[0] == told[1]
    assert ' id="' not in told[0]


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
    assert asked.source == f'from dlvlib import quiz\n\nquiz.show("{name}")'
    assert asked.metadata.tags == ["hide-input"]
    assert "dropdown" not in cells[at].source.partition("## Check yourself")[2]
    assert cells[at + 2].source.startswith("**Exercise")
    stored = asked.outputs[0].data["text/html"]
    assert stored == quiz.show(name).html, "the stored quiz is an old one: `make refresh`"


def test_the_directive_gives_what_the_cell_gives():
    sys.path.insert(0, str(ROOT / "_ext"))
    from docutils.core import publish_doctree
    from docutils.parsers.rst import directives
    from quizzes import QuizDirective

    class Alone(QuizDirective):  # outside Sphinx
        env = type("Env", (), {"note_dependency": staticmethod(lambda path: None)})

    directives.register_directive("quiz-alone", Alone)
    tree = publish_doctree(".. quiz-alone:: 16_conclusion")
    assert tree[0].astext() == quiz.show("16_conclusion").html
    broken = publish_doctree(".. quiz-alone:: 17_more", settings_overrides={"report_level": 5})
    assert "got '17_more'" in broken.astext()
