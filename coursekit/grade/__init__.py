"""Grade a folder of submitted notebooks: what `python -m coursekit grade` does.

Each notebook runs in a process of its own (`worker`), under limits (`isolation`). It replies with
values; the verdicts are taken here, from the released questions. So nothing that a notebook
prints, and nothing that it changes in coursekit, earns a point.

What this does not prevent: the right answers are public, in the solutions and in coursekit, and a
notebook may take them from there; `PEEKS` points to the clumsiest ways. A function is called
beside the code of its author, who may send other values than it returned; but only right values
earn a point. Untrusted code reads and writes files as whoever runs it may: use a container.
"""

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from coursekit import checks
from coursekit.checks import QUESTIONS, Verdict
from coursekit.checks.engine.functions import FunctionQuestion
from coursekit.checks.engine.questions import LARGEST_STUDENT, StudentQuestion
from coursekit.checks.engine.values import Raised
from coursekit.grade import isolation
from coursekit.grade.released import Ask, Submission
from coursekit.grade.wire import decode
from dlvlib._common import check_int

PEEKS = re.compile(r"\bQUESTIONS\b|\b_answered\b|\.(expected|reference|judge)\b|coursekit\.grade")
MAX_ERRORS = 20  # of a notebook
MAX_NAME = 200  # characters of a cell's id, and of an error
NO_ANSWER = Verdict(False, "There is no answer.")


@dataclass(frozen=True)
class Row:
    """What one notebook earned: a verdict for each question, and what went wrong."""

    name: str
    student: int | None
    verdicts: Mapping[str, Verdict]
    errors: tuple[str, ...]
    seconds: float

    @property
    def num_right(self) -> int:
        return sum(verdict.right for verdict in self.verdicts.values())


