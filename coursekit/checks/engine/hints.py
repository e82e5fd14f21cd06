"""Hints for wrong answers that are computed: where two answers are equal, hints are merged."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

from coursekit.checks.engine.questions import TOLERANCE, ChoiceQuestion

Answer = TypeVar("Answer", float, tuple[int, ...])


def subsets(words: Sequence[str]) -> list[frozenset[str]]:
    """Return every choice of some of the words, also of none."""
    counts = range(len(words) + 1)
    return [frozenset(chosen) for n in counts for chosen in combinations(words, n)]


def true_statements(true: Iterable[str], praise: str, hints: Mapping[str, str]) -> ChoiceQuestion:
    """Return the question which statements are true.

    Each has a hint for who judges it wrongly; of several, the first in the alphabet counts.

    >>> true_statements("a", "Yes.", {"a": "See a.", "b": "See b."}).judge("b").message
    'See a.'
    """
    expected = frozenset(true)
    wrong = [chosen for chosen in subsets(list(hints)) if chosen != expected]
    replies = {chosen: hints[min(chosen ^ expected)] for chosen in wrong}
    return ChoiceQuestion(expected, tuple(hints), praise, replies)


def distinct(expected: Answer, mistakes: Iterable[tuple[Answer, str]]) -> dict[Answer, str]:
    """Return the hint of each wrong answer, for a question with computed numbers.

    A mistake that leads to the right answer drops out, for instance a forgotten padding of 0.
    Two mistakes that lead to the same answer share a line, since nobody can know which it was.

    >>> distinct(8, [(4, "One."), (8, "Two."), (4, "Three.")])
    {4: 'One. Or: Three.'}
    """

    def equal(one: Answer, other: Answer) -> bool:
        if isinstance(one, tuple) or isinstance(other, tuple):
            return one == other
        return math.isclose(one, other, abs_tol=TOLERANCE)

    kept: dict[Answer, str] = {}
    for wrong, hint in mistakes:
        if equal(wrong, expected):
            continue
        known = next((other for other in kept if equal(wrong, other)), None)
        if known is None:
            kept[wrong] = hint
        elif hint not in kept[known]:
            kept[known] += f" Or: {hint}"
    return kept
