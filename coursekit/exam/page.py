"""Exams as one HTML file that prints: no script, no other file, legible without colour.

A sheet of paper is a section with a page style of its own, which writes variant and page at its
foot. A variant begins on a right-hand page, so that sheets may be printed on both sides.
"""

import base64
import itertools
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from coursekit.exam.parts import Part, Partial, Problem
from coursekit.exam.texts import Texts
from coursekit.quiz import as_html

QUESTIONS_A_SHEET = 4  # of the quizzes
SHARED = {"metrics", "fields"}  # which share a sheet
NUM_DIGITS = 8  # of a student number
STYLE = """
@page { size: A4; margin: 14mm 18mm 18mm; }
body { max-width: 46rem; margin: 0 auto; font: 10.5pt/1.35 serif; color: #000; }
h1 { font-size: 15pt; margin: 0 0 4mm; } h2 { font-size: 12pt; margin: 4mm 0 1mm; }
p { margin: 1mm 0; } .variant { break-before: right; } .sheet + .sheet { break-before: page; }
table { border-collapse: collapse; margin: 1.5mm 0; align-self: start; }
th, td { border: 1px solid #666; padding: 0.4mm 2mm; text-align: left; font-weight: normal; }
table, li, .part, .fields, .room { break-inside: avoid; } h2, table { break-after: avoid; }
.fields { display: flex; flex-wrap: wrap; gap: 3mm 8mm; align-items: end; margin-bottom: 4mm; }
.line { display: inline-block; min-width: 42mm; border-bottom: 1px solid #000; height: 1.3em; }
.digits span { display: inline-block; width: 6mm; height: 8mm; border: 1px solid #000; }
.digits span + span { border-left: 0; } .digits { vertical-align: middle; margin-left: 2mm; }
.scores td { min-width: 10mm; text-align: center; } .scores tr:last-child td { height: 8mm; }
.parts { list-style: none; padding: 0; margin: 2mm 0; counter-reset: part; }
.part { display: flex; gap: 3mm; align-items: baseline; margin: 1.2mm 0; counter-increment: part; }
.choice { margin: 3mm 0; } .choice .line { min-width: 20mm; }
.part::before { content: counter(part, lower-alpha) ")"; } .asked { flex: 1; }
.earned { white-space: nowrap; } .sheet:not(.key) .earned::before { content: "";
  display: inline-block; width: 9mm; height: 6mm; border: 1px solid #000; vertical-align: middle;
  margin-right: 1.5mm; }
ol.choices { list-style: upper-alpha; margin: 1mm 0; } ol.choices li { margin: 0.6mm 0; }
.sheet:not(.key) { display: flex; flex-direction: column; min-height: 260mm; }
.room { border: 1px dashed #888; min-height: 15mm; flex: 1; padding: 1mm 2mm; font-size: 9pt; }
.answer { font-weight: bold; } .why { font-style: italic; } img { max-width: 110mm; }
.partial { margin: 0.5mm 0 0; padding-left: 5mm; font-size: 10pt; }
"""


@dataclass(frozen=True)
class Heading:
    """Date, duration and aids, at the top of a sheet."""

    date: str
    minutes: int
    aids: str


def render(
    variants: Mapping[int, Sequence[Problem]], texts: Texts, heading: Heading, *, key: bool
) -> str:
    """Return the exams of some variants, seed to what `exam.draw` returns, or their keys."""
    return _document([(texts("key" if key else "exam"), key)], variants, texts, heading)


def render_worksheet(variants: Mapping[int, Sequence[Problem]], texts: Texts) -> str:
    """Return exercise sheets for the classroom, and their keys behind them, as HTML."""
    parts = [(texts("worksheet"), False), (texts("worksheet_key"), True)]
    return _document(parts, variants, texts, None)


def _document(
    parts: Sequence[tuple[str, bool]],
    variants: Mapping[int, Sequence[Problem]],
    texts: Texts,
    heading: Heading | None,
) -> str:
    """Return one HTML file with all variants in each part: its title, and whether it is a key."""
    styles, sections = [STYLE], []
    for (title, key), (seed, problems) in itertools.product(parts, variants.items()):
        variant = texts("variant", seed=seed)
        sheets = _sheets(problems, texts, key=key)
        sheets[0] = _head(problems, f"{title}, {variant}", texts, heading, key=key) + sheets[0]
        for number, sheet in enumerate(sheets, 1):
            page = f"{'k' if key else 'v'}{seed}-{number}"
            count = "" if key else texts("page", number=number, total=len(sheets))
            styles.append(
                f'@page {page} {{ @bottom-left {{ content: "{title}, {variant}"; }} '
                f'@bottom-right {{ content: "{count}"; }} }}'
            )
            kinds = "sheet" + " variant" * (number == 1) + " key" * key
            sections.append(f'<section class="{kinds}" style="page: {page}">\n{sheet}</section>\n')
    style, body = "\n".join(styles), "".join(sections)
    return (
        f'<!doctype html>\n<html lang="{texts.code}">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{parts[0][0]}</title>\n'
        f"<style>{style}</style></head>\n<body>\n{body}</body>\n</html>\n"
    )


