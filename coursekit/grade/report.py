"""Scores as CSV, and a summary that a teacher reads."""

import csv
import io
from collections import Counter
from collections.abc import Sequence

from coursekit.checks.engine.values import printable
from coursekit.grade import Row

MAX_ERRORS = 300  # characters
WIDTH = 70  # of a hint
UNANSWERED = "There is no answer"  # so the hint for a missing answer begins


def to_csv(rows: Sequence[Row]) -> str:
    """Return one line for a notebook: 1 or 0 for each question."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["file", "student", *rows[0].verdicts, "errors", "seconds"])
    for row in rows:
        student = "" if row.student is None else row.student
        scores = (int(verdict.right) for verdict in row.verdicts.values())
        errors = _cell("; ".join(row.errors))
        writer.writerow([_cell(row.name), student, *scores, errors, f"{row.seconds:.1f}"])
    return file.getvalue()


def _cell(text: str) -> str:
    """Text of a student, printable and short; a spreadsheet does not take it for a formula."""
    text = printable(text)[:MAX_ERRORS]
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def summary(rows: Sequence[Row]) -> str:
    """Return the score of each notebook, and of each question with its most frequent hint."""
    questions = list(rows[0].verdicts)
    width = max(map(len, questions))
    lines = [f"{len(rows)} notebooks, {len(questions)} questions"]
    for question in questions:
        verdicts = [row.verdicts[question] for row in rows]
        right = sum(verdict.right for verdict in verdicts)
        wrong = [verdict.message for verdict in verdicts if not verdict.right]
        hints = Counter(hint for hint in wrong if not hint.startswith(UNANSWERED))
        open_ = len(wrong) - hints.total()
        text = f"{question:{width}}  {right:3} right, {open_:3} without an answer"
        for hint, count in hints.most_common(1):
            text += f", {count} x {hint[:WIDTH]}{'...' * (len(hint) > WIDTH)}"
        lines.append(text)
    lines.append("")
    width = min(40, max(len(row.name) for row in rows))
    for row in rows:
        errors = printable("; ".join(row.errors))
        score = f"{row.num_right} of {len(questions)}"
        lines.append(f"{printable(row.name):{width}}  {score}  {errors[:WIDTH]}".rstrip())
    return "\n".join(lines)
