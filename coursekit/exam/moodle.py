"""Exams as Moodle XML: one category for a variant, one question for a part.

Numbers become numerical questions, choices multiple choice, and everything else a short answer.
"""

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_lowercase, ascii_uppercase
from urllib.parse import quote

from coursekit.exam.page import table_html
from coursekit.exam.parts import Part, Partial, Problem
from coursekit.exam.texts import Texts
from coursekit.quiz import as_html

SEPARATORS = (" × ", "×", " x ", "x", ", ", ",", " ", " - ", "-", "–", " to ", " à ")
TABLE = '<table class="table table-bordered w-auto">'  # else Moodle draws no lines


def render(variants: Mapping[int, Sequence[Problem]], texts: Texts) -> str:
    """Return the exams of some variants, with their answers and partial points."""
    root = ET.Element("quiz")
    for seed, problems in variants.items():
        category = ET.SubElement(root, "question", type="category")
        name = f"{texts('exam')}, {texts('variant', seed=seed)}"
        _add(category, "category", f"$course$/top/{name}")
        for number, problem in enumerate(problems, 1):
            for letter, part in zip(ascii_lowercase, problem.parts, strict=False):
                _question(root, f"{seed}-{number}{letter} {problem.title}", problem, part)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    """Add an element with a text inside, as Moodle wraps it."""
    element = ET.SubElement(parent, tag, attributes)
    ET.SubElement(element, "text").text = text
    return element


def _question(root: ET.Element, name: str, problem: Problem, part: Part) -> None:
    kind = "shortanswer" if part.value is None else "numerical"
    question = ET.SubElement(root, "question", type="multichoice" if part.choices else kind)
    _add(question, "name", name)
    html = f"<p>{as_html(part.question)}</p>"
    if not part.choices:
        table = table_html(problem).replace("<table>", TABLE)
        html = f"<p>{as_html(problem.text)}</p>{table}{html}"
    if part.image:
        html += f'<p><img alt="" src="@@PLUGINFILE@@/{quote(part.image.name)}"></p>'
    asked = _add(question, "questiontext", html, format="html")
    if part.image:
        file = ET.SubElement(asked, "file", name=part.image.name, path="/", encoding="base64")
        file.text = base64.b64encode(part.image.read_bytes()).decode()
    _add(question, "generalfeedback", as_html(part.why), format="html")
    ET.SubElement(question, "defaultgrade").text = f"{part.points:g}"
    if part.choices:
        ET.SubElement(question, "single").text = str(not part.several).lower()
        ET.SubElement(question, "shuffleanswers").text = "false"  # the feedback names letters
        ET.SubElement(question, "answernumbering").text = "ABCD"
        right = part.answer.split(", ")
        share = f"{100 / len(right):.7g}"  # as in Moodle's list of grades
        for letter, choice in zip(ascii_uppercase, part.choices, strict=False):
            wrong = f"-{share}" if part.several else "0"
            fraction = share if letter in right else wrong
            _answer(question, as_html(choice), fraction, "", format="html")
        return
    for text, value, points, why in _texts(part):
        answer = _answer(question, text, f"{100 * points / part.points:g}", why)
        if value is not None:
            ET.SubElement(answer, "tolerance").text = f"{part.tolerance:g}"


def _answer(
    question: ET.Element, text: str, fraction: str, why: str, format: str = "moodle_auto_format"
) -> ET.Element:
    """Add an answer, its share of the points in per cent, and what Moodle replies to it."""
    answer = ET.SubElement(question, "answer", fraction=fraction, format=format)
    ET.SubElement(answer, "text").text = text
    _add(answer, "feedback", as_html(why), format="html")
    return answer


def _texts(part: Part) -> Iterator[tuple[str, float | None, float, str]]:
    """All texts that are accepted: (text, number, points, why)."""
    right = Partial(part.answer, part.points, "", part.value)
    for half in (right, *part.partial):
        if half.value is not None:
            yield f"{half.value:.10g}", half.value, half.points, half.why
        elif part.value is None:
            numbers = re.findall(r"\d+", half.answer) + ["*"] * ("…" in half.answer)  # any text
            for separator in SEPARATORS:
                text = separator.join(numbers)
                yield text, None, half.points, half.why
                if "," in separator:
                    yield f"({text})", None, half.points, half.why