def _head(
    problems: Sequence[Problem], title: str, texts: Texts, heading: Heading | None, *, key: bool
) -> str:
    """Return title and fields: of an exercise sheet, which has no `heading`, only the name."""
    total = sum(problem.points for problem in problems)
    if key:
        return f"<h1>{title}</h1>\n<p>{texts.points(total)}</p>\n"
    name = f'{texts.label("name")} <span class="line"></span>'
    if heading is None:
        return f'<h1>{title}</h1>\n<div class="fields"><div>{name}</div></div>\n'
    digits = f'<span class="digits">{"<span></span>" * NUM_DIGITS}</span>'
    filled = {
        "student": digits,
        "date": as_html(heading.date) or '<span class="line"></span>',
        "duration": texts("minutes", minutes=heading.minutes),
        "aids": as_html(heading.aids),
    }
    values = [name, *(f"{texts.label(field)} {value}" for field, value in filled.items())]
    fields = "".join(f"<div>{value}</div>" for value in values)
    rows = ("".join(f"<td>{cell}</td>" for cell in row) for row in score_rows(problems, texts))
    scores = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<h1>{title}</h1>\n<div class="fields">{fields}</div>\n'
        f'<table class="scores">{scores}</table>\n'
    )


def score_rows(problems: Sequence[Problem], texts: Texts) -> list[list[str]]:
    """Return the table of points: the problems, what they are worth, room for what is earned."""
    points = [problem.points for problem in problems]
    return [
        [texts("numbers"), *map(str, range(1, len(problems) + 1)), texts("total")],
        [texts("worth"), *map(texts.number, [*points, sum(points)])],
        [texts("earned"), *[""] * (len(problems) + 1)],
    ]


def _sheets(problems: Sequence[Problem], texts: Texts, *, key: bool) -> list[str]:
    """Short problems share a sheet, questions take several; a key runs on."""
    sheets: list[str] = []
    for number, problem in enumerate(problems, 1):
        size = QUESTIONS_A_SHEET if problem.topic == "questions" and not key else 99
        is_beside = shares_sheet(problems, number)
        for first in range(0, len(problem.parts), size):
            some = replace(problem, parts=problem.parts[first : first + size])
            title = f"{texts('problem', number=number)}. {problem.title}"
            note = texts("continued") if first else texts.points(problem.points)
            html = _problem(some, f"{title} ({note})", first, texts, key=key)
            if sheets and (key or is_beside):
                sheets[-1] += html
            else:
                sheets.append(html)
    return sheets


def shares_sheet(problems: Sequence[Problem], number: int) -> bool:
    """Whether a problem, counted from 1, is on the sheet of the one before it."""
    return number > 1 and {problems[number - 2].topic, problems[number - 1].topic} == SHARED


def _problem(problem: Problem, title: str, first: int, texts: Texts, *, key: bool) -> str:
    parts = "".join(_part(part, texts, key=key) for part in problem.parts)
    is_computed = problem.topic != "questions"
    room = f'<div class="room">{texts("room")}</div>\n' if is_computed and not key else ""
    return (
        f"<h2>{title}</h2>\n<p>{as_html(problem.text)}</p>\n{table_html(problem)}"
        f'<ol class="parts" style="counter-reset: part {first}">\n{parts}</ol>\n{room}'
    )


def _part(part: Part, texts: Texts, *, key: bool) -> str:
    kind = "part choice" if part.choices else "part"
    line = '<span class="line"></span>'
    inside = as_html(part.question) + _image(part)
    if part.choices:
        items = "".join(f"<li>{as_html(choice)}</li>" for choice in part.choices)
        inside += f'<ol class="choices">{items}</ol>'
    if key:
        line = f'<span class="answer">{as_html(part.answer)}</span>'
        inside += f'<div class="why">{as_html(part.why)}</div>'
        for half in part.partial:
            inside += f'<div class="partial">{as_html(partial_text(half, texts))}</div>'
    return (
        f'<li class="{kind}"><div class="asked">{inside}</div>{line}'
        f'<span class="earned">/ {texts.number(part.points)}</span></li>\n'
    )


def partial_text(half: Partial, texts: Texts) -> str:
    """Return what a wrong answer earns, and why."""
    answer = f"{half.answer}{texts('colon')} " if half.answer else ""
    return f"{answer}{texts.points(half.points)}. {half.why}"


def _image(part: Part) -> str:
    if part.image is None:
        return ""
    kind = mimetypes.guess_type(part.image.name)[0]
    content = base64.b64encode(part.image.read_bytes()).decode()
    return f'<p><img alt="" src="data:{kind};base64,{content}"></p>'


def table_html(problem: Problem) -> str:
    """Return the table of a problem as HTML, "" if it has none."""
    if not problem.table:
        return ""
    head, *rows = problem.table
    header = "".join(f'<th scope="col">{as_html(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{as_html(first)}</th>'
        + "".join(f"<td>{as_html(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><tr>{header}</tr>{body}</table>\n"
