"""Draws from a seed, the same on every machine."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Thing = TypeVar("Thing")


class SeededDraws:
    """Draws that depend on the seed and on a name alone, on no version of Python or torch."""

    def __init__(self, seed: int, name: str) -> None:
        self.seed, self.name, self.count = seed, name, 0

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to limit - 1."""
        self.count += 1
        text = f"exam {self.seed} {self.name} {self.count}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % limit

    def one_of(self, things: Sequence[Thing]) -> Thing:
        """Return one of the items."""
        return things[self.below(len(things))]

    def shuffled(self, things: Sequence[Thing]) -> list[Thing]:
        """Return the items in a different order."""
        left = list(things)
        return [left.pop(self.below(len(left))) for _ in things]
