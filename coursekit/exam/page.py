"""An exam as one HTML file that prints: no script, no other file, legible without colour."""

from collections.abc import Callable, Sequence
from html import escape

from coursekit.exam import Part, Problem

STYLE = """
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 serif; color: #000; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 1.6rem; }
table { border-collapse: collapse; margin: 0.8rem 0; } caption { text-align: left; }
th, td { border: 1px solid #666; padding: 0.2rem 0.5rem; text-align: left; }
li { margin: 0.5rem 0; break-inside: avoid; } ol[type="A"] li { margin: 0.1rem 0; }
.line { display: inline-block; min-width: 12rem; border-bottom: 1px solid #000; }
.answer { font-weight: bold; } .why { font-style: italic; } h2, table { break-after: avoid; }
"""


def render(problems: Sequence[Problem], seed: int, *, key: bool) -> str:
    """Return the exam of one variant, or its key, as HTML.

    Args:
        problems: what `exam.draw` returns.
        seed: the variant, which is in the title of both, so that they can be matched.
        key: whether answers and reasons are shown.
    """
    total = sum(problem.points for problem in problems)
    title = f"Image classification: {'key to the exam' if key else 'exam'}, variant {seed}"
    name = "" if key else '<p>Name: <span class="line"></span></p>'
    body = "".join(map(_key if key else _exam, problems))
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f"<p>{total} points.</p>{name}\n{body}</body>\n</html>\n"
    )


def _exam(problem: Problem) -> str:
    return _problem(problem, '<span class="line"></span>', lambda part: "")


def _key(problem: Problem) -> str:
    return _problem(problem, None, lambda part: f' <span class="why">{_text(part.why)}</span>')


def _problem(problem: Problem, line: str | None, why: Callable[[Part], str]) -> str:
    parts = "".join(
        f"<li>{_text(part.question)} ({_points(part.points)})<br>"
        f"{line or _answer(part)}{why(part)}{_choices(part)}</li>\n"
        for part in problem.parts
    )
    return (
        f"<h2>{escape(problem.title)} ({_points(problem.points)})</h2>\n"
        f"<p>{_text(problem.text)}</p>\n{_table(problem)}<ol>\n{parts}</ol>\n"
    )


def _answer(part: Part) -> str:
    return f'<span class="answer">{_text(part.answer)}</span>'


def _points(number: int) -> str:
    return f"{number} point{'s' * (number != 1)}"


def _choices(part: Part) -> str:
    items = "".join(f"<li>{_text(choice)}</li>" for choice in part.choices)
    return f'<ol type="A">{items}</ol>' if items else ""


def _table(problem: Problem) -> str:
    if not problem.table:
        return ""
    head, *rows = problem.table
    header = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{_text(first)}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><tr>{header}</tr>{body}</table>\n"


def _text(text: str) -> str:
    """Return plain text with `code` as HTML."""
    parts = (escape(part, quote=False) for part in text.split("`"))
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
