"""What an exam is made of."""

from dataclasses import dataclass, replace
from pathlib import Path


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
