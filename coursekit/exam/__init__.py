"""An exam and its key, drawn from a seed: layers, metrics, receptive fields, quiz questions.

Every answer is computed by the library that the pages use. The same seed gives the same exam on
every machine. Variants are equally difficult: what is drawn again until it fits is written at
each problem.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coursekit.exam.texts import LANGUAGES
from dlvlib._common import check_int

LARGEST_SEED = 10**9
TOPICS = ("layers", "metrics", "fields", "questions")


@dataclass(frozen=True)
class Partial:
    """A wrong answer that is worth some of the points, and the mistake behind it.

    `value` is the answer as a number, for a program that corrects.
    """

    answer: str
    points: float
    why: str
    value: float | None = None


@dataclass(frozen=True)
class Part:
    """One question: the answer, the reason for it, its points, and what half an answer earns.

    `value` is the answer as a number, where it is one, right up to `tolerance`; `image` is a file.
    """

    question: str
    answer: str
    why: str = ""
    points: float = 1
    partial: tuple[Partial, ...] = ()
    choices: tuple[str, ...] = ()
    several: bool = False
    value: float | None = None
    tolerance: float = 0.0
    image: Path | None = None


@dataclass(frozen=True)
class Problem:
    """One problem: its topic, a title, a text, perhaps a table, and its parts."""

    topic: str
    title: str
    text: str
    parts: tuple[Part, ...]
    table: tuple[tuple[str, ...], ...] = ()  # the first row names the columns

    @property
    def points(self) -> float:
        return sum(part.points for part in self.parts)

    def worth(self, points: float) -> "Problem":
        """Return the problem for so many points in all.

        Raises:
            ValueError: if a part would not be worth a multiple of half a point.
        """
        step = next(
            n / 2 for n in range(1, 99) if not any(p.points * n % self.points for p in self.parts)
        )
        if points <= 0 or points % step:
            rule = f"a multiple of {step:g}, so that a part has half or whole points"
            raise ValueError(f"points of {self.topic} must be {rule}, got {points:g}")
        factor = points / self.points
        return replace(self, parts=tuple(_scaled(part, factor) for part in self.parts))


def _scaled(part: Part, factor: float) -> Part:
    partial = tuple(replace(p, points=p.points * factor) for p in part.partial)
    return replace(part, points=part.points * factor, partial=partial)


def draw(
    seed: int,
    *,
    topics: Sequence[str] = TOPICS,
    points: Mapping[str, float] | None = None,
    language: str = "en",
    bank: Path | None = None,
) -> list[Problem]:
    """Return the problems of one variant.

    Args:
        seed: the variant.
        topics: which problems, of `TOPICS`, in their order.
        points: topic to the points of its problem.
        language: of the fixed texts, "en" or "fr".
        bank: a folder with questions of your own, which are drawn first.

    Raises:
        ValueError: if the seed is not an integer from 0 to `LARGEST_SEED`, or another argument is
            not as said above.
    """
    from coursekit.exam import problems, questions  # these import this module

    seed = check_int("seed", seed, 0, LARGEST_SEED)
    for name in (*topics, *(points or {})):
        if name not in TOPICS:
            raise ValueError(f"topics must be of {', '.join(TOPICS)}, got {name!r}")
    if not topics or len(set(topics)) < len(topics):
        raise ValueError(f"topics must be one or more, each once, got {list(topics)}")
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, got {language!r}")
    texts = LANGUAGES[language]
    make = {
        "layers": lambda: problems.layers(seed, texts),
        "metrics": lambda: problems.metrics(seed, texts),
        "fields": lambda: problems.fields(seed, texts),
        "questions": lambda: questions.draw(seed, texts, bank),
    }
    drawn = [make[topic]() for topic in topics]
    return [p.worth((points or {})[p.topic]) if p.topic in (points or {}) else p for p in drawn]
