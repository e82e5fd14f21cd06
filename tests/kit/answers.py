"""Judge lists of answers to the exercises; what the checkers get wrong comes back, all at once."""

from collections.abc import Iterable

from coursekit.checks import check


def refused(topic: str, cases: Iterable[tuple[str, object]]) -> list[str]:
    """The right answers, (question, answer), that are not accepted, with the message."""
    verdicts = [(question, check(f"{topic}.{question}", answer)) for question, answer in cases]
    return [f"{question}: {verdict}" for question, verdict in verdicts if not verdict]


def without_hint(topic: str, cases: Iterable[tuple[str, object, str]]) -> list[str]:
    """The wrong answers, (question, answer, part of the hint), judged otherwise."""
    found = []
    for question, answer, hint in cases:
        verdict = check(f"{topic}.{question}", answer)
        if verdict or hint not in verdict.message or "\n" in verdict.message:
            found.append(f"{question}, {hint!r}: {verdict}")
    return found
