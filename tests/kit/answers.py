"""Judge lists of answers to the exercises; what the checkers get wrong comes back, all at once."""

import contextlib
import signal
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from unittest import mock

from coursekit.checks import check
from coursekit.checks.engine import sandbox


@contextlib.contextmanager
def in_process() -> Iterator[None]:
    """Judge without a child for each answer; a timer of CPU seconds limits the code.

    A fork of a process that has imported torch costs more than most answers do.
    """

    def out_of_time(*_: object) -> None:
        raise sandbox.OutOfTime

    def run(steps: Sequence[sandbox.Step]) -> list[Any]:
        signal.setitimer(signal.ITIMER_PROF, sandbox.TIME_LIMIT_SECONDS)
        try:
            values = []
            for step in steps:
                values.append(sandbox.observe(step))
                if getattr(values[-1], "kind", "") == sandbox.OutOfTime.__name__:
                    raise sandbox.Stopped("It did not return in time.")
            return values
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    before = signal.signal(signal.SIGPROF, out_of_time)
    try:
        with mock.patch.object(sandbox, "run", run):
            yield
    finally:
        signal.signal(signal.SIGPROF, before)


@in_process()
def refused(topic: str, cases: Iterable[tuple[str, object]]) -> list[str]:
    """The right answers, (question, answer), that are not accepted, with the message."""
    verdicts = [(question, check(f"{topic}.{question}", answer)) for question, answer in cases]
    return [f"{question}: {verdict}" for question, verdict in verdicts if not verdict]


@in_process()
def without_hint(topic: str, cases: Iterable[tuple[str, object, str]]) -> list[str]:
    """The wrong answers, (question, answer, part of the hint), judged otherwise."""
    found = []
    for question, answer, hint in cases:
        verdict = check(f"{topic}.{question}", answer)
        if verdict or hint not in verdict.message or "\n" in verdict.message:
            found.append(f"{question}, {hint!r}: {verdict}")
    return found
