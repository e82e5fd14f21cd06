"""Exams as paper, LaTeX and Moodle XML: all of the exam, and on the sheet no answer."""

import base64
import io
import itertools
import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from bs4 import BeautifulSoup
from exam_bank import PIXEL, make_bank

from coursekit import exam, quiz
from coursekit.exam import latex, moodle, page
from coursekit.exam.texts import LANGUAGES

TEXTS = LANGUAGES["en"]
HEADING = page.Heading(date="2026-12-01", minutes=90, aids="an abacus & <paper>")


def text_of(html):
    return " ".join(BeautifulSoup(html, "html.parser").get_text().split())


def test_the_sheet_shows_no_answer_and_the_key_every_one():
    some = {seed: exam.draw(seed) for seed in (7, 8)}
    sheet, key = (page.render(some, TEXTS, HEADING, key=is_key) for is_key in (False, True))
    asked, answered = text_of(sheet), text_of(key)
    for problems in some.values():
        for part in (part for problem in problems for part in problem.parts):
            why = " ".join(part.why.replace("`", "").split())
            assert why and why in answered and why not in asked
            assert f'class="answer">{part.answer}<' in key
            for half in part.partial:
                assert " ".join(page.partial_text(half, TEXTS).split()) in answered
    assert 'class="answer"' not in sheet
    for word in ("Name:", "Student number:", "2026-12-01", "90 minutes", "abacus & <paper>"):
        assert word in asked and word not in answered
    for html in (sheet, key):
        assert not re.search(r"<script|<link|https?:", html)
        assert "variant 7" in html and "variant 8" in html


def test_a_worksheet_has_the_sheets_of_all_variants_and_then_the_keys():
    some = {seed: exam.draw(seed, topics=["layers"]) for seed in (7, 8)}
    html = page.render_worksheet(some, TEXTS)
    asked, key, answered = html.partition('<section class="sheet variant key"')
    assert key and 'class="answer"' not in asked and "<script" not in html
    for text in (asked, answered):
        assert "exercise sheet, variant 7<" in text and "exercise sheet, variant 8<" in text
    assert answered.count('class="answer"') == sum(len(p.parts) for (p,) in some.values())
    assert asked.count("Name:") == 2 and "Name:" not in answered and "Duration" not in html
    names = re.findall(r"@page (\w\S+)", html)
    assert sorted(names) == sorted(set(names)) == sorted(re.findall(r"page: (\w+-\d)\"", html))


@pytest.mark.browser
@pytest.mark.slow
def test_each_variant_prints_on_two_sheets_with_its_number_and_page(chromium):
    pypdf = pytest.importorskip("pypdf")
    window = chromium.new_page()
    for code, word, of, seeds in (
        ("en", "variant", "of", range(5)),
        ("fr", "sujet", "sur", range(5, 10)),
    ):
        drawn = {seed: exam.draw(seed, language=code) for seed in seeds}
        window.set_content(page.render(drawn, LANGUAGES[code], HEADING, key=False))
        pages = pypdf.PdfReader(io.BytesIO(window.pdf(prefer_css_page_size=True))).pages
        found = [" ".join(text.extract_text().split()) for text in pages]
        expected = [(seed, number) for seed in seeds for number in (1, 2, 3, 4)]
        assert len(found) == len(expected)
        for text, (seed, number) in zip(found, expected, strict=True):
            assert re.search(rf"{word} {seed}\b", text) and f"page {number} {of} 4" in text
    window.close()


def test_moodle_gets_every_question_with_its_answers_and_images(tmp_path):
    bank = make_bank(tmp_path)
    problems = exam.draw(7, bank=bank)
    root = ET.fromstring(moodle.render({7: problems}, TEXTS))
    category, *found = root
    title = "$course$/top/Image classification: exam, variant 7"
    assert category.findtext("category/text") == title
    parts = [part for problem in problems for part in problem.parts]
    assert len(found) == len(parts)
    for question, part in zip(found, parts, strict=True):
        found = question.iter("answer")
        answers = [(answer.findtext("text"), float(answer.get("fraction"))) for answer in found]
        assert float(question.findtext("defaultgrade")) == part.points
        if part.choices:
            assert question.get("type") == "multichoice" and len(answers) == len(part.choices)
            letters = part.answer.split(", ")
            right = {text: share for text, share in answers if share > 0}
            assert right.keys() == {
                quiz.as_html(part.choices["ABCDEFGH".index(letter)]) for letter in letters
            }
            assert sum(right.values()) == pytest.approx(100, abs=0.01)
        elif part.value is not None:
            assert question.get("type") == "numerical"
            assert float(answers[0][0]) == pytest.approx(part.value) and answers[0][1] == 100
            assert {share for _, share in answers[1:]} <= {50}
        else:
            assert question.get("type") == "shortanswer"
            assert (part.answer.replace(" × ", "x"), 100) in answers or "to" in part.answer
            assert (f"({', '.join(re.findall('[0-9]+', part.answer))})", 100) in answers
            assert (part.answer, 100) in answers
    (file,) = root.iter("file")
    assert base64.b64decode(file.text) == PIXEL
    (html,) = (text for text in root.itertext() if "@@PLUGINFILE@@" in text)
    assert f'src="@@PLUGINFILE@@/{file.get("name")}"' in html


def test_moodle_gets_any_number_of_right_choices_in_their_order():
    choices = tuple(f"choice {number}" for number in range(8))
    part = exam.questions.Part("?", "A, B, C, D, E, F", choices=choices, several=True)
    problem = exam.Problem("questions", "", "", (part,))
    (_, question) = ET.fromstring(moodle.render({7: [problem]}, TEXTS))
    shares = [float(answer.get("fraction")) for answer in question.iter("answer")]
    assert shares == [16.66667] * 6 + [-16.66667] * 2  # in the list of Moodle's grades
    assert question.findtext("shuffleanswers") == "false"


def test_latex_knows_the_characters_of_every_quiz():
    for question in itertools.chain(*map(quiz.read, quiz.names())):
        for text in (question.question, *(choice.text for choice in question.choices)):
            assert latex.as_latex(text).isascii(), text


def test_latex_is_balanced_and_has_no_character_that_it_does_not_know():
    for code in LANGUAGES:
        drawn = {seed: exam.draw(seed, language=code) for seed in range(10)}
        for is_key in (False, True):
            text = latex.render(drawn, LANGUAGES[code], HEADING, key=is_key)
            assert re.sub(r"[ -~\n\u00c0-\u017f«»’“”–—·²³°\u00a0]", "", text) == ""
            bare = text.replace("\\\\", "").replace(r"\{", "").replace(r"\}", "")
            assert bare.count("{") == bare.count("}")
            begun, ended = (re.findall(rf"\\{end}{{(\w+)}}", text) for end in ("begin", "end"))
            assert Counter(begun) == Counter(ended)
            assert text.count(r"\item ") >= 25 * len(drawn)
            assert text.count(r"\item \begin{minipage}") == text.count(r"\end{minipage}")
            assert all(text.count(f"{{last-{seed}}}") == 2 for seed in drawn)  # page 1 of 4
            assert text.count("\n\\clearpage\n") == (0 if is_key else 2 * len(drawn))
            assert "abacus \\& \\textless{}paper\\textgreater{}" in text or is_key
