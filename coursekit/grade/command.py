"""The command `grade`: checks its options, grades, writes the scores."""

import argparse
import csv
import importlib.util
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coursekit.checks import TOPICS
from coursekit.checks.engine.questions import LARGEST_STUDENT
from dlvlib._common import check_int, write_atomically

MAX_MINUTES = 24 * 60.0


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return what was found, for programs and for people."""
    if sys.platform == "win32" or importlib.util.find_spec("IPython") is None:
        raise OSError("grading needs Linux or macOS, and Jupyter: use the container of the manual")
    from coursekit.grade import Row, grade, isolation
    from coursekit.grade.released import asks, read_folder, topic_of
    from coursekit.grade.report import summary, to_csv

    jobs = check_int("jobs", options.jobs, 1, 64)
    if not (math.isfinite(options.minutes) and 0 < options.minutes <= MAX_MINUTES):
        rule = f"greater than 0 and at most {MAX_MINUTES:g}"
        raise ValueError(f"minutes must be {rule}, got {options.minutes}")
    if options.topic is not None and options.topic not in TOPICS:
        raise ValueError(f"topic must be one of {', '.join(TOPICS)}, got {options.topic!r}")
    scores = Path(options.csv)
    if scores.is_dir():
        raise ValueError(f"csv must be a file, got the folder {options.csv!r}")
    students = read_students(Path(options.students)) if options.students else None
    submissions = read_folder(Path(options.folder))
    topic = options.topic or topic_of(submissions, TOPICS)
    done: list[Row] = []

    def report(row: Row) -> None:
        done.append(row)
        print(f"{row.name!r}: {row.num_right} right", file=sys.stderr)
        write_atomically(scores, to_csv(done).encode())  # kept where the command is ended

    rows = grade(
        submissions,
        asks(topic),
        students=students,
        jobs=jobs,
        seconds=60 * options.minutes,
        report=report,
    )
    write_atomically(scores, to_csv(rows).encode())
    notes = [f"{topic}: {summary(rows)}", "", f"scores: {scores}"]
    if not isolation.can_isolate():
        notes.append("The notebooks were not isolated: use a container without network.")
    found = [
        {
            "file": row.name,
            "student": row.student,
            "scores": {name: int(verdict.right) for name, verdict in row.verdicts.items()},
            "hints": {name: verdict.message for name, verdict in row.verdicts.items()},
            "errors": row.errors,
            "seconds": row.seconds,
        }
        for row in rows
    ]
    return {"topic": topic, "csv": str(scores), "notebooks": found}, "\n".join(notes)


def read_students(path: Path) -> dict[str, int]:
    """Read which student number belongs to which notebook."""
    from coursekit.grade.released import as_name

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} must be a text in UTF-8") from None
    separator = ";" if ";" in text.partition("\n")[0] else ","  # of a French or German Excel
    lines: Sequence[dict[str, str]] = list(csv.DictReader(io.StringIO(text), delimiter=separator))
    if not lines or not {"file", "student"} <= lines[0].keys():
        raise ValueError(f"{path} must have the columns file and student, and a line for each")
    found = {}
    for line in lines:
        try:
            number = check_int("student", int(line["student"]), 0, LARGEST_STUDENT)
        except (ValueError, TypeError):
            rule = f"the column student of {path} must hold whole numbers"
            raise ValueError(f"{rule}, got {line['student']!r}") from None
        found[as_name(line["file"])] = number
    return found