@dataclass
class _Replies:
    """What a worker replied, sorted."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # the last one counts
    errors: list[str] = field(default_factory=list)
    cell: str = ""
    is_done: bool = False


def grade(
    submissions: Sequence[Submission],
    released: Mapping[str, Sequence[Ask]],
    *,
    students: Mapping[str, int] | None = None,
    jobs: int = 2,
    seconds: float = 300.0,
    report: Callable[[Row], object] = lambda row: None,
) -> list[Row]:
    """Run notebooks and judge their answers.

    Args:
        submissions: the notebooks.
        released: what is asked, by the id of the cell.
        students: notebook to the student number that must be in it, where that is known.
        jobs, seconds: how many notebooks run at a time, and for how long.
        report: called with each row when it is there.

    Raises:
        OSError: if no worker could begin.
    """
    interrupted = threading.Event()

    def run(submission: Submission) -> tuple[Submission, bytes, str, float]:
        begin = time.monotonic()
        content, reason = b"", submission.problem
        if not reason:
            task = {"cells": _cells(submission, released)}
            content, reason = isolation.run(task, seconds, interrupted)
        return submission, content, reason, time.monotonic() - begin

    questions = list(dict.fromkeys(ask.question for asks in released.values() for ask in asks))
    rows: list[Row] = []
    reasons: list[str] = []
    with ThreadPoolExecutor(jobs) as pool, _set_on_error(interrupted, pool):
        for submission, content, reason, duration in pool.map(run, submissions):
            reasons.append(reason)
            own = (students or {}).get(submission.name)
            replies = _sorted(content)
            if students is not None and own is None:
                replies.errors.append("it is not in the list of students")
            row = _judge(submission, replies, reason, questions, own)
            rows.append(replace(row, seconds=duration))
            report(rows[-1])
    if all(reason.startswith(isolation.NOT_BEGUN) for reason in reasons):
        raise OSError(reasons[0])
    return _with_shared_numbers(rows)


@contextlib.contextmanager
def _set_on_error(interrupted: threading.Event, pool: ThreadPoolExecutor) -> Iterator[None]:
    """End the running notebooks, and begin no other, where the grader itself is ended."""
    try:
        yield
    except BaseException:
        interrupted.set()
        pool.shutdown(cancel_futures=True)
        raise


def _cells(submission: Submission, released: Mapping[str, Sequence[Ask]]) -> list[dict[str, Any]]:
    """The student's cells in their order, each with what is asked after it.

    Questions whose cell is missing are asked at the end.
    """
    present = {cell.id for cell in submission.cells}
    answered = {ask.question for id in present & released.keys() for ask in released[id]}
    late = [ask for asks in released.values() for ask in asks if ask.question not in answered]
    cells = [
        {"id": cell.id, "source": cell.source, "asks": released.get(cell.id, ())}
        for cell in submission.cells
    ]
    cells.append({"id": "end", "source": "", "asks": late})
    return [cell | {"asks": [vars(ask) for ask in cell["asks"]]} for cell in cells]


def _sorted(content: bytes) -> _Replies:
    """Sort the replies; a line that the worker did not write is left out."""
    replies = _Replies()
    for line in content.splitlines():
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            continue
        match fields:
            case {"question": str(question)}:
                replies.answers[question] = fields
            case {"cell": str(cell)}:
                replies.cell = cell[:MAX_NAME]
            case {"error": str(error)} if len(replies.errors) < MAX_ERRORS:
                replies.errors.append(f"{replies.cell}: {error[:MAX_NAME]}")
            case {"done": True}:
                replies.is_done = True
    return replies


def _judge(
    submission: Submission,
    replies: _Replies,
    reason: str,
    questions: Sequence[str],
    own: int | None,
) -> Row:
    errors = [*replies.errors]
    if not replies.is_done and not submission.problem:
        errors.append(f"{reason or 'the process ended'}, in cell {replies.cell or 'none'}")
    elif reason:
        errors.append(reason)
    found = {q: replies.answers[q] for q in questions if q in replies.answers}
    given = [number for reply in found.values() if (number := _student(reply)) is not None]
    if own is not None and given and given[-1] != own:
        errors.append(f"STUDENT must be {own}, got {given[-1]}")
    errors += [
        f"{c.id}: it looks into the checker" for c in submission.cells if PEEKS.search(c.source)
    ]
    verdicts = {q: verdict(q, found[q], own) if q in found else NO_ANSWER for q in questions}
    number = own if own is not None or not given else given[-1]
    return Row(submission.name, number, verdicts, tuple(errors), 0.0)


def _student(reply: Mapping[str, Any]) -> int | None:
    try:
        return check_int("student", reply.get("student"), 0, LARGEST_STUDENT)
    except ValueError:
        return None


def verdict(question: str, reply: Mapping[str, Any], own: int | None) -> Verdict:
    """Judge what a worker replied to a question; `own` is the student's number, if known."""
    if "failed" in reply:
        return Verdict(False, str(reply["failed"]))
    asked = QUESTIONS[question]
    student = own if own is not None else reply.get("student")
    try:
        if isinstance(asked, FunctionQuestion) and "observed" in reply:
            found = [decode(data) for data in reply["observed"]]
            if len(found) != asked.rounds:
                raise ValueError(f"there must be {asked.rounds} observations, got {len(found)}")
            return asked.compare(found)
        answer = decode(reply.get("value"))
    except Exception as error:  # the reply of hostile code may be anything
        return Verdict(False, f"The answer could not be judged ({Raised.of(error)}).")
    own_number = {"student": student} if isinstance(asked, StudentQuestion) else {}
    return checks.check(question, answer, **own_number)


def _with_shared_numbers(rows: list[Row]) -> list[Row]:
    """Add an error to each row whose student number another row has, too."""
    names: dict[int | None, list[str]] = {}
    for row in rows:
        names.setdefault(row.student, []).append(row.name)

    def errors(row: Row) -> Iterator[str]:
        yield from row.errors
        others = [name for name in names[row.student] if name != row.name]
        if others and row.student is not None:
            yield f"STUDENT {row.student} is also in {others[0]}"

    return [replace(row, errors=tuple(errors(row))) for row in rows]
